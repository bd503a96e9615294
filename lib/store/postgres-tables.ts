/** A Pool of the package pg. */
export interface PostgresPool {
  /** Runs a statement on a connection of the pool. */
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  /** Only a pool has it. A Client of pg, which does not connect again, is not accepted. */
  readonly totalCount: number;
}

/** What PostgreSQL has answered. */
export interface PostgresResult {
  /** The rows, each an object with a member for each column. */
  readonly rows: Readonly<Record<string, unknown>>[];
  /** How many rows the statement has returned or changed. */
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

/** @param table the name of the table for records; `schema.name` for another schema than the default one */
export function quoteTableNames(table: string): PostgresTables {
  const quoted = (name: string) =>
    name
      .split(".")
      .map((part) => `"${part.replaceAll('"', '""')}"`)
      .join(".");
  return { entries: quoted(table), names: quoted(`${table}_index`) };
}

const quoteLiteral = (name: string): string => `'${name.replaceAll("'", "''")}'`;

/**
 * An SQL expression for "true" if a table is missing. A text, because an application may have changed how
 * pg parses others.
 */
export const buildMissingExpression = ({ entries, names }: PostgresTables): string =>
  `(to_regclass(${quoteLiteral(entries)}) IS NULL OR to_regclass(${quoteLiteral(names)}) IS NULL)::text`;

/**
 * Several processes may start at the same moment, and two CREATE TABLE IF NOT EXISTS can collide: hence the
 * lock, which lasts as long as the transaction that PostgreSQL makes of these statements.
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

/** An index lies in the schema of its table, and is named without it. */
const getIndexName = (table: string): string => (table.split(".").at(-1) ?? table).replace(/"$/, '_ends_at"');

/**
 * Creates missing tables before the first query. A failure is not remembered: the next query tries again,
 * because the database may not be up yet.
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
