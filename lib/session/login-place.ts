import type { Request } from "express";
import type { LogoutReason } from "../contract/events.js";
import type { Lives } from "../store/lives.js";
import type { PortalSession } from "./login-record.js";
import type { Logins } from "./logins.js";
import type { SessionRules } from "./session-rules.js";

/** @param reason of a logout that had not found the login, or "too_old" after `sessionAbsolute` */
export type OnFoundEnded = (req: Request, login: PortalSession, reason: LogoutReason | "too_old") => void;

/** Where the logins of a session are kept. */
export interface LoginPlace {
  readonly logins: Logins;
  /** Whether the record lies beside the session, under the key of the session. */
  readonly isOurStore: boolean;
  readonly rules: SessionRules;
  /** See tenantName(). */
  readonly tenant: string;
  /** How long the sessions live. */
  readonly lives: Lives;
  /** Session keys of the application that survive the end of a login. */
  readonly keepSessionKeys: readonly string[];
  /** Called when a request has found that its login has ended, once for each login. */
  readonly onFoundEnded: OnFoundEnded;
  /** Called at most once a minute with the failure of a write that no request waits for. */
  readonly warn: (error: unknown) => void;
}

/** The record key of a login. */
export const recordKey = (
  { isOurStore }: Pick<LoginPlace, "isOurStore">,
  sessionId: string,
  loginId: string,
): string => (isOurStore ? `s:${sessionId}` : `l:${loginId}`);
