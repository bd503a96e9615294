import type { Request } from "express";
import session, { type Session, type SessionData } from "express-session";
import { generateSession } from "./generate-session.js";
import {
  findEntry,
  getEntryKey,
  getNewRecord,
  LoadedEntry,
  markWithEntry,
  removeNewRecord,
} from "./loaded-entry.js";
import type { EntryStore } from "./record-store.js";
import {
  type CookieMembers,
  diffSessions,
  isCookieChanged,
  parseCookie,
  parseSession,
  type SessionLike,
  serializeSession,
} from "./serialize-session.js";
import { isTouchDue, lifetimeByCookie, type SessionLifetime } from "./session-lifetime.js";
import { limitEntryStore } from "./time-limited-store.js";

/** The connection of a store: see OpenStore. */
interface Connection {
  readonly opened: Promise<void> | undefined;
  close?(): Promise<void>;
}

type Done = ((error?: unknown) => void) | undefined;

const BRAND = Symbol.for("express-portal-auth.store");

/**
 * Keeps the sessions of express-session as entries. A save of a loaded session writes only the keys that have
 * changed: the changes of other requests to other keys stay, and a session that has ended stays ended.
 */
export class PortalSessionStore extends session.Store {
  readonly #entries: EntryStore;
  readonly #lives: SessionLifetime;
  readonly #connection: Connection | undefined;
  /** The last save of each session object. */
  readonly #saving = new WeakMap<object, Promise<void>>();
  /** Entries that are being created, by session id. */
  readonly #creating = new Map<string, Promise<void>>();
  /** Entries that are being touched, by session id. */
  readonly #touching = new Map<string, Promise<boolean>>();

  /** @param connection the connection of the entries; close() closes it, if it can be closed */
  constructor(entries: EntryStore, lifetime: SessionLifetime = lifetimeByCookie, connection?: Connection) {
    super();
    this.#entries = limitEntryStore(entries, connection?.opened);
    this.#connection = connection;
    this.#lives = lifetime;
  }

  /** Whether a store is of this class, also one of another copy of this package. */
  static isOurs(store: unknown): store is PortalSessionStore {
    return typeof store === "object" && store !== null && BRAND in store;
  }

  get [BRAND](): true {
    return true;
  }

  /** The entries, by entryKey(). Every method has a time limit, and rejects with `session_store_failed`. */
  get entries(): EntryStore {
    return this.#entries;
  }

  /** How long the sessions live. */
  get lives(): SessionLifetime {
    return this.#lives;
  }

  /** Closes the connection to the server, if the store was created with an address. */
  async close(): Promise<void> {
    await this.#connection?.close?.();
  }

  override get(id: string, done: (error: unknown, found?: SessionData | null) => void): void {
    this.#load(id).then(
      (found) => process.nextTick(done, null, found),
      (error) => process.nextTick(done, error),
    );
  }

  override createSession(req: Request, data: SessionData): Session & SessionData {
    const entry = findEntry(req.sessionID, data);
    const created = super.createSession(req, data);
    if (entry) markWithEntry(created, entry);
    if (this.#lives.isCookieSetOnce) created.cookie.expires = null; // then express-session sets no cookie
    return created;
  }

  override set(id: string, data: SessionData, done?: Done): void {
    answer(this.#save(id, data), done);
  }

  override touch(id: string, data: SessionData, done?: Done): void {
    const entry = findEntry(id, data);
    const isCookieChanged = entry && this.#isCookieChanged(data, entry); // express-session ignores that
    const work = isCookieChanged ? this.#save(id, data) : this.#extendIfDue(id, data, entry);
    if (work) answer(work, done);
    else done?.();
  }

  override destroy(id: string, done?: Done): void {
    answer(this.#remove(id), done);
  }

  override regenerate(req: Request, done: (error?: unknown) => unknown): void {
    if (this.#isStored(req)) {
      super.regenerate(req, done);
      return;
    }
    generateSession(this, req);
    done();
  }

  /** Whether the session of a request can be in the store. */
  #isStored({ session: current, sessionID }: Request): boolean {
    if (current?.id !== sessionID) return true;
    return findEntry(sessionID, current) !== undefined || this.#saving.has(current);
  }

  async #load(id: string): Promise<SessionData | null> {
    const found = await this.#entries.readEntry(getEntryKey(id));
    const cookie = found && parseCookie(found.app);
    if (!cookie) return null;
    const data = parseSession(found.app, cookie, found.lifeMs);
    markWithEntry(data, new LoadedEntry(id, found, cookie));
    return data;
  }

  /** Saves of one session object run in turn: the second one compares with what the first one has saved. */
  #save(id: string, data: SessionLike): Promise<void> {
    const previous = this.#saving.get(data);
    const work = previous ? previous.then(() => this.#saveNow(id, data)) : this.#saveNow(id, data);
    this.#saving.set(
      data,
      work.catch(() => {}),
    );
    return work;
  }

  async #saveNow(id: string, data: SessionLike): Promise<void> {
    const entry = findEntry(id, data);
    const record = getNewRecord(id, data);
    if (entry && record === undefined) await this.#update(id, data, entry);
    else await this.#create(id, data, record);
  }

  async #create(id: string, data: SessionLike, record: string | undefined): Promise<void> {
    const app = serializeSession(data);
    const lifeMs = this.#lives.getLifeMs(data);
    if (lifeMs <= 0) return this.#remove(id);
    const creating = this.#entries.createEntry(getEntryKey(id), app, record, lifeMs);
    this.#creating.set(id, creating);
    try {
      await creating;
    } finally {
      if (this.#creating.get(id) === creating) this.#creating.delete(id);
    }
    const saved = record === undefined ? undefined : { text: record, version: 1 };
    markWithEntry(data, new LoadedEntry(id, { app, record: saved, lifeMs }, cookieOf(app)));
    if (saved) removeNewRecord(data);
  }

  async #update(id: string, data: SessionLike, entry: LoadedEntry): Promise<void> {
    const app = this.#serializeAgain(data, entry);
    const changes = diffSessions(entry.app, app);
    if (!changes) return this.#extendIfDue(id, data, entry);
    const lifeMs = this.#lives.getLifeMs(data);
    if (lifeMs <= 0) return this.#remove(id);
    const isAlive = await this.#entries.updateEntry(
      getEntryKey(id),
      changes.changed,
      changes.removed,
      lifeMs,
    );
    if (!isAlive) return; // the session has ended, and stays ended
    markWithEntry(data, new LoadedEntry(id, { app, record: entry.record, lifeMs }, cookieOf(app)));
  }

  /** The cookie's text stays as it is stored, unless the application has changed the cookie. */
  #serializeAgain(data: SessionLike, entry: LoadedEntry): Record<string, string> {
    const app = serializeSession(data);
    const stored = entry.app["cookie"];
    if (stored !== undefined && !this.#isCookieChanged(data, entry)) app["cookie"] = stored;
    return app;
  }

  #isCookieChanged({ cookie }: SessionLike, entry: LoadedEntry): boolean {
    return !this.#lives.isCookieSetOnce && isCookieChanged(entry.cookie, cookie);
  }

  /** Moves the end of the session, if that is worth a write. Returns undefined if it is not. */
  #extendIfDue(id: string, data: SessionLike, entry: LoadedEntry | undefined): Promise<void> | undefined {
    const lifeMs = this.#lives.getLifeMs(data);
    return !entry || isTouchDue(lifeMs, entry.lifeMs) ? this.#extend(id, lifeMs, entry) : undefined;
  }

  async #extend(id: string, lifeMs: number, entry: LoadedEntry | undefined): Promise<void> {
    let touching = this.#touching.get(id);
    if (!touching) {
      touching = this.#entries.touch(getEntryKey(id), lifeMs).finally(() => this.#touching.delete(id));
      this.#touching.set(id, touching);
    }
    if (await touching) entry?.extend(lifeMs);
  }

  async #remove(id: string): Promise<void> {
    await this.#creating.get(id)?.catch(() => {}); // on another connection the removal could overtake it
    await this.#entries.remove(getEntryKey(id));
  }
}

const cookieOf = (app: Record<string, string>): CookieMembers => parseCookie(app) ?? {};

function answer(work: Promise<void>, done: Done): void {
  work.then(
    () => done && process.nextTick(done),
    (error) => done && process.nextTick(done, error),
  );
}
