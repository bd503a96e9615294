import { setResponseHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import { ignoreSessionActivity } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { getSecondsLeft, readSession } from "../session/request-session.js";

/**
 * Creates the step for GET /session. It sends what the pages of the application may know of the login, so
 * that they can warn the user before it ends. It sends no request to the provider. It does not count as
 * activity, so polling does not extend the session.
 */
export function createStatusStep(router: RouterContext) {
  return async function status({ req, res }: RequestContext): Promise<void> {
    const session = readSession(req, router.settings);
    const body = session ? createStatus(router, req, session) : { isAuthenticated: false };
    ignoreSessionActivity(req);
    setResponseHeaders(res);
    send(res, "application/json", JSON.stringify(body));
  };
}

const createStatus = ({ settings }: RouterContext, req: RequestContext["req"], session: PortalSession) => ({
  isAuthenticated: true,
  claims: selectClaims(settings.sessionClaims, session.claims),
  expires_in: getSecondsLeft(req, settings, session),
});

const selectClaims = (names: readonly string[], claims: Claims): Partial<Claims> =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]));
