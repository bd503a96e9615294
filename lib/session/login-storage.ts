import type { Request } from "express";
import type { LogoutReason } from "../contract/events.js";
import type { SessionLifetime } from "../store/session-lifetime.js";
import type { LoginPolicy } from "./login-policy.js";
import type { PortalSession } from "./login-record.js";
import type { Logins } from "./logins.js";

/**
 * Handles a login that a request has found ended.
 *
 * @param reason the reason of a logout that had missed the login, or "too_old" after `sessionAbsolute`
 */
export type OnLoginFoundEnded = (
  req: Request,
  login: PortalSession,
  reason: LogoutReason | "too_old",
) => void;

/** How the logins of the sessions in one session store are stored, and the rules for them. */
export interface LoginStorage {
  readonly logins: Logins;
  /** Whether the session store is our own. There, a login record has the same key as its session. */
  readonly isOurStore: boolean;
  readonly policy: LoginPolicy;
  /** The id of the portalAuth(): see createPortalAuthId(). */
  readonly portalAuthId: string;
  /** The lifetime of the sessions. */
  readonly lifetime: SessionLifetime;
  /** Session keys of the application that stay after the login has ended. */
  readonly keepSessionKeys: readonly string[];
  /** Called when a request has found that its login has ended, once for each login. */
  readonly onFoundEnded: OnLoginFoundEnded;
  /** Reports the failure of a write that no request waits for, at most once a minute. */
  readonly warn: (error: unknown) => void;
}

/**
 * Returns the key of a login's record in the store: `s:` with the session id in our own store, otherwise `l:`
 * with the login id.
 */
export const getRecordKey = (
  { isOurStore }: Pick<LoginStorage, "isOurStore">,
  sessionId: string,
  loginId: string,
): string => (isOurStore ? `s:${sessionId}` : `l:${loginId}`);
