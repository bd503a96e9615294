import type { IncomingMessage } from "node:http";
import type { Session, SessionData, Store } from "express-session";
import { type Clock, epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { Lock } from "../lock.js";
import { snapshotOf } from "./changes.js";
import { createExclusive, type Exclusive, type Plain } from "./exclusive.js";
import { KeptForms } from "./kept-forms.js";
import { type Kept, KNOWN, Known, knownOf } from "./known.js";
import { cookieUntil, type Lifetime, type Limits, lifetimeOfApps, lifetimeOfOurs } from "./lifetime.js";
import { doneTo, merged } from "./merge.js";
import { Making, type Tidy } from "./persons/making.js";
import { endSessions, findSessions, type Removed } from "./persons/persons-sessions.js";
import { SessionIndex } from "./persons/session-index.js";
import { createPush, type Push } from "./push.js";
import { SeenTokens } from "./seen.js";
import {
  DiscreetPortalSession,
  KeptPortalSession,
  markedAsOurs,
  type PortalSession,
  type StoredPortal,
  type StoredSession,
} from "./stored.js";
import { type Tenant, Tenants } from "./tenants.js";
import { Touching } from "./touching.js";
import { type Change, promised, type Update } from "./update.js";

export interface KeeperOptions {
  readonly clock: Clock;
  readonly lock: Lock | undefined;
  /** For sessions that are ours; those of an application have limits of their own. */
  readonly limits: Limits | undefined;
  readonly warn: (message: string) => void;
}

/** When a person was there is noted at most so often, and ten times within a life that is shorter. */
const SEEN_EVERY_SECONDS = 5 * 60;

const keepers = new WeakMap<Store, Keeper>();

/** The keeper of a store; the first that asks for it decides by what rules. */
export function keeperOf(store: Store, options: KeeperOptions): Keeper {
  let keeper = keepers.get(store);
  if (!keeper) {
    keeper = new Keeper(store, options);
    keepers.set(store, keeper);
  }
  return keeper;
}

/** The keeper that a store has, if portalAuth() has met it. */
export const findKeeper = (store: Store | undefined): Keeper | undefined => store && keepers.get(store);

/**
 * Stands between express-session and its store. express-session saves the copy that a request has loaded, however old
 * it is: that is how old tokens replace new ones, and how a request in flight brings back a session that was destroyed.
 * So a session that was loaded is saved by reading the stored one, making this request's own changes to it, and writing
 * it back with nothing in between; one that is gone stays gone. A request that has changed nothing does none of that.
 *
 * It changes the store's methods in place, once: so nothing has to be done for a request that only reads, and a save
 * by a handler or by `resave` goes the same way as express-session's own.
 */
export class Keeper {
  /** Reads a session, changes it and writes it, with nothing in between. */
  readonly update: Update;
  /** Whether another process may write at the same moment, as the lock has failed. */
  readonly mayCollide: () => boolean;
  /** Whose sessions lie in this store. */
  readonly index: SessionIndex;
  readonly seen: SeenTokens;
  /** Forms that wait until somebody has logged in. */
  readonly forms: KeptForms;
  readonly #store: Store;
  readonly #plain: Plain;
  readonly #clock: Clock;
  readonly #lifetime: Lifetime;
  readonly #limits: Limits | undefined;
  readonly #tenants: Tenants;
  readonly #tidy: Tidy;
  /** For sessions that are ours. */
  readonly #push: Push | undefined;
  readonly #touching = new Touching();
  #isAway = false;
  /** Session objects that are being saved. */
  readonly #saving = new WeakMap<object, Promise<void>>();
  /** When the provider was asked for the tokens of a login that is being made, in epoch milliseconds. */
  readonly #askedAt = new WeakMap<object, number>();

  constructor(store: Store, { clock, lock, limits, warn }: KeeperOptions) {
    this.#store = store;
    this.#limits = limits;
    this.#lifetime = limits ? lifetimeOfOurs(clock, limits) : lifetimeOfApps(clock);
    this.#tenants = new Tenants(warn);
    this.#plain = {
      get: store.get.bind(store),
      set: store.set.bind(store),
      destroy: store.destroy.bind(store),
      ...(store.touch && { touch: store.touch.bind(store) }),
    };
    const exclusive = createExclusive(store, this.#plain, { lock, warn });
    this.mayCollide = exclusive.mayCollide;
    this.update = (id, change) => exclusive.update(id, this.#wary(id, change));
    this.#clock = clock;
    this.index = new SessionIndex(exclusive.update, clock);
    this.seen = new SeenTokens(exclusive.update, clock);
    this.forms = new KeptForms(exclusive.update, clock);
    const quietly = (work: Promise<unknown>) => void work.catch(() => {}); // who looks next does so again
    this.#tidy = {
      sweep: (person) => quietly(findSessions(this, person)),
      endMarked: (person) => quietly(endSessions(this, person, () => false)),
    };
    this.#push = limits && createPush(limits, this.#lifetime, this.update);
    this.#meetExpressSession(exclusive);
  }

  /** The store says so: express-session mounts no session at all then, and nobody is to be taken for a stranger. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Reads what is stored now; undefined when there is no such session. */
  read(id: string): Promise<StoredSession | undefined> {
    return this.update(id, () => undefined);
  }

  /** Destroys a session if it may go, as it is stored now; and gives what was stored last. */
  async remove(id: string, mayGo: (stored: StoredSession) => boolean): Promise<Removed> {
    let last: StoredSession | undefined;
    const left = await this.update(id, (stored) => {
      last = stored;
      return mayGo(stored) ? null : undefined;
    });
    return { last, stays: left !== undefined };
  }

  /** From now on the logins of this portalAuth() are opened as they are loaded. */
  admit(tenant: Tenant): void {
    this.#tenants.admit(tenant);
  }

  /** What is stored of a login, as it is used; undefined when it cannot be opened. */
  open(id: string, portal: StoredPortal): PortalSession | undefined {
    return this.#tenants.open(id, portal);
  }

  /** Hands a request the login as it is stored now, which is no change of its own. */
  refreshed(loaded: Session & Partial<SessionData>, portal: PortalSession | undefined): void {
    const known = knownOf(loaded.id, loaded);
    if (known) known.portal = portal;
    if (portal) loaded.portal = this.#kept(portal);
    else delete loaded.portal;
  }

  /**
   * Puts a login into the session that was made for it.
   *
   * @param askedAt when the provider was asked for the tokens, in epoch milliseconds
   */
  begin(made: Session & Partial<SessionData>, portal: PortalSession, askedAt: number): void {
    made.portal = this.#kept(portal, true);
    this.#askedAt.set(made.portal, askedAt);
  }

  #kept(portal: PortalSession, isBegun = false): KeptPortalSession {
    return this.#limits ? new DiscreetPortalSession(portal, isBegun) : new KeptPortalSession(portal, isBegun);
  }

  /**
   * A session that was loaded before its store was met: what the application has done to it since is told by what is
   * stored now, and so is the login. Undefined when there is nothing to wait for.
   */
  adopt(loaded: Kept): Promise<void> | undefined {
    if (!loaded.portal || knownOf(loaded.id, loaded)) return undefined;
    return this.#adopt(loaded);
  }

  async #adopt(loaded: Kept): Promise<void> {
    const stored = await this.read(loaded.id);
    const portal = stored?.portal && this.open(loaded.id, stored.portal);
    loaded[KNOWN] = new Known(loaded.id, loaded, stored && snapshotOf(stored), portal, false, stored?.portal);
    this.refreshed(loaded, portal);
  }

  #meetExpressSession(exclusive: Exclusive): void {
    const store = this.#store;
    const { createSession } = store;
    const { get, destroy, touch } = exclusive;
    store.createSession = (req, data) => this.#load(createSession, req, data);
    store.set = (id, data, done) => answer(this.#save(id, data as Kept), done);
    store.on("disconnect", () => {
      this.#isAway = true;
    });
    store.on("connect", () => {
      this.#isAway = false;
    });
    if (get) store.get = get;
    if (destroy) store.destroy = (id, done) => answer(destroy(id), done);
    if (touch)
      store.touch = (id, data, done) =>
        answer(
          this.#touching.during(id, () => touch(id, data)),
          done,
        );
    const push = this.#push;
    if (!push) {
      this.#noteWhenSeen();
      return;
    }
    const regenerate = store.regenerate.bind(store);
    store.regenerate = (req, done) => {
      if (knownOf(req.sessionID, req.session)) return regenerate(req, done);
      (store as Generating).generate(req); // never stored, so there is nothing to destroy
      done();
    };
    const load = get ?? this.#plain.get;
    store.get = (id, done) =>
      load(id, (error, found) =>
        done(error, found && this.#lifetime.isAlive(found as unknown as StoredSession) ? found : null),
      );
    store.touch = (id, data, done) => {
      const pushing = push(id, data as Kept);
      if (pushing) answer(pushing, done);
      else done?.();
    };
  }

  /** Of an application's session the store pushes the end; when a person was last there it does not tell. */
  #noteWhenSeen(): void {
    const { touch } = this.#store;
    if (!touch) return;
    const store = this.#store;
    store.touch = (id, data, done) => {
      const seenAt = knownOf(id, data as Kept)?.stored?.seen_at;
      const everyMs = Math.min(SEEN_EVERY_SECONDS * 1000, (data.cookie.originalMaxAge ?? Infinity) / 10);
      const isRecent = seenAt === undefined || this.#clock() < seenAt * 1000 + everyMs;
      if (isRecent) touch.call(store, id, data, done);
      else
        answer(
          this.update(id, (stored) => ({ ...stored })),
          done,
        );
    };
  }

  /** What another than this process writes may be of any kind: a session that has ended counts as gone. */
  #wary(id: string, change: Change): Change {
    return (stored) => {
      if (!this.#lifetime.isAlive(stored)) return null;
      const next = change(stored);
      return next ? this.#closed(id, next) : next;
    };
  }

  /** As it goes to the store: until when it lives now, and the tokens sealed. */
  #closed(id: string, next: StoredSession, isBegun = false): StoredSession {
    const { portal } = next;
    const cookie = cookieUntil(next.cookie, this.#lifetime.endsAt(next));
    if (!portal) return { ...next, cookie };
    const seen = { ...portal, seen_at: epochSeconds(this.#clock) };
    return { ...next, cookie, portal: markedAsOurs(this.#tenants.close(id, seen), isBegun) };
  }

  #load(createSession: Store["createSession"], req: Parameters<Store["createSession"]>[0], data: SessionData) {
    const stored = data.portal as StoredPortal | undefined;
    const portal = stored && this.open(req.sessionID, stored);
    if (!portal) delete data.portal;
    else data.portal = this.#kept(portal);
    const loaded: Kept = createSession.call(this.#store, req, data);
    if (!stored && !this.#limits) return loaded as Session & SessionData; // an application's visitor: not our affair
    loaded[KNOWN] = new Known(req.sessionID, loaded, snapshotOf(loaded), portal, false, stored);
    // Our cookie is set when a session begins, and not again: it lives as long as a login may, and when it counts the
    // stored session says. So no answer of a slow request brings a browser back to a session that has ended meanwhile.
    if (this.#limits) loaded.cookie.maxAge = null as never;
    return loaded as Session & SessionData;
  }

  /**
   * One after the other: what the second has to save is told by what the first has saved. Unless the store does so itself
   * to touch a session: the first waits for that.
   */
  #save(id: string, data: Kept): Promise<void> {
    const first = this.#touching.has(id) ? undefined : this.#saving.get(data);
    const work = first ? first.then(() => this.#saveNow(id, data)) : this.#saveNow(id, data);
    this.#saving.set(
      data,
      work.catch(() => {}),
    );
    return work;
  }

  async #saveNow(id: string, data: Kept): Promise<void> {
    const before = knownOf(id, data);
    if (before) return this.#saveChanges(id, data, before);
    if ((!data.portal && !this.#limits) || !data.cookie) return this.#put(id, data); // nothing of ours
    const login = KeptPortalSession.isOurs(data.portal) ? data.portal : undefined;
    const isStoreds = isCopy(data) || (data.portal && !login); // or loaded before its store was met
    if (isStoreds && (await this.#replace(id, data, login))) return;
    const { portal: _, ...others } = plainCopy(data);
    if (login) return this.#begin(id, data, login, others);
    return this.#putWithoutLogin(id, data, others);
  }

  /**
   * A session that is written for the first time with a login in it, whoever has put it there. It is made known first, and
   * looked for once it is written: a logout that came in between has ended it, or will.
   *
   * @throws PortalAuthError `login_ended`
   */
  async #begin(id: string, data: Kept, login: KeptPortalSession, others: StoredSession): Promise<void> {
    const saved = savedNow(id, data, login);
    const making = new Making(this.index, this.#tenants.of(login), id, login, this.#askedAt.get(login));
    if (await making.begin(userAgentOf(data), this.#tidy)) {
      const portal = { ...KeptPortalSession.whole(login), ...(making.isMoved && { unconfirmed: true as const }) };
      await this.#put(id, this.#closed(id, { ...others, portal }, !making.isMoved));
      KeptPortalSession.settle(login);
      data[KNOWN] = saved;
      if (await this.#isStillAlive(making, id)) return making.isMoved ? this.#confirm(id) : undefined;
    }
    delete data.portal;
    await this.#destroy(id);
    if (!making.isMoved) throw new PortalAuthError("login_ended");
    await this.#putWithoutLogin(id, data, others); // which is the application's affair
  }

  /**
   * The browser may know a session that a login was moved to before it is stored, unlike one that a login has made. So it
   * counts only now: whoever is killed before, or whom the store fails, leaves nobody logged in; and a logout that has come
   * since has destroyed it.
   */
  async #confirm(id: string): Promise<void> {
    await this.update(id, ({ portal, ...others }) => {
      if (!portal) return undefined;
      const { unconfirmed: _, ...confirmed } = portal;
      return { ...others, portal: confirmed } as StoredSession;
    });
  }

  /** Of what cannot be looked up nobody gets to know the id: it goes as well, if it can. */
  async #isStillAlive(making: Making, id: string): Promise<boolean> {
    try {
      return await making.isStillAlive();
    } catch (error) {
      await this.#destroy(id).catch(() => {});
      throw error;
    }
  }

  async #destroy(id: string): Promise<void> {
    await promised((done) => this.#plain.destroy(id, done));
  }

  async #putWithoutLogin(id: string, data: Kept, others: StoredSession): Promise<void> {
    if (!this.#limits) return this.#put(id, others);
    const saved = savedNow(id, data, undefined);
    await this.#put(id, this.#closed(id, others));
    data[KNOWN] = saved;
  }

  async #saveChanges(id: string, data: Kept, before: Known): Promise<void> {
    // what an application has put in its place is none: see KeptPortalSession
    if (data.portal && !KeptPortalSession.isOurs(data.portal)) this.refreshed(data, before.portal);
    const done = doneTo(data, before, this.#limits !== undefined);
    if (!done && !this.#touching.has(id)) return before.written ? undefined : this.#keepAlive(id, data);
    const saved = savedNow(id, data, data.portal);
    const after = await this.update(id, (stored) => merged(stored, data, done));
    if (after) data[KNOWN] = saved; // else it has ended, and stays so
  }

  async #put(id: string, data: object): Promise<void> {
    await promised((done) => this.#plain.set(id, data as never, done));
  }

  /**
   * What an application, or the store itself, has read from the store and writes back is taken as it is, but for the
   * login: that stays as it is stored, newer by now, or claimed by who refreshes it; unless it was taken out. False where
   * nothing is stored.
   */
  async #replace(id: string, data: Kept, login: KeptPortalSession | undefined): Promise<boolean> {
    const { portal: had, ...mine } = plainCopy(data);
    const whole = login && KeptPortalSession.whole(login);
    const after = await this.update(id, ({ portal = whole }) => ({ ...mine, ...(had && portal && { portal }) }));
    return after !== undefined;
  }

  /** What express-session does for a session that was only read. */
  async #keepAlive(id: string, data: Kept): Promise<void> {
    if (this.#push) return this.#push(id, data);
    const { touch } = this.#store;
    if (!touch) return void (await this.update(id, (stored) => ({ ...stored })));
    await this.#touching.during(id, () => promised((done) => touch.call(this.#store, id, data as never, done)));
  }
}

/** What a request will know when this is saved: what its handler changes meanwhile is a change that is yet to be saved. */
const savedNow = (id: string, data: Kept, portal: PortalSession | undefined): Known =>
  new Known(id, data, snapshotOf(data), portal, true);

/** What express-session gives a store, beside what its types tell. */
type Generating = Store & { generate(req: Parameters<Store["regenerate"]>[0]): void };

/** Of the request that a session hangs on, which the types of express-session do not tell of. */
const userAgentOf = (data: Kept): string | undefined => (data as { req?: IncomingMessage }).req?.headers["user-agent"];

/** Read from the store by its own methods, and not handed to a request by express-session. */
const isCopy = (data: Kept): boolean => typeof data.save !== "function";

/** Without the symbol, and without what a Session has of its class. */
const plainCopy = (data: object): StoredSession => Object.fromEntries(Object.entries(data)) as unknown as StoredSession;

function answer(work: Promise<unknown>, done: ((error?: unknown) => void) | undefined): void {
  work.then(
    () => done && process.nextTick(done),
    (error) => done && process.nextTick(done, error),
  );
}
