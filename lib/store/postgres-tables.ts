/** A Pool of the package pg. */
export interface PostgresPool {
  /** Runs a statement on a connection of the pool. */
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  /** Only a pool has it. A Client of pg is not accepted, because it does not reconnect. */
  readonly totalCount: number;
}

/** The result of a statement. */
export interface PostgresResult {
  /** The rows, each an object with one member for each column. */
  readonly rows: Readonly<Record<string, unknown>>[];
  /** The number of rows that the statement has returned or changed. */
  readonly rowCount: number | null;
}

export type PostgresQuery = PostgresPool["query"];

/** The names of the tables, quoted for SQL. */
export interface PostgresTables {
  /** A row for each record or session. */
  readonly entries: string;
  /** A row for each name in a list. */
  readonly names: string;
}

export const DEFAULT_TABLE = "portal_session";

/**
 * Returns the names of both tables, quoted for SQL.
 *
 * @param table the name of the table for records, or `schema.name` for another schema than the default one
 */
export function quoteTableNames(table: string): PostgresTables {
  const quote = (name: string) =>
    name
      .split(".")
      .map((part) => `"${part.replaceAll('"', '""')}"`)
      .join(".");
  return { entries: quote(table), names: quote(`${table}_index`) };
}

const quoteLiteral = (name: string): string => `'${name.replaceAll("'", "''")}'`;

/**
 * Returns an SQL expression that is 'true' if a table is missing. It is a text, because an application may
 * have changed how pg parses other types.
 */
export const buildMissingExpression = ({ entries, names }: PostgresTables): string =>
  `(to_regclass(${quoteLiteral(entries)}) IS NULL OR to_regclass(${quoteLiteral(names)}) IS NULL)::text`;

/**
 * Several processes may start at the same time, and two CREATE TABLE IF NOT EXISTS can collide. The lock
 * prevents that. PostgreSQL runs these statements as one transaction, and the lock lasts until its end.
 */
const buildCreateStatements = ({ entries, names }: PostgresTables): string => `
SELECT pg_advisory_xact_lock(hashtext('express-portal-auth'));
CREATE TABLE IF NOT EXISTS ${entries} (
  key text COLLATE "C" PRIMARY KEY,
  app jsonb NOT NULL,
  record text,
  version bigint,
  ends_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS ${getIndexName(entries)} ON ${entries} (ends_at);
CREATE TABLE IF NOT EXISTS ${names} (
  list text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  ends_at timestamptz NOT NULL,
  PRIMARY KEY (list, name)
);
CREATE INDEX IF NOT EXISTS ${getIndexName(names)} ON ${names} (ends_at);`;

/** An index is in the schema of its table. Its name contains no schema. */
const getIndexName = (table: string): string => (table.split(".").at(-1) ?? table).replace(/"$/, '_ends_at"');

/**
 * Creates missing tables before the first query. If that fails, the next query tries again, because the
 * database may not be up yet.
 */
export function createTablesBeforeQuery(pool: PostgresPool, tables: PostgresTables): PostgresQuery {
  let ready: Promise<void> | undefined;
  const create = async () => {
    // A user without the right to create tables can use existing ones.
    const { rows } = await pool.query(`SELECT ${buildMissingExpression(tables)} AS missing`);
    if (rows[0]?.["missing"] === "true") await pool.query(buildCreateStatements(tables));
  };
  return async function queryTables(text, values) {
    ready ??= create().catch((error) => {
      ready = undefined;
      throw error;
    });
    await ready;
    return pool.query(text, values);
  };
}
