import type { StoredSession } from "./stored.js";

/** What a request has done to the session that it had loaded, key by key; undefined for what it removed. */
export type Changes = ReadonlyMap<string, unknown>;

/** Not the application's: the one belongs to express-session, the other to us. */
const NOT_THEIRS: readonly string[] = ["cookie", "portal"];

/** What the application keeps in a session, as text: later it is compared with this. */
export function snapshotOf(session: object): string {
  for (const key of Object.keys(session))
    if (!NOT_THEIRS.includes(key)) return JSON.stringify(Object.fromEntries(theirsOf(session)));
  return "{}"; // most sessions hold nothing else
}

/**
 * What has changed since the snapshot. By its keys, not deeper: whoever changes a part of a list has changed the list,
 * as far as requests at the same time are concerned.
 */
export function changesSince(snapshot: string | undefined, session: object): Changes {
  if (snapshot === undefined) return new Map(theirsOf(session)); // all of it may be
  if (snapshotOf(session) === snapshot) return new Map();
  const before = new Map(Object.entries(JSON.parse(snapshot) as object));
  const now = new Map(theirsOf(session));
  const touched = [...new Set([...before.keys(), ...now.keys()])].filter(
    (key) => JSON.stringify(before.get(key)) !== JSON.stringify(now.get(key)),
  );
  return new Map(touched.map((key) => [key, now.get(key)]));
}

/** The stored session with these changes made to it: what other requests did to other keys stays. */
export function withChanges(stored: StoredSession, changes: Changes): StoredSession {
  const merged = new Map([...Object.entries(stored), ...changes]);
  for (const [key, value] of changes) if (value === undefined) merged.delete(key);
  return Object.fromEntries(merged) as unknown as StoredSession;
}

function theirsOf(session: object): [string, unknown][] {
  return Object.entries(session).filter(([key]) => !NOT_THEIRS.includes(key));
}
