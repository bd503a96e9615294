/** A record as a store keeps it. */
export interface StoredRecord {
  /** What was written. */
  readonly text: string;
  /** 1 for a new record. Each replacement adds one. */
  readonly version: number;
  /** How long the store keeps the record from now on, in milliseconds, by the store's clock. */
  readonly lifeMs: number;
}

/** Names of records, as an index keeps them. */
export interface RecordIndex {
  /**
   * Adds a name to a list, or extends its life there; never shortens it. A list lives as long as its last
   * name.
   */
  add(list: string, name: string, lifeMs: number): Promise<void>;
  /** Reads the names of a list that have not expired. The order does not matter. */
  list(list: string): Promise<readonly string[]>;
  /** Removes names from a list. Unknown names are ignored. */
  remove(list: string, names: readonly string[]): Promise<void>;
}

/**
 * Keeps records of text, each under a key, with a life of its own. Several processes share it. Every method
 * is one atomic step in the store. Reads come from the primary: a record that a write has confirmed is seen
 * by every later read. A record that has expired does not exist for any method. Keys and names are compared
 * exactly: case counts. Methods reject if the store fails.
 */
export interface RecordStore {
  /** Reads a record. Resolves to undefined if the primary has none under this key. */
  read(key: string): Promise<StoredRecord | undefined>;
  /**
   * Creates a record with version 1. Resolves to false, and changes nothing, if there is one under this key.
   */
  create(key: string, text: string, lifeMs: number): Promise<boolean>;
  /**
   * Replaces the record if it still has this version. Resolves to false, and changes nothing, if it has
   * another version or is gone. Without `lifeMs` its end stays as it is.
   */
  replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean>;
  /** Sets how long the record lives from now on. Resolves to false if there is no such record. */
  touch(key: string, lifeMs: number): Promise<boolean>;
  /**
   * Removes the record, only of this version if one is given, and resolves to what was removed. Needs no
   * memory in the store. Resolves to undefined if nothing was removed.
   */
  remove(key: string, version?: number): Promise<StoredRecord | undefined>;
  /** Lists of names. */
  readonly index: RecordIndex;
}

/** A session in a store of ours: what the application keeps in it, and the login record. */
export interface SessionEntry {
  /** The JSON text of each top-level key of the session. */
  readonly app: Readonly<Record<string, string>>;
  readonly record: Pick<StoredRecord, "text" | "version"> | undefined;
  readonly lifeMs: number;
}

/**
 * A record store that also keeps sessions: an entry has the application's part and a login record under one
 * key, with one life. The methods of RecordStore work on the record of an entry: `read` resolves to undefined
 * if the entry has no record, `touch` extends the whole entry, and `remove` removes the whole entry, also one
 * without a record.
 */
export interface EntryStore extends RecordStore {
  /** Reads both parts in one round trip. */
  readEntry(key: string): Promise<SessionEntry | undefined>;
  /**
   * Writes a new entry. Replaces everything that was under this key, also a record. `record` gets version 1.
   */
  createEntry(
    key: string,
    app: SessionEntry["app"],
    record: string | undefined,
    lifeMs: number,
  ): Promise<void>;
  /**
   * Changes and removes single keys of the application's part. The other keys and the record stay as they are
   * stored. Resolves to false, and changes nothing, if there is no such entry.
   */
  updateEntry(
    key: string,
    changed: SessionEntry["app"],
    removed: readonly string[],
    lifeMs: number | undefined,
  ): Promise<boolean>;
}
