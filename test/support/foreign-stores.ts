import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConnectSessionKnexStore } from "connect-session-knex";
import session, { type Store } from "express-session";
import createKnex from "knex";
import BetterSqlite3 from "knex/lib/dialects/better-sqlite3/index.js";
import memoryStore from "memorystore";
import sqlite from "node-sqlite3-wasm";
import sessionFileStore from "session-file-store";

export interface ForeignStore {
  readonly store: Store;
  close(): Promise<unknown>;
}

/**
 * Session stores that applications bring along, by the names of their packages. Each call opens an empty
 * store.
 */
export const foreignStores: Readonly<Record<string, () => Promise<ForeignStore>>> = {
  "express-session's MemoryStore": async () => ({ store: new session.MemoryStore(), close: async () => {} }),
  memorystore: async () => ({ store: new (memoryStore(session))({}), close: async () => {} }),
  "session-file-store": openFileStore,
  "connect-session-knex on SQLite": openKnexStore,
};

async function openFileStore(): Promise<ForeignStore> {
  const path = await mkdtemp(join(tmpdir(), "portal-auth-sessions-"));
  // Without `retries` it reads a missing file six times.
  const store = new (sessionFileStore(session))({ path, retries: 0, reapInterval: -1, logFn() {} });
  return { store, close: () => rm(path, { recursive: true, force: true }) };
}

async function openKnexStore(): Promise<ForeignStore> {
  const knex = createKnex({
    client: SqliteClient as never,
    connection: { filename: ":memory:" },
    pool: { min: 1, max: 1 }, // each connection would have a database of its own
    useNullAsDefault: true,
  });
  return { store: new ConnectSessionKnexStore({ knex, cleanupInterval: 0 }), close: () => knex.destroy() };
}

/** Lets knex use SQLite in WebAssembly, which needs no compiler, in place of better-sqlite3. */
class SqliteClient extends BetterSqlite3 {
  override _driver(): unknown {
    return SqliteConnection;
  }
}

class SqliteConnection {
  readonly #database: sqlite.Database;

  constructor(path: string) {
    this.#database = new sqlite.Database(path);
  }

  prepare(sql: string) {
    return {
      reader: /^\s*(select|pragma)/i.test(sql),
      all: (values: sqlite.JSValue[]) => this.#database.all(sql, values),
      run: (values: sqlite.JSValue[]) => this.#database.run(sql, values),
    };
  }

  close(): void {
    this.#database.close();
  }
}
