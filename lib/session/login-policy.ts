import type { Clock } from "../contract/clock.js";
import type { SessionRejected } from "../contract/events.js";
import type { PortalSession } from "./login-record.js";
import type { DecodedLogin } from "./record-codec.js";
import type { PortalAuthInstance } from "./session-holder.js";

/** The settings of a portalAuth() that decide which logins are valid there. */
export interface LoginPolicy extends PortalAuthInstance {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  /** Maximum lifetime of a login, in seconds. */
  readonly sessionAbsolute: number;
  readonly clock: Clock;
}

/** The reason why a login is not valid. */
export type LoginRefusal = SessionRejected["reason"];

/**
 * Returns why a login that was just loaded for a session is not valid there, or undefined if it is valid. If
 * the record names another session, or if `sessionId` is undefined, the reason is `not_ours`. The other
 * reasons are those of findRefusal().
 */
export function findLoadRefusal(
  login: DecodedLogin,
  sessionId: string | undefined,
  policy: LoginPolicy,
): LoginRefusal | undefined {
  return login.record.session_id === sessionId ? findRefusal(login.view, policy) : "not_ours";
}

/**
 * Returns why a login is not valid at a portalAuth(), or undefined if it is valid. The reason is
 * `of_another_portal_auth`, or `too_old` after `sessionAbsolute`.
 */
export function findRefusal(view: PortalSession, policy: LoginPolicy): LoginRefusal | undefined {
  if (isOfOtherPortalAuth(view, policy)) return "of_another_portal_auth";
  return policy.clock() / 1000 < view.started_at + policy.sessionAbsolute ? undefined : "too_old";
}

type LoginOrigin = Pick<PortalSession, "issuer" | "client_id" | "redirect_uri">;

/** Returns whether a login belongs to this provider and client. Its redirect URI may be another one. */
export const isOfSameClient = (
  login: Omit<LoginOrigin, "redirect_uri">,
  { issuer, clientId }: LoginPolicy,
): boolean => login.issuer === issuer && login.client_id === clientId;

/**
 * Returns whether another portalAuth() started a login: the issuer, the client or the redirect URI differs.
 * The redirect URI matters, because the hooks of one portalAuth() may reject users whom another one accepts.
 */
export const isOfOtherPortalAuth = (login: LoginOrigin, policy: LoginPolicy): boolean =>
  !isOfSameClient(login, policy) || login.redirect_uri !== policy.redirectUri;
