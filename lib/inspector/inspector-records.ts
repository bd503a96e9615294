import type { LoginStep, SessionRefused } from "../contract/events.js";

interface InspectorRecordBase {
  /** Names this record. */
  readonly id: string;
  /** Grows with each change of any record: who has seen up to here asks for what is greater. */
  n: number;
  /** When it began, in epoch milliseconds. */
  readonly at: number;
  readonly instance: string;
}

/** One attempt to log in, put together from what was told of it. Times in milliseconds. */
export interface LoginAttemptRecord extends InspectorRecordBase {
  readonly kind: "login";
  state: "at_portal" | "finished" | "failed";
  /** When the browser was sent to the portal; undefined when the attempt is not known. */
  readonly started_at: number | undefined;
  since_started?: number | undefined;
  took?: number;
  steps: readonly LoginStep[];
  failure?: Omit<LoginFailure, "at">;
}

/** One refresh, with everybody who waited for it. */
export interface RefreshRecord extends InspectorRecordBase {
  readonly kind: "refresh";
  readonly refresh: number;
  state: "under_way" | "done" | "failed" | "elsewhere";
  /** How many further requests share it. */
  joined: number;
  /** For how long another process held the session. */
  waited?: number;
  took?: number;
  rotated?: boolean;
  code?: string;
  ends_session?: boolean;
}

export interface LoginFailure {
  readonly code: string;
  /** Whether it is what becomes of many logins although nothing is wrong. */
  readonly ordinary: boolean;
  readonly status: number;
  readonly hint: string;
  readonly detail: string | undefined;
  readonly request_id: string | undefined;
  readonly at: number;
}

/** The same failure, however often. */
export interface FailureRecord extends InspectorRecordBase {
  readonly kind: "failure";
  readonly code: string;
  readonly status: number;
  readonly hint: string;
  readonly detail: string | undefined;
  count: number;
  last_at: number;
  /** The newest ones, newest first. */
  request_ids: readonly string[];
}

export interface LogoutRecord extends InspectorRecordBase {
  readonly kind: "logout";
  readonly had_login: boolean;
  readonly at_portal: boolean;
}

export interface SessionRefusedRecord extends InspectorRecordBase {
  readonly kind: "session_refused";
  readonly reason: SessionRefused["reason"];
}

export type OtherInspectorRecord = RefreshRecord | FailureRecord | LogoutRecord | SessionRefusedRecord;

export type InspectorRecord = LoginAttemptRecord | OtherInspectorRecord;
