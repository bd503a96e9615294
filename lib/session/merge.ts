import { type Changes, changesSince, withChanges } from "./changes.js";
import type { Kept, Known } from "./known.js";
import type { StoredSession } from "./stored.js";

/** What a request has done to a session; undefined when that is nothing. */
export interface Done {
  readonly changes: Changes;
  readonly isLoginRemoved: boolean;
  /** "Remember me": the application has given its session another life. */
  readonly livesOtherwise: boolean;
}

/** @param isOurs whether the session is ours, whose life no application decides */
export function doneTo(data: Kept, before: Known, isOurs: boolean): Done | undefined {
  const changes = changesSince(before.snapshot, data);
  const isLoginRemoved = before.portal !== undefined && !data.portal;
  const livesOtherwise = !isOurs && data.cookie.originalMaxAge !== before.maxAge;
  return changes.size > 0 || isLoginRemoved || livesOtherwise ? { changes, isLoginRemoved, livesOtherwise } : undefined;
}

/** The stored session with what this request has done to its own copy, and with the login as it is stored. */
export function merged(stored: StoredSession, { cookie: mine }: Kept, done: Done | undefined): StoredSession {
  if (!done) return { ...stored };
  const { portal, ...others } = withChanges(stored, done.changes);
  const cookie = done.livesOtherwise ? mine : stored.cookie;
  return { ...others, cookie, ...(portal && !done.isLoginRemoved && { portal }) } as StoredSession;
}
