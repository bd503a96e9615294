import type { Clock } from "../contract/clock.js";
import type { SessionRefused } from "../contract/events.js";
import type { Instance } from "./holder.js";
import type { PortalSession } from "./login-record.js";
import type { DecodedLogin } from "./record-codec.js";

/** The portalAuth() whose logins count. */
export interface SessionRules extends Instance {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly sessionAbsolute: number;
  readonly clock: Clock;
}

export type Refusal = SessionRefused["reason"];

/** Why a login that was read for a session does not count there; undefined if it counts. */
export function whyNotLoaded(
  login: DecodedLogin,
  sessionId: string | undefined,
  rules: SessionRules,
): Refusal | undefined {
  return login.record.session_id === sessionId ? whyNot(login.view, rules) : "not_ours";
}

/** Why a login does not count here; undefined if it counts. */
export function whyNot(view: PortalSession, rules: SessionRules): Refusal | undefined {
  if (isForeign(view, rules)) return "of_another_portal_auth";
  return rules.clock() / 1000 < view.started_at + rules.sessionAbsolute ? undefined : "too_old";
}

type LoginOwner = Pick<PortalSession, "issuer" | "client_id" | "redirect_uri">;

/** Whether a login is of this provider and client, whichever redirect URI began it. */
export const isOfClient = (
  login: Omit<LoginOwner, "redirect_uri">,
  { issuer, clientId }: SessionRules,
): boolean => login.issuer === issuer && login.client_id === clientId;

/**
 * Whether another portalAuth() has begun a login. Two with the same provider and client differ by the
 * redirect URI: one may let in users whom the hooks of the other refuse.
 */
export const isForeign = (login: LoginOwner, rules: SessionRules): boolean =>
  !isOfClient(login, rules) || login.redirect_uri !== rules.redirectUri;
