import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import { isMemoryStore } from "./memory-store.js";
import type { EntryStore, RecordIndex, RecordStore, SessionEntry, StoredRecord } from "./record-store.js";
import type { AppPart } from "./serialize-session.js";
import { withDeadline } from "./with-deadline.js";

/**
 * Calls a record store with a time limit of 10 s, as soon as it has been opened.
 *
 * @throws PortalAuthError `session_store_failed`, from every method
 */
export class TimeLimitedRecordStore<Store extends RecordStore = RecordStore> implements RecordStore {
  readonly index: RecordIndex;
  protected readonly store: Store;
  #opening: Promise<void> | undefined;

  /** @param opened settled when the store can be called; omitted if it can be called at once */
  constructor(store: Store, opened?: Promise<void>) {
    this.store = store;
    const { index } = store;
    this.index = {
      add: (list, name, lifeMs) => this.callStore(() => index.add(list, name, lifeMs)),
      list: (list) => this.callStore(() => index.list(list)),
      remove: (list, names) => this.callStore(() => index.remove(list, names)),
    };
    const setOpened = () => {
      this.#opening = undefined;
    };
    this.#opening = opened?.then(setOpened, setOpened); // if it failed, the first call says why
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
        this.#opening ? (isLate) => this.#callWhenOpened(work, isLate) : work,
      );
      return result ?? (undefined as T); // an adapter may hand on the null of its database
    } catch (error) {
      if (error instanceof PortalAuthError && error.code === "session_store_failed") throw error;
      throw new PortalAuthError("session_store_failed", { detail: redactError(error), cause: error });
    }
  }

  async #callWhenOpened<T>(work: () => Promise<T>, isLate: () => boolean): Promise<T> {
    await this.#opening;
    if (isLate()) throw new Error("the store was opened too late"); // the caller has been told that it failed
    return work();
  }
}

/** Guards a record store. The records of createStore() are guarded already. */
export const limitRecordStore = (store: RecordStore, opened: Promise<void> | undefined): RecordStore =>
  store instanceof TimeLimitedRecordStore ? store : new TimeLimitedRecordStore(store, opened);

/**
 * Guards an entry store. The entries of createStore() are guarded already. Our own store in memory needs no
 * guard, which would cost more than the store itself.
 */
export const limitEntryStore = (store: EntryStore, opened: Promise<void> | undefined): EntryStore =>
  store instanceof TimeLimitedEntryStore || (isMemoryStore(store) && !opened)
    ? store
    : new TimeLimitedEntryStore(store, opened);

/**
 * Calls an entry store with a time limit of 10 s, as soon as it has been opened.
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
