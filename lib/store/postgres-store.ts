import { pause } from "../util/pause.js";
import {
  createTablesBeforeQuery,
  DEFAULT_TABLE,
  type PostgresPool,
  type PostgresQuery,
  type PostgresResult,
  type PostgresTables,
  quoteTableNames,
} from "./postgres-tables.js";
import type { EntryStore, RecordIndex, SessionEntry, StoredRecord } from "./record-store.js";

export interface PostgresStoreOptions {
  /** The table of records. Default `portal_session`. The table of names has the same name plus `_index`. */
  readonly table?: string;
  /** Whether missing tables are created before the first query. Default true. */
  readonly shouldCreateTables?: boolean;
}

/**
 * Creates a store in PostgreSQL. Each method is one statement that needs no state of its connection, so it
 * works with pgbouncer in transaction mode.
 */
export function createPostgresStore(
  pool: PostgresPool,
  { table = DEFAULT_TABLE, shouldCreateTables = true }: PostgresStoreOptions = {},
): EntryStore {
  const tables = quoteTableNames(table);
  const query: PostgresQuery = shouldCreateTables
    ? createTablesBeforeQuery(pool, tables)
    : (text, values) => pool.query(text, values);
  return new PostgresStore(query, tables);
}

const SWEEP_MS = 60_000;
const MAX_SWEPT_ROWS = 1000;

/**
 * clock_timestamp() advances while a statement waits for a lock. An entry that expires meanwhile counts as
 * expired.
 */
const IS_ALIVE = "ends_at > clock_timestamp()";
const LIFE_MS = "extract(epoch FROM ends_at - clock_timestamp()) * 1000";
const buildEndExpression = (parameter: string): string =>
  `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`;
/** The columns of a record as text, because an application may have changed how pg parses other types. */
const RECORD = `record, version::text AS version, (${LIFE_MS})::text AS life`;

class PostgresStore implements EntryStore {
  readonly index: RecordIndex;
  readonly #query: PostgresQuery;
  readonly #tables: PostgresTables;
  #sweepAt = 0;

  constructor(query: PostgresQuery, tables: PostgresTables) {
    this.#query = query;
    this.#tables = tables;
    this.index = {
      add: (list, name, lifeMs) => this.#addName(list, name, lifeMs),
      list: (list) => this.#listNames(list),
      remove: (list, names) => this.#removeNames(list, names),
    };
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    const { rows } = await this.#run(
      `SELECT ${RECORD} FROM ${this.#tables.entries} WHERE key = $1 AND ${IS_ALIVE}`,
      [key],
    );
    return toStoredRecord(rows[0]);
  }

  async create(key: string, text: string, lifeMs: number): Promise<boolean> {
    const statement = `INSERT INTO ${this.#tables.entries} AS old (key, app, record, version, ends_at)
      VALUES ($1, '{}', $2, 1, ${buildEndExpression("$3")})
      ON CONFLICT (key) DO UPDATE SET app = CASE WHEN old.${IS_ALIVE} THEN old.app ELSE '{}' END,
        record = excluded.record, version = 1, ends_at = ${buildEndExpression("$3")}
      WHERE old.record IS NULL OR NOT old.${IS_ALIVE}`;
    return hasWritten(await this.#write(statement, [key, text, lifeMs]));
  }

  async replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    const statement = `UPDATE ${this.#tables.entries}
      SET record = $3, version = version + 1, ends_at = coalesce(${buildEndExpression("$4")}, ends_at)
      WHERE key = $1 AND version = $2::bigint AND ${IS_ALIVE}`;
    return hasWritten(await this.#write(statement, [key, version, text, lifeMs]));
  }

  async touch(key: string, lifeMs: number): Promise<boolean> {
    const statement = `UPDATE ${this.#tables.entries} SET ends_at = ${buildEndExpression("$2")}
      WHERE key = $1 AND ${IS_ALIVE}`;
    return hasWritten(await this.#write(statement, [key, lifeMs]));
  }

  async remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    const statement = `DELETE FROM ${this.#tables.entries}
      WHERE key = $1 AND ($2::bigint IS NULL OR version = $2::bigint) RETURNING ${RECORD}`;
    const removed = toStoredRecord((await this.#run(statement, [key, version])).rows[0]);
    return removed && removed.lifeMs > 0 ? removed : undefined;
  }

  async readEntry(key: string): Promise<SessionEntry | undefined> {
    const statement = `SELECT app::text AS app, ${RECORD} FROM ${this.#tables.entries}
      WHERE key = $1 AND ${IS_ALIVE}`;
    const [row] = (await this.#run(statement, [key])).rows;
    if (!row) return undefined;
    const record = toStoredRecord(row);
    return {
      app: renameKeys(JSON.parse(String(row["app"])), decodeName),
      record: record && { text: record.text, version: record.version },
      lifeMs: Number(row["life"]),
    };
  }

  async createEntry(
    key: string,
    app: SessionEntry["app"],
    record: string | undefined,
    lifeMs: number,
  ): Promise<void> {
    const statement = `INSERT INTO ${this.#tables.entries} (key, app, record, version, ends_at)
      VALUES ($1, $2::jsonb, $3::text, CASE WHEN $3::text IS NULL THEN NULL ELSE 1 END,
        ${buildEndExpression("$4")})
      ON CONFLICT (key) DO UPDATE SET app = excluded.app, record = excluded.record,
        version = excluded.version, ends_at = ${buildEndExpression("$4")}`;
    await this.#write(statement, [key, toJson(app), record, lifeMs]);
  }

  async updateEntry(
    key: string,
    changed: SessionEntry["app"],
    removed: readonly string[],
    lifeMs: number | undefined,
  ): Promise<boolean> {
    const statement = `UPDATE ${this.#tables.entries}
      SET app = (app - $3::text[]) || $2::jsonb, ends_at = coalesce(${buildEndExpression("$4")}, ends_at)
      WHERE key = $1 AND ${IS_ALIVE}`;
    return hasWritten(await this.#write(statement, [key, toJson(changed), removed.map(encodeName), lifeMs]));
  }

  async #addName(list: string, name: string, lifeMs: number): Promise<void> {
    const statement = `INSERT INTO ${this.#tables.names} AS old (list, name, ends_at)
      VALUES ($1, $2, ${buildEndExpression("$3")})
      ON CONFLICT (list, name) DO UPDATE SET ends_at = greatest(old.ends_at, excluded.ends_at)`;
    await this.#write(statement, [list, name, lifeMs]);
  }

  async #listNames(list: string): Promise<readonly string[]> {
    const statement = `SELECT name FROM ${this.#tables.names} WHERE list = $1 AND ${IS_ALIVE}`;
    return (await this.#run(statement, [list])).rows.map(({ name }) => String(name));
  }

  async #removeNames(list: string, names: readonly string[]): Promise<void> {
    await this.#run(`DELETE FROM ${this.#tables.names} WHERE list = $1 AND name = ANY($2::text[])`, [
      list,
      [...names],
    ]);
  }

  /** Runs a statement that may add rows. Starts a sweep if the last one was a minute ago. */
  #write(statement: string, values: unknown[]): Promise<PostgresResult> {
    if (performance.now() >= this.#sweepAt) {
      this.#sweepAt = performance.now() + SWEEP_MS;
      // The next sweep repeats a failed one. If the database is down, the statement itself reports it.
      this.#sweep().catch(() => {});
    }
    return this.#run(statement, values);
  }

  /**
   * Deletes expired rows that no other transaction has locked. The next write continues if there are more.
   */
  async #sweep(): Promise<void> {
    for (const table of [this.#tables.entries, this.#tables.names]) {
      // ctid identifies a row within one statement. statement_timestamp() allows the index on ends_at.
      const { rowCount } = await this.#query(`DELETE FROM ${table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ${table} WHERE ends_at <= statement_timestamp()
        LIMIT ${MAX_SWEPT_ROWS} FOR UPDATE SKIP LOCKED
      ))`);
      if (rowCount === MAX_SWEPT_ROWS) this.#sweepAt = 0;
    }
  }

  #run(statement: string, values: unknown[]): Promise<PostgresResult> {
    return retryOnConflict(() => this.#query(statement, values));
  }
}

const MAX_CONFLICTS = 50;

/** Repeats a statement that PostgreSQL has rolled back because another transaction wrote to the same row. */
async function retryOnConflict(run: () => Promise<PostgresResult>): Promise<PostgresResult> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      if (!isConflict(error) || attempt === MAX_CONFLICTS) throw error;
    }
    await pause(Math.random() * Math.min(attempt, 10) * 2);
  }
}

/**
 * The codes are serialization_failure (if the default isolation is above `read committed`) and
 * deadlock_detected.
 */
const isConflict = (error: unknown): boolean => {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === "40001" || code === "40P01";
};

const hasWritten = ({ rowCount }: PostgresResult): boolean => rowCount === 1;

function toStoredRecord(row: Readonly<Record<string, unknown>> | undefined): StoredRecord | undefined {
  if (typeof row?.["record"] !== "string") return undefined;
  return { text: row["record"], version: Number(row["version"]), lifeMs: Number(row["life"]) };
}

const toJson = (app: SessionEntry["app"]): string => JSON.stringify(renameKeys(app, encodeName));

/**
 * Escapes a name as in JSON, because jsonb rejects some characters, such as U+0000. The values are JSON
 * already.
 */
const encodeName = (name: string): string => JSON.stringify(name).slice(1, -1);
const decodeName = (name: string): string => (name.includes("\\") ? JSON.parse(`"${name}"`) : name);

const renameKeys = (app: SessionEntry["app"], rename: (name: string) => string): SessionEntry["app"] =>
  Object.fromEntries(Object.entries(app).map(([name, text]) => [rename(name), text]));
