import type { SessionEntry } from "./record-store.js";
import type { AppPart, CookieMembers } from "./serialize-session.js";

/** Returns the key of a session's entry. */
export const getEntryKey = (sessionId: string): string => `s:${sessionId}`;

/**
 * The entry that a session object was read from, or was written to. A save compares the session with it.
 *
 * It is a class, because V8 may allocate the object literals of all requests in its old space. Its fields are
 * private, because applications log their sessions, and a record contains tokens.
 */
export class LoadedEntry {
  readonly #id: string;
  readonly #app: AppPart;
  readonly #record: SessionEntry["record"];
  readonly #cookie: CookieMembers;
  /** In milliseconds of `performance.now()`. */
  #endsAt: number;

  /** @param id the session that the entry belongs to */
  constructor(id: string, { app, record, lifeMs }: SessionEntry, cookie: CookieMembers) {
    this.#id = id;
    this.#app = app;
    this.#record = record;
    this.#cookie = cookie;
    this.#endsAt = performance.now() + lifeMs;
  }

  get id(): string {
    return this.#id;
  }

  get app(): AppPart {
    return this.#app;
  }

  get cookie(): CookieMembers {
    return this.#cookie;
  }

  /** The login record, as it was read or written with the session. */
  get record(): SessionEntry["record"] {
    return this.#record;
  }

  /** The remaining lifetime of the entry in milliseconds, as far as this process knows. */
  get lifeMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Sets the remaining lifetime of the entry, after the store has extended it. */
  extend(lifeMs: number): void {
    this.#endsAt = performance.now() + lifeMs;
  }
}

/** A login record that is written with its session. Its fields are private, because it contains tokens. */
class NewRecord {
  readonly #id: string;
  readonly #text: string;

  constructor(id: string, text: string) {
    this.#id = id;
    this.#text = text;
  }

  getText(id: string): string | undefined {
    return id === this.#id ? this.#text : undefined;
  }
}

// These are global symbols, so that two copies of this package in one process can share sessions.
const ENTRY: unique symbol = Symbol.for("express-portal-auth.entry");
const COPIED_ENTRY: unique symbol = Symbol.for("express-portal-auth.copied-entry");
const NEW_RECORD: unique symbol = Symbol.for("express-portal-auth.begun-login");

interface MarkedSession {
  /** Sessions of express-session have an id. The data that a store returns has no id. */
  readonly id?: unknown;
  [ENTRY]?: LoadedEntry;
  [COPIED_ENTRY]?: LoadedEntry;
  [NEW_RECORD]?: NewRecord | undefined;
}

/**
 * Marks a session object with its entry. JSON and the hash of express-session omit symbols.
 *
 * There are two marks. `{ ...session }` copies the enumerable one. The hidden one remains if an application
 * assigns another session to this one, or saves this one under another id.
 */
export function markWithEntry(session: object, entry: LoadedEntry): void {
  const marked: MarkedSession = session;
  marked[COPIED_ENTRY] = entry;
  if (marked.id === entry.id) setHidden(session, ENTRY, entry);
}

/** Returns the entry of a session object, if it has this id. A copy under another id is a new session. */
export function findEntry(id: string, session: object): LoadedEntry | undefined {
  const { [ENTRY]: own, [COPIED_ENTRY]: copied } = session as MarkedSession;
  if (own?.id === id) return own;
  return copied?.id === id ? copied : undefined;
}

/** Returns the stored entry of a session. Undefined if the session was not stored. */
export function getLoadedEntry(session: { readonly id: string }): LoadedEntry | undefined {
  return findEntry(session.id, session);
}

/**
 * Adds a login record to a session with a new id. The next save of the session writes both in one step, as a
 * new entry. If that write fails, the next save writes the record.
 */
export function addNewRecord(session: { readonly id: string }, recordText: string): void {
  setHidden(session, NEW_RECORD, new NewRecord(session.id, recordText));
}

/** Returns the login record that was added to this session and has not been written yet. */
export function getNewRecord(id: string, session: object): string | undefined {
  return (session as MarkedSession)[NEW_RECORD]?.getText(id);
}

/** Removes the login record that was added to a session, after it has been written. */
export function removeNewRecord(session: object): void {
  delete (session as MarkedSession)[NEW_RECORD];
}

function setHidden(session: object, name: symbol, value: object): void {
  Object.defineProperty(session, name, { value, enumerable: false, configurable: true, writable: true });
}
