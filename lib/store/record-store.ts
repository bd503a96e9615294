/** A record in a store. */
export interface StoredRecord {
  /** The content of the record. */
  readonly text: string;
  /** 1 for a new record. Each replacement adds one. */
  readonly version: number;
  /** Remaining lifetime of the record in milliseconds, by the store's clock. */
  readonly lifeMs: number;
}

/** Lists of names of records. */
export interface RecordIndex {
  /**
   * Adds a name to a list, or extends its lifetime there, but never shortens it. A list exists as long as its
   * last name.
   */
  add(list: string, name: string, lifeMs: number): Promise<void>;
  /** Resolves to the names of a list that have not expired, in any order. */
  list(list: string): Promise<readonly string[]>;
  /** Removes names from a list. Unknown names are ignored. */
  remove(list: string, names: readonly string[]): Promise<void>;
}

/**
 * Stores records of text, each under a key, with a lifetime of its own. Several processes share a store.
 *
 * - Every method is one atomic step in the store.
 * - Reads come from the primary. Every read after a confirmed write returns the new record.
 * - For every method, an expired record does not exist.
 * - Keys and names are compared exactly. They are case-sensitive.
 * - Methods reject if the store fails.
 */
export interface RecordStore {
  /** Reads a record. Resolves to undefined if the primary has no record under this key. */
  read(key: string): Promise<StoredRecord | undefined>;
  /** Creates a record with version 1. Resolves to false, and changes nothing, if the key has a record. */
  create(key: string, text: string, lifeMs: number): Promise<boolean>;
  /**
   * Replaces the record if it still has this version. Resolves to false, and changes nothing, if it has
   * another version or does not exist. Without `lifeMs`, its lifetime does not change.
   */
  replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean>;
  /** Sets the remaining lifetime of a record. Resolves to false if the record does not exist. */
  touch(key: string, lifeMs: number): Promise<boolean>;
  /**
   * Removes the record, and resolves to it. If a version is given, only a record of this version is removed.
   * Resolves to undefined if no record was removed. It must work if the store has no memory left.
   */
  remove(key: string, version?: number): Promise<StoredRecord | undefined>;
  /** Lists of names. */
  readonly index: RecordIndex;
}

/** A session in a store of this package: the application's part, and the login record. */
export interface SessionEntry {
  /** The JSON text of each top-level key of the session. */
  readonly app: Readonly<Record<string, string>>;
  readonly record: Pick<StoredRecord, "text" | "version"> | undefined;
  readonly lifeMs: number;
}

/**
 * A record store that also stores sessions. An entry contains the application's part and a login record,
 * under one key and with one lifetime. The methods of RecordStore apply to the record of an entry:
 *
 * - `read` resolves to undefined if the entry has no record.
 * - `touch` extends the whole entry.
 * - `remove` removes the whole entry, also one without a record.
 */
export interface EntryStore extends RecordStore {
  /** Reads both parts of an entry in one round trip. */
  readEntry(key: string): Promise<SessionEntry | undefined>;
  /**
   * Writes a new entry, and replaces an existing entry or record under this key. `record` gets version 1.
   */
  createEntry(
    key: string,
    app: SessionEntry["app"],
    record: string | undefined,
    lifeMs: number,
  ): Promise<void>;
  /**
   * Changes and removes single keys of the application's part. The other keys and the record do not change.
   * Resolves to false, and changes nothing, if the entry does not exist.
   */
  updateEntry(
    key: string,
    changed: SessionEntry["app"],
    removed: readonly string[],
    lifeMs: number | undefined,
  ): Promise<boolean>;
}
