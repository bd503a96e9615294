import type { Clock } from "../contract/clock.js";
import type { SessionRefused } from "../contract/events.js";
import type { PortalSession } from "./login-record.js";
import type { DecodedLogin } from "./record-codec.js";
import type { PortalAuthInstance } from "./session-holder.js";

/** The portalAuth() whose logins count. */
export interface LoginPolicy extends PortalAuthInstance {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly sessionAbsolute: number;
  readonly clock: Clock;
}

export type LoginRefusal = SessionRefused["reason"];

/** Why a login that was read for a session does not count there; undefined if it counts. */
export function findLoadRefusal(
  login: DecodedLogin,
  sessionId: string | undefined,
  policy: LoginPolicy,
): LoginRefusal | undefined {
  return login.record.session_id === sessionId ? findRefusal(login.view, policy) : "not_ours";
}

/** Why a login does not count here; undefined if it counts. */
export function findRefusal(view: PortalSession, policy: LoginPolicy): LoginRefusal | undefined {
  if (isOfOtherPortalAuth(view, policy)) return "of_another_portal_auth";
  return policy.clock() / 1000 < view.started_at + policy.sessionAbsolute ? undefined : "too_old";
}

type LoginOrigin = Pick<PortalSession, "issuer" | "client_id" | "redirect_uri">;

/** Whether a login is of this provider and client, whichever redirect URI began it. */
export const isOfSameClient = (
  login: Omit<LoginOrigin, "redirect_uri">,
  { issuer, clientId }: LoginPolicy,
): boolean => login.issuer === issuer && login.client_id === clientId;

/**
 * Whether another portalAuth() has begun a login. Two with the same provider and client differ by the
 * redirect URI: one may let in users whom the hooks of the other refuse.
 */
export const isOfOtherPortalAuth = (login: LoginOrigin, policy: LoginPolicy): boolean =>
  !isOfSameClient(login, policy) || login.redirect_uri !== policy.redirectUri;
