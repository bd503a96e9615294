import {
  type ConnectedStore,
  createErrorReporter,
  type DurabilityRisk,
  type LoadPackage,
  type MissingTables,
} from "./connected-store.js";
import { createPostgresStore } from "./postgres-store.js";
import {
  buildMissingExpression,
  DEFAULT_TABLE,
  type PostgresPool,
  type PostgresTables,
  quoteTableNames,
} from "./postgres-tables.js";

interface ClosablePool extends PostgresPool {
  on(event: "error", listener: (error: Error) => void): void;
  end(): Promise<void>;
}

interface PgPackage {
  readonly Pool: new (options: object) => ClosablePool;
}

export interface OpenPostgresOptions {
  /** Receives problems of the connection, at most one per minute. */
  readonly warn: (message: string) => void;
  /** Loads the package `pg`. */
  readonly load: LoadPackage;
  /** Whether missing tables are created before the first query. Default true. */
  readonly shouldCreateTables?: boolean;
}

const TIMEOUT_MS = 5000;

/** Connects to PostgreSQL in the background, so an application starts even if the server is down. */
export function openPostgres(
  connectionString: string,
  { warn, load, shouldCreateTables = true }: OpenPostgresOptions,
): ConnectedStore {
  const { Pool } = load("pg") as PgPackage;
  const pool = new Pool({
    connectionString,
    allowExitOnIdle: true, // An idle connection does not keep the process alive.
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  const report = createErrorReporter("PostgreSQL", warn);
  pool.on("error", report); // Without a listener, a lost connection would end the process.
  const store = createPostgresStore(pool, { shouldCreateTables });
  const tables = quoteTableNames(DEFAULT_TABLE);
  let isClosed = false;
  return {
    store,
    // This reports a wrong URL at start-up, and not at the first login.
    opened: runFirstQuery().catch((error) => {
      if (!isClosed) report(error);
    }),
    findDurabilityRisks: () => findDurabilityRisks(pool, tables),
    getConnectionError: () => undefined,
    findMissingTables: () => findMissingTables(pool, tables),
    async close() {
      isClosed = true;
      await pool.end();
    },
  };

  async function runFirstQuery(): Promise<void> {
    if (shouldCreateTables) await store.read("");
    else await pool.query("SELECT 1");
  }
}

async function findMissingTables(
  pool: PostgresPool,
  tables: PostgresTables,
): Promise<MissingTables | undefined> {
  const { rows } = await pool.query(
    `SELECT ${buildMissingExpression(tables)} AS missing,
      has_schema_privilege(current_schema(), 'CREATE') AS can_create`,
  );
  const [{ missing, can_create } = {}] = rows;
  if (missing !== "true") return undefined;
  return {
    found: `the table ${DEFAULT_TABLE} or ${DEFAULT_TABLE}_index is missing`,
    isCreatedByApp: can_create === true,
  };
}

async function findDurabilityRisks(
  pool: PostgresPool,
  { entries, names }: PostgresTables,
): Promise<readonly DurabilityRisk[]> {
  const { rows } = await pool.query(
    `SELECT oid::regclass::text AS name FROM pg_class
     WHERE relpersistence = 'u' AND oid IN (to_regclass('${entries}'), to_regclass('${names}'))`,
  );
  return rows.map(({ name }) => ({
    by: "restart",
    found: `the table ${name} is UNLOGGED`,
    advice: `a crash of the server signs all users out. Run ALTER TABLE ${name} SET LOGGED`,
  }));
}
