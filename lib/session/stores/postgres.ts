import session, { type Store } from "express-session";
import type { Trouble } from "./durability.js";
import { type Lack, type Load, type OpenStore, storeRefused, troubleWith } from "./opened.js";
import { isPostgresStore } from "./postgres-update.js";

interface Pool {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  on(event: "error", listener: (error: Error) => void): void;
  end(): Promise<void>;
}

interface Packages {
  pg: { Pool: new (options: object) => Pool };
  "connect-pg-simple": (of: typeof session) => new (options: object) => Store & { close(): Promise<void> };
}

const TIMEOUT_MS = 5000;

export function openPostgres(
  connectionString: string,
  warn: (message: string) => void,
  load: Load,
  makesTable = true,
): OpenStore {
  const { Pool } = load("pg") as Packages["pg"];
  const PostgresStore = (load("connect-pg-simple") as Packages["connect-pg-simple"])(session);
  const pool = new Pool({
    connectionString,
    allowExitOnIdle: true, // a process that has nothing else to do may end
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  const fail = troubleWith("PostgreSQL", warn);
  pool.on("error", fail); // without a listener a lost connection would end the process
  const withSessions = makesTable ? withTable(pool) : pool;
  const store = new PostgresStore({ pool: withSessions, errorLog: (_text: string, error: Error) => fail(error) });
  if (!isPostgresStore(store)) throw storeRefused("needs connect-pg-simple 9 or newer: npm install connect-pg-simple");
  let isClosed = false;
  const tell = (error: Error) => {
    if (!isClosed) fail(error);
  };
  return {
    store,
    // what is wrong with the address is told when the app starts, and not to the first person who signs in
    opened: withSessions.query("SELECT 1").then(() => {}, tell),
    durability: () => durabilityOf(withSessions),
    trouble: () => undefined,
    lacks: () => lacksTable(pool),
    async close() {
      isClosed = true;
      await store.close();
      await pool.end();
    },
  };
}

async function lacksTable(pool: Pick<Pool, "query">): Promise<Lack | undefined> {
  const { rows } = await pool.query(
    `SELECT to_regclass('"session"') IS NULL AS lacks, has_schema_privilege(current_schema(), 'CREATE') AS may`,
  );
  const [{ lacks, may } = {}] = rows;
  if (lacks !== true) return undefined;
  return { found: "the table session is missing", isMade: may === true };
}

async function durabilityOf(sessions: Pick<Pool, "query">): Promise<Trouble[]> {
  const { rows } = await sessions.query(`SELECT relpersistence FROM pg_class WHERE oid = to_regclass('"session"')`);
  if (rows[0]?.["relpersistence"] !== "u") return [];
  const advice = 'everybody is signed out when the server crashes: ALTER TABLE "session" SET LOGGED';
  return [{ found: "the table session is UNLOGGED", advice }];
}

/** As connect-pg-simple has it, `if not exists`: several processes start at the same moment. */
const CREATE_TABLE = `
SELECT pg_advisory_xact_lock(hashtext('express-portal-auth: session table'));
CREATE TABLE IF NOT EXISTS "session" (
  "sid" varchar NOT NULL COLLATE "default" PRIMARY KEY,
  "sess" json NOT NULL,
  "expire" timestamp(6) NOT NULL
);
CREATE INDEX IF NOT EXISTS "IDX_session_expire" ON "session" ("expire");`;

/**
 * Sees to the table before the first query. connect-pg-simple would do so too, but remembers a failure for ever: two
 * processes that start together, or a database that is not up yet, would leave one of them without sessions.
 */
function withTable(pool: Pool): Pick<Pool, "query"> {
  let ready: Promise<void> | undefined;
  const create = async () => {
    // looked at first: who may not create tables may use one that is there
    const { rows } = await pool.query(`SELECT to_regclass('"session"') IS NOT NULL AS exists`);
    if (rows[0]?.["exists"] !== true) await pool.query(CREATE_TABLE);
  };
  return {
    async query(text, values) {
      ready ??= create().catch((error) => {
        ready = undefined;
        throw error;
      });
      await ready;
      return pool.query(text, values);
    },
  };
}
