import type { LoginStep, SessionRejected } from "../contract/events.js";

interface InspectorRecordBase {
  readonly id: string;
  /** Grows with each change of any record. A page that has read up to here requests the greater ones. */
  sequence: number;
  /** When it started, in epoch milliseconds. */
  readonly at: number;
  readonly instance: string;
}

/** One login attempt, combined from its events. Times are in milliseconds. */
export interface LoginAttemptRecord extends InspectorRecordBase {
  readonly kind: "login";
  state: "at_provider" | "finished" | "failed";
  /** When the browser was redirected to the provider; undefined if the attempt is unknown. */
  readonly started_at: number | undefined;
  since_started?: number | undefined;
  took?: number;
  steps: readonly LoginStep[];
  failure?: LoginFailure;
}

/** One refresh, with all requests that waited for it. */
export interface RefreshRecord extends InspectorRecordBase {
  readonly kind: "refresh";
  readonly refresh: number;
  state: "under_way" | "done" | "failed" | "elsewhere";
  /** How many more requests share it. */
  joined: number;
  /** How long it waited for another process, in milliseconds. */
  waited?: number;
  took?: number;
  rotated?: boolean;
  code?: string;
  ends_session?: boolean;
}

/** Why a login failed. */
export interface LoginFailure {
  readonly code: string;
  /** Whether it is an expected outcome, although nothing is wrong. */
  readonly ordinary: boolean;
  readonly status: number;
  readonly hint: string;
  readonly detail: string | undefined;
  readonly request_id: string | undefined;
}

/** A failure with the same code and detail, however often it occurred. */
export interface FailureRecord extends InspectorRecordBase {
  readonly kind: "failure";
  readonly code: string;
  readonly status: number;
  readonly hint: string;
  readonly detail: string | undefined;
  count: number;
  last_at: number;
  /** The latest ones, the latest first. */
  request_ids: readonly string[];
}

/** One logout. */
export interface LogoutRecord extends InspectorRecordBase {
  readonly kind: "logout";
  readonly had_login: boolean;
  readonly at_provider: boolean;
}

/** One session whose login did not count. */
export interface SessionRejectedRecord extends InspectorRecordBase {
  readonly kind: "session_refused";
  readonly reason: SessionRejected["reason"];
}

/** Every record but a login attempt. */
export type OtherInspectorRecord = RefreshRecord | FailureRecord | LogoutRecord | SessionRejectedRecord;

/** Every record. */
export type InspectorRecord = LoginAttemptRecord | OtherInspectorRecord;
