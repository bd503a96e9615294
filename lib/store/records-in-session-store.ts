import session, { type SessionData, type Store } from "express-session";
import type { Clock } from "../contract/clock.js";
import { fromCallback } from "../util/from-callback.js";
import { createQueue, type Queue } from "../util/queue.js";
import { sha256 } from "../util/sha256.js";
import type { RecordIndex, RecordStore, StoredRecord } from "./record-store.js";
import { withDeadline } from "./with-deadline.js";

/** The methods that every express-session store has. */
export type ExpressSessionStore = Pick<Store, "get" | "set" | "destroy">;

/**
 * Creates a record store in the application's own session store. The records are sessions without a cookie.
 *
 * Such a store has no compare-and-set. In this process, the changes of a record run in turn. Other processes
 * can overwrite them.
 */
export function createRecordsInSessionStore(
  store: ExpressSessionStore,
  warn: (message: string) => void,
  clock: Clock = Date.now,
): RecordStore {
  // The class name is compared, because an application may have another copy of express-session.
  if (!/memory/i.test(store.constructor.name)) warn(ONE_PROCESS_WARNING);
  return new RecordsInSessionStore(store, clock);
}

const ONE_PROCESS_WARNING =
  "Logins are stored in the application's session store, which is safe for one process only. " +
  "If several processes serve the application, set SESSION_STORE_URL (option store) " +
  "to a Redis or PostgreSQL server.";

/** The stored form of a record. Stores read the expiry from the cookie beside it. */
interface RecordAsSession {
  readonly text: string;
  readonly version: number;
  /** In epoch milliseconds. Not every store removes a session when its cookie expires. */
  readonly ends_at: number;
}

/** A change of a record. Without `write` and `isRemoved`, the record does not change. */
interface RecordChange<Result> {
  readonly write?: RecordAsSession;
  readonly isRemoved?: boolean;
  readonly result: Result;
}

const queues = new WeakMap<ExpressSessionStore, Queue>();

/**
 * Returns the queue of a store. All portalAuth() with this store share it, because the lists of a client's
 * users belong to all of them.
 */
function getQueue(store: ExpressSessionStore): Queue {
  const queue = queues.get(store) ?? createQueue();
  queues.set(store, queue);
  return queue;
}

type NameList = readonly (readonly [name: string, endsAt: number])[];

class RecordsInSessionStore implements RecordStore {
  readonly index: RecordIndex;
  readonly #store: ExpressSessionStore;
  readonly #clock: Clock;
  readonly #queue: Queue;

  constructor(store: ExpressSessionStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#queue = getQueue(store);
    this.index = {
      add: (list, name, lifeMs) => this.#addName(list, name, lifeMs),
      list: (list) => this.#listNames(list),
      remove: (list, names) => this.#removeNames(list, names),
    };
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    return this.#toStoredRecord(await this.#get(createInternalSessionId("record", key)));
  }

  create(key: string, text: string, lifeMs: number): Promise<boolean> {
    return this.#change(createInternalSessionId("record", key), (stored) =>
      stored
        ? { result: false }
        : { write: { text, version: 1, ends_at: this.#clock() + lifeMs }, result: true },
    );
  }

  replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    return this.#change(createInternalSessionId("record", key), (stored) => {
      if (stored?.version !== version) return { result: false };
      const endsAt = lifeMs === undefined ? stored.ends_at : this.#clock() + lifeMs;
      return { write: { text, version: version + 1, ends_at: endsAt }, result: true };
    });
  }

  touch(key: string, lifeMs: number): Promise<boolean> {
    return this.#change(createInternalSessionId("record", key), (stored) =>
      stored ? { write: { ...stored, ends_at: this.#clock() + lifeMs }, result: true } : { result: false },
    );
  }

  remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    return this.#change(createInternalSessionId("record", key), (stored) => {
      if (!stored || (version !== undefined && stored.version !== version)) return { result: undefined };
      return { isRemoved: true, result: this.#toStoredRecord(stored) };
    });
  }

  #addName(list: string, name: string, lifeMs: number): Promise<void> {
    return this.#changeNames(list, (names) => {
      const currentEnd = names.find(([other]) => other === name)?.[1] ?? 0;
      return [
        ...names.filter(([other]) => other !== name),
        [name, Math.max(currentEnd, this.#clock() + lifeMs)],
      ];
    });
  }

  async #listNames(list: string): Promise<readonly string[]> {
    return this.#parseNames(await this.#get(createInternalSessionId("list", list))).map(([name]) => name);
  }

  #removeNames(list: string, names: readonly string[]): Promise<void> {
    const removedNames = new Set(names);
    return this.#changeNames(list, (current) => current.filter(([name]) => !removedNames.has(name)));
  }

  #changeNames(list: string, change: (names: NameList) => NameList): Promise<void> {
    return this.#change(createInternalSessionId("list", list), (stored) => {
      const names = change(this.#parseNames(stored));
      if (names.length === 0) return { isRemoved: stored !== undefined, result: undefined };
      const lastEnd = Math.max(...names.map(([, endsAt]) => endsAt));
      return { write: { text: JSON.stringify(names), version: 1, ends_at: lastEnd }, result: undefined };
    });
  }

  #parseNames(stored: RecordAsSession | undefined): NameList {
    if (!stored) return [];
    const now = this.#clock();
    return (JSON.parse(stored.text) as NameList).filter(([, endsAt]) => endsAt > now);
  }

  #toStoredRecord(stored: RecordAsSession | undefined): StoredRecord | undefined {
    return stored && { text: stored.text, version: stored.version, lifeMs: stored.ends_at - this.#clock() };
  }

  /**
   * Reads a record, changes it, and writes it before the next change of this record starts. If the store does
   * not respond before the deadline, the next change starts. A later response is ignored, so that it
   * overwrites nothing.
   */
  #change<Result>(
    id: string,
    change: (stored: RecordAsSession | undefined) => RecordChange<Result>,
  ): Promise<Result> {
    return this.#queue(id, () =>
      withDeadline(async (isTimedOut) => {
        const { write, isRemoved, result } = change(await this.#get(id));
        if (isTimedOut()) return result;
        if (write) await this.#set(id, write);
        else if (isRemoved) await this.#destroy(id);
        return result;
      }),
    );
  }

  async #get(id: string): Promise<RecordAsSession | undefined> {
    const found = await fromCallback<unknown>((done) => this.#store.get(id, done)).catch(ignoreMissing);
    const { text, version, ends_at } = Object(found) as Partial<RecordAsSession>;
    if (typeof text !== "string" || typeof version !== "number" || typeof ends_at !== "number")
      return undefined;
    return ends_at > this.#clock() ? { text, version, ends_at } : undefined;
  }

  async #set(id: string, stored: RecordAsSession): Promise<void> {
    const cookie = new session.Cookie();
    // This sets `expires` and `originalMaxAge`. Each store reads one of them.
    cookie.maxAge = stored.ends_at - this.#clock();
    await fromCallback((done) => this.#store.set(id, { cookie, ...stored } as unknown as SessionData, done));
  }

  async #destroy(id: string): Promise<void> {
    await fromCallback((done) => this.#store.destroy(id, done)).catch(ignoreMissing);
  }
}

/**
 * Returns the session id of a record. It differs from all ids of express-session, which have 32 characters. A
 * browser cannot send it, because that requires the secret.
 */
const createInternalSessionId = (kind: "record" | "list", name: string): string =>
  `portal-auth-${kind}-${sha256(name)}`;

/** session-file-store reports a session that it does not have as an error. */
function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
