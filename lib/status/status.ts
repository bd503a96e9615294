import { ourHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import type { Parts, Visit } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import { passUnnoticed } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { readSession, secondsLeft } from "../session/session.js";

/**
 * GET /session: what the pages of the application may know of the login, to tell the person in time that it ends. It asks
 * the portal nothing, and is no use of the session: a page that asks again and again keeps nobody logged in.
 */
export function statusStep(parts: Parts) {
  return async function status({ req, res }: Visit): Promise<void> {
    const login = readSession(req, parts.settings);
    const told = login ? statusOf(parts, req, login) : { isAuthenticated: false };
    passUnnoticed(req);
    ourHeaders(res);
    send(res, "application/json", JSON.stringify(told));
  };
}

const statusOf = ({ settings }: Parts, req: Visit["req"], login: PortalSession) => ({
  isAuthenticated: true,
  claims: named(settings.sessionClaims, login.claims),
  expires_in: secondsLeft(req, settings, login),
});

const named = (names: readonly string[], claims: Claims): Partial<Claims> =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]));
