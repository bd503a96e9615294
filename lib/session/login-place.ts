import type { Lives } from "../store/lives.js";
import type { Logins } from "./logins.js";
import type { SessionRules } from "./session-rules.js";

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
  /** Called at most once a minute with the failure of a write that no request waits for. */
  readonly warn: (error: unknown) => void;
}

/** The record key of a login. */
export const recordKey = (
  { isOurStore }: Pick<LoginPlace, "isOurStore">,
  sessionId: string,
  loginId: string,
): string => (isOurStore ? `s:${sessionId}` : `l:${loginId}`);
