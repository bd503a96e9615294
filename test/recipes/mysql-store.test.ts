import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPool, type Pool, type PoolOptions, type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { RecordStore } from "../../lib/store/record-store.js";
import { recordStoreChecks } from "../../lib/testing/index.js";
import { advanceDate } from "../support/fake-time.js";
import { describeWithMariadb } from "../support/servers/describe.js";
import { createMysqlDatabase } from "./mysql-database.js";
import { RECIPES } from "./start-recipe.js";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const { MysqlStore } = (await import(pathToFileURL(join(RECIPES, "mysql/mysql-store.mjs")).href)) as {
  MysqlStore: new (pool: Pool) => RecordStore;
};

describeWithMariadb("the adapter for MySQL", (mariadb) => {
  let url: string;
  beforeAll(async () => {
    url = await createMysqlDatabase(mariadb().url);
  });

  /** Sets variables on each connection of a pool, before anything else runs there. */
  function openPool(options: PoolOptions = {}, settings: readonly string[] = []): Pool {
    const pool = createPool({ uri: url, ...options });
    pool.pool.on("connection", (connection) => {
      for (const setting of settings) connection.query(`SET SESSION ${setting}`);
    });
    return pool;
  }

  const openForTest = (settings: readonly string[] = [], options: PoolOptions = {}): Pool => {
    const pool = openPool(options, settings);
    onTestFinished(() => pool.end());
    return pool;
  };

  describe.each<[string, PoolOptions, string[]]>([
    ["by default", {}, []],
    ["without FOUND_ROWS", { flags: ["-FOUND_ROWS"] }, []],
    ["with types as strings", { bigNumberStrings: true, supportBigNumbers: true }, []],
    ["with serializable transactions", {}, ["TRANSACTION ISOLATION LEVEL SERIALIZABLE"]],
    ["with read committed", {}, ["TRANSACTION ISOLATION LEVEL READ COMMITTED"]],
    ["with MariaDB's snapshot isolation", {}, ["innodb_snapshot_isolation = ON"]],
    [
      "with the SQL modes ANSI and NO_BACKSLASH_ESCAPES",
      {},
      ["sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'"],
    ],
  ])("%s", (_name, options, settings) => {
    const pools: Pool[] = [];
    afterAll(async () => {
      for (const pool of pools) await pool.end();
    });
    const createAdapter = () => {
      const pool = openPool(options, settings);
      pools.push(pool);
      return new MysqlStore(pool);
    };
    for (const { name, run } of recordStoreChecks(createAdapter)) test(name, run);
  });

  test("computes lifetimes with the clock of the database, in any time zone of a connection", async () => {
    const [east, west] = ["+11:00", "-11:00"].map(
      (zone) => new MysqlStore(openForTest([`time_zone = '${zone}'`])),
    );
    await east?.create("zones", "text", HOUR_MS);
    expect((await west?.read("zones"))?.lifeMs).toBeLessThanOrEqual(HOUR_MS);
    await west?.index.add("zones", "name", HOUR_MS);
    expect(await east?.index.list("zones")).toEqual(["name"]);
  });

  test("does not use the clock of the process", async () => {
    const store = new MysqlStore(openForTest());
    advanceDate(24 * HOUR_MS);
    await store.create("clock", "text", HOUR_MS);
    await store.index.add("clock", "name", HOUR_MS);
    advanceDate(-48 * HOUR_MS);
    expect((await store.read("clock"))?.lifeMs).toBeLessThanOrEqual(HOUR_MS);
    expect(await store.index.list("clock")).toEqual(["name"]);
  });

  test.each<[string, (store: RecordStore) => Promise<unknown>]>([
    ["a statement", (store) => store.touch("locked", HOUR_MS)],
    ["a transaction", (store) => store.remove("locked")],
  ])("repeats %s that another transaction has blocked", async (_case, call) => {
    const pool = openForTest(["innodb_lock_wait_timeout = 1"]);
    const store = new MysqlStore(pool);
    await store.create("locked", "text", HOUR_MS);
    const blocker = await pool.getConnection();
    onTestFinished(() => blocker.release());
    await blocker.beginTransaction();
    await blocker.query("SELECT id FROM portal_record WHERE id = 'locked' FOR UPDATE");
    const failures = vi.spyOn(Math, "random"); // it sets the pause after a failure
    const outcome = call(store);
    await vi.waitFor(() => expect(failures).toHaveBeenCalled(), 5000);
    await blocker.commit();
    expect(await outcome).toBeTruthy();
  });

  test("repeats a statement that a deadlock has rolled back", async () => {
    const pool = openForTest();
    const store = new MysqlStore(pool);
    for (const name of ["a", "b"]) await store.index.add("deadlock", name, HOUR_MS);
    const blocker = await pool.getConnection();
    onTestFinished(() => blocker.release());
    const lock = (name: string) =>
      blocker.query("SELECT name FROM portal_record_index WHERE list = 'deadlock' AND name = ? FOR UPDATE", [
        name,
      ]);
    await blocker.beginTransaction();
    // InnoDB rolls back the transaction that has changed fewer rows.
    await blocker.query(
      "INSERT INTO portal_record SELECT CONCAT('more ', seq), '', 1, NOW() FROM seq_1_to_100",
    );
    await lock("b");
    const failures = vi.spyOn(Math, "random");
    const removing = store.index.remove("deadlock", ["a", "b"]);
    await vi.waitFor(async () => {
      const [rows] = await pool.query(
        "SELECT 1 FROM information_schema.innodb_trx " +
          "WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE 'DELETE%'",
      );
      expect(rows).toHaveLength(1);
    });
    await lock("a");
    await blocker.commit();
    await removing;
    expect(failures).toHaveBeenCalled();
    expect(await store.index.list("deadlock")).toEqual([]);
  });

  test("reports an error that is not a conflict, and releases the connection", async () => {
    const pool = openForTest(["TRANSACTION READ ONLY"], { connectionLimit: 1 });
    const store = new MysqlStore(pool);
    const readOnlyError = { errno: 1792 };
    for (const version of [undefined, 1])
      await expect(store.remove("a", version)).rejects.toMatchObject(readOnlyError);
    await expect(store.create("a", "text", HOUR_MS)).rejects.toMatchObject(readOnlyError);
    expect(await store.read("a")).toBeUndefined();
  });

  test("deletes expired rows, at most once a minute", async () => {
    const pool = openForTest();
    const store = new MysqlStore(pool);
    const count = async () => {
      const [rows] = await pool.query<RowDataPacket[]>(
        "SELECT (SELECT COUNT(*) FROM portal_record WHERE id LIKE 'swept%') + COUNT(*) AS count " +
          "FROM portal_record_index WHERE list = 'swept'",
      );
      return Number(rows[0]?.["count"]);
    };
    await store.create("first write, which sweeps", "", HOUR_MS);
    const expired = (key: string) => `('${key}', 'text', 1, UTC_TIMESTAMP(6) - INTERVAL 1 SECOND)`;
    const keys = Array.from({ length: 1500 }, (_, index) => expired(`swept ${index}`));
    await pool.query(`INSERT INTO portal_record VALUES ${keys.join()}`);
    await pool.query(
      "INSERT INTO portal_record_index VALUES ('swept', 'name', UTC_TIMESTAMP(6) - INTERVAL 1 SECOND)",
    );
    await store.create("second write", "", HOUR_MS);
    expect(await count()).toBe(1501);
    const now = performance.now();
    vi.spyOn(performance, "now").mockReturnValue(now + MINUTE_MS);
    await store.index.add("third write", "name", HOUR_MS);
    await vi.waitFor(async () => expect(await count()).toBe(0));
    expect(await store.read("second write")).toBeDefined();
  });
});
