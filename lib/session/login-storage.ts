import type { Request } from "express";
import type { LogoutReason } from "../contract/events.js";
import type { SessionLifetime } from "../store/session-lifetime.js";
import type { LoginPolicy } from "./login-policy.js";
import type { PortalSession } from "./login-record.js";
import type { Logins } from "./logins.js";

/** @param reason of a logout that had not found the login, or "too_old" after `sessionAbsolute` */
export type OnLoginFoundEnded = (
  req: Request,
  login: PortalSession,
  reason: LogoutReason | "too_old",
) => void;

/** Where the logins of a session are kept. */
export interface LoginStorage {
  readonly logins: Logins;
  /** Whether the record lies beside the session, under the key of the session. */
  readonly isOurStore: boolean;
  readonly policy: LoginPolicy;
  /** See tenantName(). */
  readonly tenant: string;
  /** How long the sessions live. */
  readonly lifetime: SessionLifetime;
  /** Session keys of the application that survive the end of a login. */
  readonly keepSessionKeys: readonly string[];
  /** Called when a request has found that its login has ended, once for each login. */
  readonly onFoundEnded: OnLoginFoundEnded;
  /** Called at most once a minute with the failure of a write that no request waits for. */
  readonly warn: (error: unknown) => void;
}

/** The record key of a login. */
export const getRecordKey = (
  { isOurStore }: Pick<LoginStorage, "isOurStore">,
  sessionId: string,
  loginId: string,
): string => (isOurStore ? `s:${sessionId}` : `l:${loginId}`);
