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

/** The connection of a store: see ConnectedStore. */
interface Connection {
  readonly opened: Promise<void> | undefined;
  close?(): Promise<void>;
}

type Done = ((error?: unknown) => void) | undefined;

const BRAND = Symbol.for("express-portal-auth.store");

/**
 * Stores the sessions of express-session as entries. A save of a loaded session writes only the keys that
 * have changed. It overwrites no changes of other requests to other keys, and does not restore a session that
 * has ended.
 */
export class PortalSessionStore extends session.Store {
  readonly #entries: EntryStore;
  readonly #lifetime: SessionLifetime;
  readonly #connection: Connection | undefined;
  /** The last save of each session object. */
  readonly #saving = new WeakMap<object, Promise<void>>();
  /** Entries that are being created, by session id. */
  readonly #creating = new Map<string, Promise<void>>();
  /** Entries that are being touched, by session id. */
  readonly #touching = new Map<string, Promise<boolean>>();

  /** @param connection the connection of the store. close() closes it, if it has a close() */
  constructor(entries: EntryStore, lifetime: SessionLifetime = lifetimeByCookie, connection?: Connection) {
    super();
    this.#entries = limitEntryStore(entries, connection?.opened);
    this.#connection = connection;
    this.#lifetime = lifetime;
  }

  /** Returns whether a store is of this class, or of this class in another copy of this package. */
  static isOurs(store: unknown): store is PortalSessionStore {
    return typeof store === "object" && store !== null && BRAND in store;
  }

  get [BRAND](): true {
    return true;
  }

  /**
   * The entries, with keys of getEntryKey(). Every method has a time limit, and rejects with
   * `session_store_failed`.
   */
  get entries(): EntryStore {
    return this.#entries;
  }

  /** The lifetime of the sessions. */
  get lifetime(): SessionLifetime {
    return this.#lifetime;
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
    // Without an expiry, express-session sets no cookie.
    if (this.#lifetime.isCookieSetOnce) created.cookie.expires = null;
    return created;
  }

  override set(id: string, data: SessionData, done?: Done): void {
    callDone(this.#save(id, data), done);
  }

  override touch(id: string, data: SessionData, done?: Done): void {
    const entry = findEntry(id, data);
    // express-session does not save a session if only its cookie has changed.
    const isCookieChanged = entry && this.#isCookieChanged(data, entry);
    const work = isCookieChanged ? this.#save(id, data) : this.#extendIfDue(id, data, entry);
    if (work) callDone(work, done);
    else done?.();
  }

  override destroy(id: string, done?: Done): void {
    callDone(this.#remove(id), done);
  }

  override regenerate(req: Request, done: (error?: unknown) => unknown): void {
    if (this.#isStored(req)) {
      super.regenerate(req, done);
      return;
    }
    generateSession(this, req);
    done();
  }

  /** Returns whether the session of a request may be in the store. */
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

  /**
   * Saves of one session object run in turn. The second one compares the session with the saved state of the
   * first one.
   */
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
    const lifeMs = this.#lifetime.getLifeMs(data);
    if (lifeMs <= 0) return this.#remove(id);
    const creating = this.#entries.createEntry(getEntryKey(id), app, record, lifeMs);
    this.#creating.set(id, creating);
    try {
      await creating;
    } finally {
      if (this.#creating.get(id) === creating) this.#creating.delete(id);
    }
    const saved = record === undefined ? undefined : { text: record, version: 1 };
    markWithEntry(data, new LoadedEntry(id, { app, record: saved, lifeMs }, getCookie(app)));
    if (saved) removeNewRecord(data);
  }

  async #update(id: string, data: SessionLike, entry: LoadedEntry): Promise<void> {
    const app = this.#serializeLoaded(data, entry);
    const changes = diffSessions(entry.app, app);
    if (!changes) return this.#extendIfDue(id, data, entry);
    const lifeMs = this.#lifetime.getLifeMs(data);
    if (lifeMs <= 0) return this.#remove(id);
    const isUpdated = await this.#entries.updateEntry(
      getEntryKey(id),
      changes.changed,
      changes.removed,
      lifeMs,
    );
    if (!isUpdated) return; // The session has ended.
    markWithEntry(data, new LoadedEntry(id, { app, record: entry.record, lifeMs }, getCookie(app)));
  }

  /**
   * Serializes a session, with the stored text of the cookie unless the application has changed the cookie.
   */
  #serializeLoaded(data: SessionLike, entry: LoadedEntry): Record<string, string> {
    const app = serializeSession(data);
    const stored = entry.app["cookie"];
    if (stored !== undefined && !this.#isCookieChanged(data, entry)) app["cookie"] = stored;
    return app;
  }

  #isCookieChanged({ cookie }: SessionLike, entry: LoadedEntry): boolean {
    return !this.#lifetime.isCookieSetOnce && isCookieChanged(entry.cookie, cookie);
  }

  /** Extends the session. Returns undefined if the last extension is recent, and nothing is written. */
  #extendIfDue(id: string, data: SessionLike, entry: LoadedEntry | undefined): Promise<void> | undefined {
    const lifeMs = this.#lifetime.getLifeMs(data);
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
    // On another connection, the removal could overtake the creation.
    await this.#creating.get(id)?.catch(() => {});
    await this.#entries.remove(getEntryKey(id));
  }
}

const getCookie = (app: Record<string, string>): CookieMembers => parseCookie(app) ?? {};

function callDone(work: Promise<void>, done: Done): void {
  work.then(
    () => done && process.nextTick(done),
    (error) => done && process.nextTick(done, error),
  );
}
