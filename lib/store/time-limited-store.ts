import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import { isMemoryStore } from "./memory-store.js";
import type { EntryStore, RecordIndex, RecordStore, SessionEntry, StoredRecord } from "./record-store.js";
import type { AppPart } from "./serialize-session.js";
import { withDeadline } from "./with-deadline.js";

/**
 * Calls a record store with a time limit of 10 s. Calls wait until the store is open.
 *
 * @throws PortalAuthError `session_store_failed`, from every method
 */
export class TimeLimitedRecordStore<Store extends RecordStore = RecordStore> implements RecordStore {
  readonly index: RecordIndex;
  protected readonly store: Store;
  #opening: Promise<void> | undefined;

  /** @param opened settles when the store is open; omitted if it is open already */
  constructor(store: Store, opened?: Promise<void>) {
    this.store = store;
    const { index } = store;
    this.index = {
      add: (list, name, lifeMs) => this.callStore(() => index.add(list, name, lifeMs)),
      list: (list) => this.callStore(() => index.list(list)),
      remove: (list, names) => this.callStore(() => index.remove(list, names)),
    };
    const markAsOpen = () => {
      this.#opening = undefined;
    };
    this.#opening = opened?.then(markAsOpen, markAsOpen); // If it failed, the first call reports the reason.
  }

  read(key: string): Promise<StoredRecord | undefined> {
    return this.callStore(() => this.store.read(key));
  }

  create(key: string, text: string, lifeMs: number): Promise<boolean> {
    return this.callStore(() => this.store.create(key, text, lifeMs));
  }

  replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    return this.callStore(() => this.store.replace(key, version, text, lifeMs));
  }

  touch(key: string, lifeMs: number): Promise<boolean> {
    return this.callStore(() => this.store.touch(key, lifeMs));
  }

  remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    return this.callStore(() => this.store.remove(key, version));
  }

  protected async callStore<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await withDeadline(
        this.#opening ? (isTimedOut) => this.#callWhenOpen(work, isTimedOut) : work,
      );
      return result ?? (undefined as T); // An adapter may return the null of its database.
    } catch (error) {
      if (error instanceof PortalAuthError && error.code === "session_store_failed") throw error;
      throw new PortalAuthError("session_store_failed", { detail: redactError(error), cause: error });
    }
  }

  async #callWhenOpen<T>(work: () => Promise<T>, isTimedOut: () => boolean): Promise<T> {
    await this.#opening;
    // The caller has an error already, so the store must not change.
    if (isTimedOut()) throw new Error("the store was opened after the timeout");
    return work();
  }
}

/** Returns a store with a time limit for each call. A store of createStore() has one already. */
export const limitRecordStore = (store: RecordStore, opened: Promise<void> | undefined): RecordStore =>
  store instanceof TimeLimitedRecordStore ? store : new TimeLimitedRecordStore(store, opened);

/**
 * Returns a store with a time limit for each call. A store of createStore() has one already. The memory store
 * responds at once, and needs none: the limit would take more time than the store itself.
 */
export const limitEntryStore = (store: EntryStore, opened: Promise<void> | undefined): EntryStore =>
  store instanceof TimeLimitedEntryStore || (isMemoryStore(store) && !opened)
    ? store
    : new TimeLimitedEntryStore(store, opened);

/**
 * Calls an entry store with a time limit of 10 s. Calls wait until the store is open.
 *
 * @throws PortalAuthError `session_store_failed`, from every method
 */
export class TimeLimitedEntryStore extends TimeLimitedRecordStore<EntryStore> implements EntryStore {
  readEntry(key: string): Promise<SessionEntry | undefined> {
    return this.callStore(() => this.store.readEntry(key));
  }

  createEntry(key: string, app: AppPart, record: string | undefined, lifeMs: number): Promise<void> {
    return this.callStore(() => this.store.createEntry(key, app, record, lifeMs));
  }

  updateEntry(...args: Parameters<EntryStore["updateEntry"]>): Promise<boolean> {
    return this.callStore(() => this.store.updateEntry(...args));
  }
}
