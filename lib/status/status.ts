import { setResponseHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import { ignoreSessionActivity } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { getSecondsLeft, readSession } from "../session/request-session.js";

/**
 * GET /session: what the pages of the application may know of the login, to tell the person in time that it ends. It asks
 * the portal nothing, and is no use of the session: a page that asks again and again keeps nobody logged in.
 */
export function createStatusStep(router: RouterContext) {
  return async function status({ req, res }: RequestContext): Promise<void> {
    const login = readSession(req, router.settings);
    const body = login ? createStatus(router, req, login) : { isAuthenticated: false };
    ignoreSessionActivity(req);
    setResponseHeaders(res);
    send(res, "application/json", JSON.stringify(body));
  };
}

const createStatus = ({ settings }: RouterContext, req: RequestContext["req"], login: PortalSession) => ({
  isAuthenticated: true,
  claims: selectClaims(settings.sessionClaims, login.claims),
  expires_in: getSecondsLeft(req, settings, login),
});

const selectClaims = (names: readonly string[], claims: Claims): Partial<Claims> =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]));
