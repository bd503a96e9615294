import type { EntryStore, RecordIndex, RecordStore, SessionEntry, StoredRecord } from "./record-store.js";
import { retryCompareAndSet } from "./retry-compare-and-set.js";

/** Creates an entry store from a record store, such as an application's adapter for its own database. */
export function createAdapterEntryStore(records: RecordStore): EntryStore {
  return new AdapterEntryStore(records);
}

/** Returns the key of the record that holds the application's part of the entry under this key. */
const getAppKey = (key: string): string => `app:${key}`;

/**
 * Stores each entry as two records: the login record under the entry's key, and the application's part. The
 * entry exists as long as the application's part exists.
 *
 * The login record is written and removed first. If the store fails in between, no removed login remains.
 */
class AdapterEntryStore implements EntryStore {
  readonly index: RecordIndex;
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
    this.index = records.index;
  }

  read(key: string): Promise<StoredRecord | undefined> {
    return this.#records.read(key);
  }

  async create(key: string, text: string, lifeMs: number): Promise<boolean> {
    const isCreated = await this.#records.create(key, text, lifeMs);
    if (isCreated) await this.#records.touch(getAppKey(key), lifeMs);
    return isCreated;
  }

  async replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    const isReplaced = await this.#records.replace(key, version, text, lifeMs);
    if (isReplaced && lifeMs !== undefined) await this.#records.touch(getAppKey(key), lifeMs);
    return isReplaced;
  }

  async touch(key: string, lifeMs: number): Promise<boolean> {
    const touched = await Promise.all([
      this.#records.touch(key, lifeMs),
      this.#records.touch(getAppKey(key), lifeMs),
    ]);
    return touched.includes(true);
  }

  async remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    const removed = await this.#records.remove(key, version);
    if (removed || version === undefined) await this.#records.remove(getAppKey(key));
    return removed;
  }

  async readEntry(key: string): Promise<SessionEntry | undefined> {
    const [app, record] = await Promise.all([this.#records.read(getAppKey(key)), this.#records.read(key)]);
    if (!app) return undefined;
    return {
      app: parseApp(app),
      record: record && { text: record.text, version: record.version },
      lifeMs: app.lifeMs,
    };
  }

  async createEntry(
    key: string,
    app: SessionEntry["app"],
    record: string | undefined,
    lifeMs: number,
  ): Promise<void> {
    if (record === undefined) await this.#records.remove(key);
    else await this.#overwrite(key, record, lifeMs);
    await this.#overwrite(getAppKey(key), JSON.stringify(app), lifeMs);
  }

  async updateEntry(
    key: string,
    changed: SessionEntry["app"],
    removed: readonly string[],
    lifeMs: number | undefined,
  ): Promise<boolean> {
    const isUpdated = await this.#updateApp(
      getAppKey(key),
      (app) => applyChanges(app, changed, removed),
      lifeMs,
    );
    if (isUpdated && lifeMs !== undefined) await this.#records.touch(key, lifeMs);
    return isUpdated;
  }

  /** Writes a record, and replaces an existing one. */
  async #overwrite(key: string, text: string, lifeMs: number): Promise<void> {
    await retryCompareAndSet(async () => {
      if (await this.#records.create(key, text, lifeMs)) return { outcome: true };
      await this.#records.remove(key);
      return undefined;
    });
  }

  #updateApp(
    key: string,
    change: (app: SessionEntry["app"]) => SessionEntry["app"],
    lifeMs: number | undefined,
  ): Promise<boolean> {
    return retryCompareAndSet(async () => {
      const stored = await this.#records.read(key);
      if (!stored) return { outcome: false };
      const text = JSON.stringify(change(parseApp(stored)));
      const isReplaced = await this.#records.replace(key, stored.version, text, lifeMs);
      return isReplaced ? { outcome: true } : undefined;
    });
  }
}

const parseApp = ({ text }: StoredRecord): SessionEntry["app"] => JSON.parse(text);

function applyChanges(
  app: SessionEntry["app"],
  changed: SessionEntry["app"],
  removed: readonly string[],
): SessionEntry["app"] {
  const rest: Record<string, string> = { ...app };
  for (const name of removed) delete rest[name];
  return { ...rest, ...changed };
}
