import type { Clock } from "../contract/clock.js";
import type { EntryStore, RecordIndex, SessionEntry, StoredRecord } from "./record-store.js";

const SWEEP_MS = 60_000;

type TextAndVersion = Pick<StoredRecord, "text" | "version">;

/** Entries and their parts are never changed in place, so they can be returned without a copy. */
interface MemoryEntry {
  readonly app: SessionEntry["app"];
  readonly record: TextAndVersion | undefined;
  readonly endsAt: number;
}

/**
 * Creates a store in the memory of this process. Other processes do not see its records and sessions. They
 * are lost when the process ends.
 *
 * @param onFirstWrite called once, at the first write
 */
export function createMemoryStore(clock: Clock = Date.now, onFirstWrite?: () => void): EntryStore {
  return new MemoryStore(clock, onFirstWrite);
}

/** Returns whether a store is in the memory of this process, and therefore responds at once. */
export const isMemoryStore = (store: object): boolean => MemoryStore.isOurs(store);

const EMPTY_APP: SessionEntry["app"] = Object.freeze({});

/** Each method is atomic, because it changes the maps before it returns its promise. */
class MemoryStore implements EntryStore {
  readonly index: RecordIndex;
  readonly #entries = new Map<string, MemoryEntry>();
  readonly #lists = new Map<string, Map<string, number>>();
  readonly #clock: Clock;
  #onFirstWrite: (() => void) | undefined;
  #sweepAt = 0;

  static isOurs(store: object): boolean {
    return #entries in store;
  }

  constructor(clock: Clock, onFirstWrite?: () => void) {
    this.#clock = clock;
    this.#onFirstWrite = onFirstWrite;
    this.index = {
      add: async (list, name, lifeMs) => this.#addName(list, name, lifeMs),
      list: async (list) => this.#listNames(list),
      remove: async (list, names) => this.#removeNames(list, names),
    };
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    const entry = this.#find(key);
    return entry && this.#toStoredRecord(entry);
  }

  async create(key: string, text: string, lifeMs: number): Promise<boolean> {
    const found = this.#find(key);
    if (found?.record) return false;
    this.#save(key, { app: found?.app ?? EMPTY_APP, record: { text, version: 1 } }, lifeMs);
    return true;
  }

  async replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    const found = this.#find(key);
    if (found?.record?.version !== version) return false;
    this.#save(key, { app: found.app, record: { text, version: version + 1 } }, lifeMs ?? found);
    return true;
  }

  async touch(key: string, lifeMs: number): Promise<boolean> {
    const found = this.#find(key);
    if (!found) return false;
    this.#save(key, found, lifeMs);
    return true;
  }

  async remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    const found = this.#find(key);
    if (version !== undefined && found?.record?.version !== version) return undefined;
    this.#entries.delete(key);
    return found && this.#toStoredRecord(found);
  }

  async readEntry(key: string): Promise<SessionEntry | undefined> {
    const found = this.#find(key);
    return found && { app: found.app, record: found.record, lifeMs: found.endsAt - this.#clock() };
  }

  async createEntry(
    key: string,
    app: SessionEntry["app"],
    record: string | undefined,
    lifeMs: number,
  ): Promise<void> {
    const first = record === undefined ? undefined : { text: record, version: 1 };
    this.#save(key, { app: Object.freeze({ ...app }), record: first }, lifeMs);
  }

  async updateEntry(
    key: string,
    changed: SessionEntry["app"],
    removed: readonly string[],
    lifeMs: number | undefined,
  ): Promise<boolean> {
    const found = this.#find(key);
    if (!found) return false;
    const app: Record<string, string> = { ...found.app };
    for (const name of removed) delete app[name];
    this.#save(key, { app: Object.freeze({ ...app, ...changed }), record: found.record }, lifeMs ?? found);
    return true;
  }

  #find(key: string): MemoryEntry | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.endsAt > this.#clock() ? entry : undefined;
  }

  /** @param life in milliseconds from now, or an entry whose end is retained */
  #save(key: string, { app, record }: Omit<MemoryEntry, "endsAt">, life: number | MemoryEntry): void {
    this.#sweep();
    this.#onFirstWrite?.();
    this.#onFirstWrite = undefined;
    const endsAt = typeof life === "number" ? this.#clock() + life : life.endsAt;
    this.#entries.set(key, { app, record: record && Object.freeze(record), endsAt });
  }

  #toStoredRecord({ record, endsAt }: MemoryEntry): StoredRecord | undefined {
    return record && { ...record, lifeMs: endsAt - this.#clock() };
  }

  #addName(list: string, name: string, lifeMs: number): void {
    this.#sweep();
    const names = this.#lists.get(list) ?? new Map<string, number>();
    this.#lists.set(list, names);
    names.set(name, Math.max(names.get(name) ?? 0, this.#clock() + lifeMs));
  }

  #listNames(list: string): readonly string[] {
    const now = this.#clock();
    const names = this.#lists.get(list) ?? new Map<string, number>();
    return [...names].filter(([, endsAt]) => endsAt > now).map(([name]) => name);
  }

  #removeNames(list: string, names: readonly string[]): void {
    const listed = this.#lists.get(list);
    for (const name of names) listed?.delete(name);
    if (listed?.size === 0) this.#lists.delete(list);
  }

  /** Removes expired entries, at most once a minute, at a write. A timer would keep the process alive. */
  #sweep(): void {
    const now = this.#clock();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_MS;
    for (const [key, { endsAt }] of this.#entries) if (endsAt <= now) this.#entries.delete(key);
    for (const [list, names] of this.#lists) {
      for (const [name, endsAt] of names) if (endsAt <= now) names.delete(name);
      if (names.size === 0) this.#lists.delete(list);
    }
  }
}
