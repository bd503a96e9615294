import type { Session, SessionData, Store } from "express-session";
import type { Clock } from "../clock.js";
import type { Lock } from "../lock.js";
import { type Changes, changesSince, snapshotOf, withChanges } from "./changes.js";
import { withDeadline } from "./deadline.js";
import { cookieUntil, type Lifetime, type Limits, lifetimeOfApps, lifetimeOfOurs } from "./lifetime.js";
import { withLock } from "./lock.js";
import { onceAMinute } from "./once-a-minute.js";
import { createJoin, createQueue } from "./queue.js";
import { DiscreetPortalSession, type PortalSession, type StoredPortal, type StoredSession } from "./stored.js";
import { isPostgresStore, postgresUpdate } from "./stores/postgres-update.js";
import { isRedisStore, redisUpdate } from "./stores/redis-update.js";
import { type Change, plainUpdate, promised, type Update } from "./update.js";
import type { Vault } from "./vault.js";

/** One portalAuth() that keeps logins in a store. */
export interface Tenant {
  readonly issuer: string;
  readonly clientId: string;
  readonly vault: Vault;
  /** Those of the vault. */
  readonly keys: readonly string[];
}

export interface KeeperOptions {
  readonly clock: Clock;
  readonly lock: Lock | undefined;
  /** For sessions that are ours; those of an application have limits of their own. */
  readonly limits: Limits | undefined;
  readonly warn: (message: string) => void;
}

/**
 * What a request knows of the session that it has loaded or saved: against this its changes are told. A class, as V8 may
 * come to make an object literal of every request in its old space, where it keeps what it holds from being collected.
 */
class Known {
  /** An application that copies a session to another id copies this along: it speaks of this id alone. */
  readonly id: string;
  /** What the application kept in it; undefined when that was not seen before the application had it. */
  readonly snapshot: string | undefined;
  portal: PortalSession | undefined;
  readonly expires: Date | null | undefined;
  readonly maxAge: number | null | undefined;
  /** This request has written the session, so it need not be kept alive as well. */
  readonly written: boolean;

  constructor(
    id: string,
    data: Kept,
    snapshot: string | undefined,
    portal: PortalSession | undefined,
    written: boolean,
  ) {
    this.id = id;
    this.snapshot = snapshot;
    this.portal = portal;
    this.expires = data.cookie.expires;
    this.maxAge = data.cookie.originalMaxAge;
    this.written = written;
  }
}

/** Where a session carries what is known of it. JSON, and so express-session's hash and every store, passes a symbol over. */
const KNOWN = Symbol("express-portal-auth");

type Kept = Session & Partial<SessionData> & { [KNOWN]?: Known | undefined };

/** With our own sessions the end is pushed forward at most so often, and ten times within a limit that is shorter. */
const PUSH_EVERY_SECONDS = 60;

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
  readonly #store: Store;
  readonly #set: Store["set"];
  readonly #touch: Store["touch"];
  readonly #lifetime: Lifetime;
  readonly #limits: Limits | undefined;
  readonly #tenants: Tenant[] = [];
  readonly #warn: (message: string) => void;
  readonly #pushOnce = createJoin<void>();
  /** Sessions whose touch is under way: some stores do it by a set. */
  readonly #touching = new Set<string>();

  constructor(store: Store, { clock, lock, limits, warn }: KeeperOptions) {
    this.#store = store;
    this.#warn = warn;
    this.#limits = limits;
    this.#lifetime = limits ? lifetimeOfOurs(clock, limits) : lifetimeOfApps(clock);
    const plain = {
      get: store.get.bind(store),
      set: store.set.bind(store),
      destroy: store.destroy.bind(store),
    };
    this.#set = plain.set;
    this.#touch = store.touch?.bind(store);
    const inTurn = createQueue();
    const atomic = atomicUpdate(store);
    const warnSometimes = onceAMinute(warn);
    const exclusively = lock && !atomic ? withLock(lock, (error) => warnSometimes(lockFailed(error))) : undefined;
    const update = atomic ?? plainUpdate(plain);
    const alone = <T>(id: string, work: () => Promise<T>): Promise<T> =>
      inTurn(id, exclusively ? () => exclusively(id, work) : work);
    this.update = (id, change) =>
      alone(id, () =>
        withDeadline((isLate) =>
          update(
            id,
            this.#wary(id, (stored) => (isLate() ? undefined : change(stored))),
          ),
        ),
      );
    this.#meetExpressSession(plain, atomic ? undefined : alone);
    if (!atomic && !lock && !isForOneProcess(store)) warn(NEEDS_A_LOCK);
  }

  /** Reads what is stored now; undefined when there is no such session. */
  read(id: string): Promise<StoredSession | undefined> {
    return this.update(id, () => undefined);
  }

  /** Destroys a session, and gives what was stored last. */
  async remove(id: string): Promise<StoredSession | undefined> {
    let last: StoredSession | undefined;
    await this.update(id, (stored) => {
      last = stored;
      return null;
    });
    return last;
  }

  /** From now on the logins of this portalAuth() are opened as they are loaded. */
  admit(tenant: Tenant): void {
    const known = this.#tenants.find(
      ({ issuer, clientId }) => issuer === tenant.issuer && clientId === tenant.clientId,
    );
    if (!known) this.#tenants.push(tenant);
    else if (known.keys.join() !== tenant.keys.join()) this.#warn(OTHER_KEYS);
  }

  /** What is stored of a login, as it is used; undefined when it cannot be opened. */
  open(id: string, portal: StoredPortal): PortalSession | undefined {
    if (typeof portal.tokens !== "string") return portal as PortalSession;
    const vault = this.#vaultOf(portal);
    return vault ? vault.open(id, portal) : (portal as PortalSession); // not ours: nobody will read it
  }

  /** Hands a request the login as it is stored now, which is no change of its own. */
  refreshed(loaded: Session & Partial<SessionData>, portal: PortalSession | undefined): void {
    const known = knownOf(loaded.id, loaded);
    if (known) known.portal = portal;
    if (portal) loaded.portal = this.#limits ? new DiscreetPortalSession(portal) : portal;
    else delete loaded.portal;
  }

  /** A session that was loaded before its store was met. */
  adopt(loaded: Kept): void {
    if (knownOf(loaded.id, loaded) || !loaded.portal) return;
    const portal = this.open(loaded.id, loaded.portal);
    loaded[KNOWN] = new Known(loaded.id, loaded, undefined, portal, false);
    this.refreshed(loaded, portal);
  }

  #meetExpressSession(
    plain: Pick<Store, "get" | "destroy">,
    alone: (<T>(id: string, work: () => Promise<T>) => Promise<T>) | undefined,
  ): void {
    const store = this.#store;
    const { createSession } = store;
    store.createSession = (req, data) => this.#load(createSession, req, data);
    store.set = (id, data, done) => answer(this.#save(id, data as Kept), done);
    if (alone)
      store.destroy = (id, done) =>
        answer(
          alone(id, () => withDeadline(() => promised<void>((end) => plain.destroy(id, end)))),
          done,
        );
    if (!this.#limits) return;
    store.get = (id, done) =>
      plain.get(id, (error, found) =>
        done(error, found && this.#lifetime.isAlive(found as unknown as StoredSession) ? found : null),
      );
    store.touch = (id, data, done) => {
      if (this.#pushIsDue(id, data as Kept)) answer(this.#push(id), done);
      else done?.();
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
  #closed(id: string, next: StoredSession): StoredSession {
    const { portal } = next;
    const closed = portal && (this.#vaultOf(portal)?.close(id, portal) ?? portal);
    const cookie = cookieUntil(next.cookie, this.#lifetime.endsAt(next));
    return { ...next, cookie, ...(closed && { portal: { ...closed } }) };
  }

  #vaultOf({ issuer, client_id }: StoredPortal): Vault | undefined {
    return this.#tenants.find((tenant) => tenant.issuer === issuer && tenant.clientId === client_id)?.vault;
  }

  #load(createSession: Store["createSession"], req: Parameters<Store["createSession"]>[0], data: SessionData) {
    const stored = data.portal as StoredPortal | undefined;
    const portal = stored && this.open(req.sessionID, stored);
    if (!portal) delete data.portal;
    else data.portal = this.#limits ? new DiscreetPortalSession(portal) : portal;
    const loaded: Kept = createSession.call(this.#store, req, data);
    if (!stored && !this.#limits) return loaded as Session & SessionData; // an application's visitor: not our affair
    loaded[KNOWN] = new Known(req.sessionID, loaded, snapshotOf(loaded), portal, false);
    // Our cookie is set when a session begins, and not again: it lives as long as a login may, and when it counts the
    // stored session says. So no answer of a slow request brings a browser back to a session that has ended meanwhile.
    if (this.#limits) loaded.cookie.maxAge = null as never;
    return loaded as Session & SessionData;
  }

  async #save(id: string, data: Kept): Promise<void> {
    const before = knownOf(id, data);
    // taken now: what a handler changes while this is under way is a change that is yet to be saved
    const saved = new Known(id, data, snapshotOf(data), data.portal, true);
    if (!before) {
      const isOurAffair = data.portal !== undefined || this.#limits !== undefined;
      const content = isOurAffair ? this.#closed(id, plainCopy(data)) : data; // it has just begun
      await promised((done) => this.#set(id, content as never, done));
      if (isOurAffair) data[KNOWN] = saved;
    } else {
      const changes = this.#changesOf(data, before);
      if (!changes && !this.#touching.has(id)) return before.written ? undefined : this.#keepAlive(id, data);
      const after = await this.update(id, (stored) => this.#merged(stored, data, before, changes));
      if (after) data[KNOWN] = saved; // else it has ended, and stays so
    }
  }

  /** Undefined when this request has done nothing to the session. */
  #changesOf(data: Kept, before: Known): Changes | undefined {
    const changes = changesSince(before.snapshot, data);
    const isForgotten = before.portal !== undefined && data.portal === undefined;
    return changes.size > 0 || isForgotten || this.#livesOtherwise(data, before) ? changes : undefined;
  }

  /** "Remember me": the application has given its session another life. */
  #livesOtherwise(data: Kept, before: Known): boolean {
    return !this.#limits && data.cookie.originalMaxAge !== before.maxAge;
  }

  #merged(stored: StoredSession, mine: Kept, before: Known, changes: Changes | undefined): StoredSession {
    const { portal, ...merged } = withChanges(stored, changes ?? new Map());
    const isRemoved = before.portal !== undefined && mine.portal === undefined;
    const newest = (mine.portal?.version ?? 0) > (portal?.version ?? 0) && portal ? mine.portal : portal;
    const cookie = this.#livesOtherwise(mine, before) ? mine.cookie : stored.cookie;
    return { ...merged, cookie, ...(newest && !isRemoved && { portal: newest }) } as StoredSession;
  }

  /** What express-session does for a session that was only read. */
  async #keepAlive(id: string, data: Kept): Promise<void> {
    if (this.#limits) return this.#pushIsDue(id, data) ? this.#push(id) : undefined;
    const touch = this.#touch;
    if (!touch) return void (await this.update(id, (stored) => ({ ...stored })));
    this.#touching.add(id);
    try {
      await promised((done) => touch(id, data as never, done));
    } finally {
      this.#touching.delete(id);
    }
  }

  #pushIsDue(id: string, data: Kept): boolean {
    const known = knownOf(id, data);
    if (!this.#limits || !known?.expires || known.written) return false;
    return this.#pushIsWorthIt(known.expires.getTime(), data as unknown as StoredSession);
  }

  #pushIsWorthIt(endsAt: number, stored: StoredSession): boolean {
    const every = Math.min(PUSH_EVERY_SECONDS, (this.#limits?.idleSeconds ?? 0) / 10);
    return (this.#lifetime.endsAt(stored) ?? 0) - endsAt >= every * 1000;
  }

  /** Whatever is stored now lives on: a copy that was loaded a while ago is not written back. */
  #push(id: string): Promise<void> {
    return this.#pushOnce(id, async () => {
      await this.update(id, (stored) => {
        const { expires } = stored.cookie;
        const isDue = expires && this.#pushIsWorthIt(new Date(expires).getTime(), stored);
        return isDue ? { ...stored } : undefined; // another process may have done it
      });
    });
  }
}

const OTHER_KEYS =
  "Two portalAuth() of the same issuer and client keep their sessions in one store with different TOKEN_ENCRYPTION_KEYs: the keys of the first are used. Give both the same.";

const NEEDS_A_LOCK =
  "This session store is none that express-portal-auth knows how to change in one step (connect-redis 9, connect-pg-simple, memory). That is fine for one process; for several use one of those, or hand portalAuth() a lock.";

const lockFailed = (error: unknown): string =>
  `The lock failed (${error instanceof Error ? error.name : typeof error}); a session was changed without it. Look at the service behind the option lock.`;

function atomicUpdate(store: Store): Update | undefined {
  if (isRedisStore(store)) return redisUpdate(store);
  return isPostgresStore(store) ? postgresUpdate(store) : undefined;
}

/** By the name of its class: an application may have another copy of express-session than ours. */
const isForOneProcess = (store: Store): boolean => /memory/i.test(store.constructor.name);

const knownOf = (id: string, data: Kept): Known | undefined => (data[KNOWN]?.id === id ? data[KNOWN] : undefined);

/** Without the symbol, and without what a Session has of its class. */
const plainCopy = (data: object): StoredSession => Object.fromEntries(Object.entries(data)) as unknown as StoredSession;

function answer(work: Promise<unknown>, done: ((error?: unknown) => void) | undefined): void {
  work.then(
    () => done && process.nextTick(done),
    (error) => done && process.nextTick(done, error),
  );
}
