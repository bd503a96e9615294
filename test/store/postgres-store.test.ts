import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createPostgresStore } from "../../lib/store/postgres-store.js";
import { advanceDate, freezeDate } from "../support/fake-time.js";
import { describeWithPgbouncer, describeWithPostgres } from "../support/servers/describe.js";
import { describeEntryStore } from "./record-store.contract.js";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** The id of the type `text` in PostgreSQL. */
const TEXT_TYPE = 25;

/** Creates a pool for this test. */
function createPool(connectionString: string, options: object = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString, ...options });
  onTestFinished(() => pool.end());
  return pool;
}

/** Creates a store in tables that no other test uses. */
async function startStore(url: string, options: object = {}) {
  const pool = createPool(url, options);
  const table = `test_${process.hrtime.bigint()}`;
  const store = createPostgresStore(pool, { table });
  await store.read("the first statement creates the tables");
  return { pool, table, store };
}

function describeContract(name: string, url: () => string, options: object = {}): void {
  describeEntryStore(name, () => {
    const pool = new pg.Pool({ connectionString: url(), ...options });
    const otherPool = new pg.Pool({ connectionString: url(), ...options });
    return {
      store: createPostgresStore(pool),
      other: createPostgresStore(otherPool),
      async close() {
        await pool.end();
        await otherPool.end();
      },
    };
  });
}

describeWithPostgres("PostgreSQL", (postgres) => {
  describeContract("by default", () => postgres().url);
  describeContract("with serializable transactions", () => postgres().url, {
    options: "-c default_transaction_isolation=serializable",
  });

  describe("tables", () => {
    test("are created once if ten processes start at the same time", async () => {
      const { table } = await startStore(postgres().url);
      const stores = Array.from({ length: 10 }, () =>
        createPostgresStore(createPool(postgres().url), { table: `${table}_shared` }),
      );
      const created = await Promise.all(stores.map((store) => store.create("a", "text", HOUR_MS)));
      expect(created.filter(Boolean)).toHaveLength(1);
    });

    test("can be used by a database user that may not create tables", async () => {
      const { pool, table } = await startStore(postgres().url);
      await pool.query(`CREATE ROLE ${table} LOGIN`);
      await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table}, ${table}_index TO ${table}`);
      const restrictedPool = createPool(postgres().url.replace("postgres@", `${table}@`));
      expect(await createPostgresStore(restrictedPool, { table }).create("a", "text", HOUR_MS)).toBe(true);
      const withoutTables = createPostgresStore(restrictedPool, { table: `${table}_missing` });
      await expect(withoutTables.read("a")).rejects.toMatchObject({ code: "42501" });
    });

    test("are created by a later statement if the first one fails", async () => {
      const pool = createPool(postgres().url);
      const query = vi.spyOn(pool, "query").mockRejectedValueOnce(new Error("not up yet"));
      const store = createPostgresStore(pool, { table: `test_${process.hrtime.bigint()}` });
      await expect(store.read("a")).rejects.toThrow("not up yet");
      expect(query).toHaveBeenCalledOnce();
      expect(await store.create("a", "text", HOUR_MS)).toBe(true);
    });

    test("are not created with shouldCreateTables: false", async () => {
      const table = `test_${process.hrtime.bigint()}`;
      const store = createPostgresStore(createPool(postgres().url), { table, shouldCreateTables: false });
      await expect(store.read("a")).rejects.toMatchObject({ code: "42P01" });
    });

    test("can have special characters in their names, and can be in another schema", async () => {
      const pool = createPool(postgres().url);
      const schema = `schema_${process.hrtime.bigint()}`;
      await pool.query(`CREATE SCHEMA ${schema}`);
      const store = createPostgresStore(pool, { table: `${schema}.Sessions of "us" and 'them'` });
      expect(await store.create("a", "text", HOUR_MS)).toBe(true);
      const { rows } = await pool.query("SELECT tablename FROM pg_tables WHERE schemaname = $1", [schema]);
      const name = `Sessions of "us" and 'them'`;
      expect(rows.map(({ tablename }) => tablename).sort()).toEqual([name, `${name}_index`]);
    });
  });

  test("each method is one statement", async () => {
    const { pool, store } = await startStore(postgres().url);
    await store.create("the first write starts a sweep", "text", HOUR_MS);
    const query = vi.spyOn(pool, "query");
    const calls: (() => Promise<unknown>)[] = [
      () => store.createEntry("a", { cart: "1" }, "login", HOUR_MS),
      () => store.readEntry("a"),
      () => store.updateEntry("a", { cart: "2" }, ["gone"], HOUR_MS),
      () => store.create("b", "text", HOUR_MS),
      () => store.read("b"),
      () => store.replace("b", 1, "next", HOUR_MS),
      () => store.touch("b", HOUR_MS),
      () => store.remove("b"),
      () => store.index.add("list", "name", HOUR_MS),
      () => store.index.list("list"),
      () => store.index.remove("list", ["name"]),
    ];
    for (const call of calls) {
      query.mockClear();
      await call();
      expect(query).toHaveBeenCalledOnce();
    }
  });

  test("entries and names expire by the server's clock", async () => {
    freezeDate();
    const { pool, table, store } = await startStore(postgres().url);
    await store.createEntry("a", { cart: "1" }, "login", HOUR_MS);
    await store.index.add("list", "a", HOUR_MS);
    advanceDate(10 * HOUR_MS);
    expect(await store.readEntry("a")).toMatchObject({ record: { text: "login" } });
    await store.updateEntry("a", { cart: "2" }, [], HOUR_MS);
    await store.replace("a", 1, "refreshed", HOUR_MS);
    const { rows } =
      await pool.query(`SELECT ends_at BETWEEN now() + interval '59 minutes' AND now() + interval '1 hour'
      AS is_right FROM (SELECT ends_at FROM ${table} UNION SELECT ends_at FROM ${table}_index) AS ends`);
    expect(rows.map(({ is_right }) => is_right)).toEqual([true, true]);
    await pool.query(`UPDATE ${table} SET ends_at = now()`);
    await pool.query(`UPDATE ${table}_index SET ends_at = now()`);
    expect(await store.readEntry("a")).toBeUndefined();
    expect(await store.index.list("list")).toEqual([]);
  });

  test("a write does not restore an entry that expires while the write waits for a lock", async () => {
    const { pool, table, store } = await startStore(postgres().url);
    for (const key of ["replaced", "touched", "updated", "removed"])
      await store.createEntry(key, {}, "login", HOUR_MS);
    const holder = await pool.connect();
    onTestFinished(() => holder.release());
    await holder.query("BEGIN");
    await holder.query(`SELECT FROM ${table} FOR UPDATE`);
    const writes = Promise.all([
      store.replace("replaced", 1, "late", HOUR_MS),
      store.touch("touched", HOUR_MS),
      store.updateEntry("updated", { cart: "late" }, [], HOUR_MS),
      store.remove("removed"),
    ]);
    await vi.waitFor(async () => expect(await countWaiting(pool)).toBe(4));
    // This is after the start of the writes.
    await holder.query(`UPDATE ${table} SET ends_at = clock_timestamp()`);
    await holder.query("COMMIT");
    expect(await writes).toEqual([false, false, false, undefined]);
  });

  test("a new record under the key of an expired entry has no data of it", async () => {
    const { pool, table, store } = await startStore(postgres().url);
    await store.createEntry("with", { cart: "1" }, "login", HOUR_MS);
    await store.createEntry("without", { cart: "1" }, undefined, HOUR_MS);
    await pool.query(`UPDATE ${table} SET ends_at = now()`);
    for (const key of ["with", "without"]) {
      expect(await store.create(key, "next", HOUR_MS)).toBe(true);
      const entry = await store.readEntry(key);
      expect([entry?.app, entry?.record]).toEqual([{}, { text: "next", version: 1 }]);
    }
  });

  test("a locked row blocks no other row, and is written when the lock is released", async () => {
    const { pool, table, store } = await startStore(postgres().url);
    await store.createEntry("locked", { cart: "1" }, "login", HOUR_MS);
    await store.createEntry("free", { cart: "1" }, "login", HOUR_MS);
    const holder = await pool.connect();
    onTestFinished(() => holder.release());
    await holder.query("BEGIN");
    await holder.query(`SELECT FROM ${table} WHERE key = 'locked' FOR UPDATE`);
    const write = store.replace("locked", 1, "refreshed");
    await vi.waitFor(async () => expect(await countWaiting(pool)).toBe(1));
    expect(await store.readEntry("locked")).toMatchObject({ record: { text: "login", version: 1 } });
    expect(await store.replace("free", 1, "refreshed")).toBe(true);
    await holder.query("COMMIT");
    expect(await write).toBe(true);
    expect(await store.readEntry("locked")).toMatchObject({ record: { text: "refreshed", version: 2 } });
  });

  test("a statement is repeated after a rollback, but not after another error", async () => {
    const { pool, store } = await startStore(postgres().url);
    await store.create("a", "text", HOUR_MS);
    const query = vi.spyOn(pool, "query");
    for (const code of ["40001", "40P01"]) {
      query.mockClear();
      query.mockRejectedValueOnce(Object.assign(new Error("rolled back"), { code }));
      expect(await store.touch("a", HOUR_MS)).toBe(true);
      expect(query).toHaveBeenCalledTimes(2);
    }
    query.mockClear();
    query.mockRejectedValue(Object.assign(new Error("no such table"), { code: "42P01" }));
    await expect(store.touch("a", HOUR_MS)).rejects.toThrow("no such table");
    expect(query).toHaveBeenCalledOnce();
    query.mockClear();
    query.mockRejectedValue(Object.assign(new Error("rolled back"), { code: "40001" }));
    await expect(store.touch("a", HOUR_MS)).rejects.toThrow("rolled back");
    expect(query).toHaveBeenCalledTimes(50);
  });

  test("names of session keys may contain any character", async () => {
    const { store } = await startStore(postgres().url);
    const app = { "\0": "1", "\ud800": "2", "\\u0000": "3", "\\": "4" };
    await store.createEntry("a", { ...app, kept: "5" }, undefined, HOUR_MS);
    expect((await store.readEntry("a"))?.app).toEqual({ ...app, kept: "5" });
    await store.updateEntry("a", {}, Object.keys(app), undefined);
    expect((await store.readEntry("a"))?.app).toEqual({ kept: "5" });
  });

  test("entries do not depend on the type parsers of pg", async () => {
    const { store } = await startStore(postgres().url, {
      types: {
        getTypeParser: (type: number) => (text: string) => (type === TEXT_TYPE ? text : `parsed ${text}`),
      },
    });
    await store.createEntry("a", { cart: "1" }, "login", HOUR_MS);
    expect(await store.readEntry("a")).toMatchObject({ record: { version: 1 } });
  });

  describe("expired rows", () => {
    const listRows = async (pool: pg.Pool, table: string) => {
      const { rows } = await pool.query(`SELECT key FROM ${table} UNION ALL SELECT name FROM ${table}_index`);
      return rows.map(({ key }) => key).sort();
    };

    test("are deleted by the first write, and again by the first write after a minute", async () => {
      let now = performance.now();
      vi.spyOn(performance, "now").mockImplementation(() => now);
      const { pool, table, store } = await startStore(postgres().url);
      await pool.query(
        `INSERT INTO ${table} (key, app, ends_at) VALUES ('old', '{}', now()), ('now', '{}', 'infinity')`,
      );
      await pool.query(
        `INSERT INTO ${table}_index VALUES ('list', 'old name', now()), ('list', 'name', 'infinity')`,
      );
      await store.create("a", "text", HOUR_MS);
      await vi.waitFor(async () => expect(await listRows(pool, table)).toEqual(["a", "name", "now"]));
      const query = vi.spyOn(pool, "query");
      now += MINUTE_MS - 1;
      await store.touch("a", HOUR_MS);
      expect(query).toHaveBeenCalledOnce();
      await pool.query(`UPDATE ${table} SET ends_at = now() WHERE key = 'now'`);
      now += 1;
      await store.touch("a", HOUR_MS);
      await vi.waitFor(async () => expect(await listRows(pool, table)).toEqual(["a", "name"]));
    });

    test("are deleted by the next writes, at most a thousand per write", async () => {
      const { pool, table, store } = await startStore(postgres().url);
      await pool.query(
        `INSERT INTO ${table} (key, app, ends_at) SELECT n, '{}', now() FROM generate_series(1, 2500) AS n`,
      );
      await vi.waitFor(async () => {
        await store.touch("a", HOUR_MS);
        expect(await listRows(pool, table)).toEqual([]);
      });
    });

    test("are skipped while they are locked, and a failed deletion does not fail the write", async () => {
      const { pool, table, store } = await startStore(postgres().url);
      await pool.query(
        `INSERT INTO ${table} (key, app, ends_at) VALUES ('held', '{}', now()), ('old', '{}', now())`,
      );
      const holder = await pool.connect();
      onTestFinished(() => holder.release());
      await holder.query("BEGIN");
      await holder.query(`SELECT FROM ${table} WHERE key = 'held' FOR UPDATE`);
      await store.create("a", "text", HOUR_MS);
      await vi.waitFor(async () => expect(await listRows(pool, table)).toEqual(["a", "held"]));
      await holder.query("ROLLBACK");
      const failing = createPostgresStore(pool, { table, shouldCreateTables: false });
      vi.spyOn(pool, "query").mockRejectedValueOnce(new Error("the sweep failed"));
      expect(await failing.create("b", "text", HOUR_MS)).toBe(true);
    });
  });
});

describeWithPgbouncer("PostgreSQL behind pgbouncer", (pgbouncer) => {
  describeContract("in transaction mode", () => pgbouncer().url);
});

/** Returns the number of statements that wait for a lock. */
async function countWaiting(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE wait_event_type = 'Lock' AND datname = current_database()`,
  );
  return rows[0]?.["count"] as number;
}
