import { createRequire } from "node:module";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { openPostgres } from "../../lib/store/postgres-connection.js";
import { describeWithPostgres } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";

const HOUR_MS = 3_600_000;
const PASSWORD = "hunter2";
const load = createRequire(import.meta.url);

/** Opens the store, and waits for the first connection or its failure. */
async function open(url: string, shouldCreateTables = true) {
  const lines: string[] = [];
  const opened = openPostgres(url, {
    warn: (line) => lines.push(line),
    load,
    shouldCreateTables,
  });
  let isClosed = false;
  const close = async () => {
    if (!isClosed) await opened.close();
    isClosed = true;
  };
  onTestFinished(close);
  await opened.opened;
  return { ...opened, lines, close };
}

test("a server that is down is reported once, without the password, and each call fails", async () => {
  const { store, lines } = await open(`postgres://user:${PASSWORD}@127.0.0.1:${await freePort()}/db`);
  for (let time = 0; time < 3; time += 1)
    await expect(store.read("a")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  expect(lines).toEqual([
    "The session store on PostgreSQL: ECONNREFUSED, no server listens at that host and port. " +
      "Check SESSION_STORE_URL.",
  ]);
});

describeWithPostgres("a connection to PostgreSQL", (postgres) => {
  /** Creates a database for this test, and connects to it as superuser. */
  async function createDatabase() {
    const name = `test_${process.hrtime.bigint()}`;
    const admin = await connect(postgres().url);
    await admin.query(`CREATE DATABASE ${name}`);
    const url = postgres().url.replace(/\/postgres$/, `/${name}`);
    return { name, url, client: await connect(url) };
  }

  async function connect(connectionString: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString });
    await client.connect();
    onTestFinished(() => client.end());
    return client;
  }

  test("creates the tables when the store is opened", async () => {
    const { url } = await createDatabase();
    const { store, lines, findMissingTables, findDurabilityRisks, getConnectionError } = await open(url);
    expect(await findMissingTables()).toBeUndefined();
    expect(await findDurabilityRisks()).toEqual([]);
    expect(getConnectionError()).toBeUndefined();
    expect(lines).toEqual([]);
    expect(await store.create("a", "text", HOUR_MS)).toBe(true);
  });

  test("a missing database is reported", async () => {
    const { lines } = await open(postgres().url.replace(/\/postgres$/, "/missing"));
    expect(lines).toEqual([
      "The session store on PostgreSQL: 3D000, the database does not exist. Check SESSION_STORE_URL.",
    ]);
  });

  test("findMissingTables() reports missing tables without creating them", async () => {
    const { name, url, client } = await createDatabase();
    const found = "the table portal_session or portal_session_index is missing";
    const { findMissingTables, lines } = await open(url, false);
    expect(await findMissingTables()).toEqual({ found, isCreatedByApp: true });
    await client.query(`CREATE ROLE ${name} LOGIN`);
    await client.query("REVOKE CREATE ON SCHEMA public FROM public");
    const restricted = await open(url.replace("postgres@", `${name}@`), false);
    expect(await restricted.findMissingTables()).toEqual({ found, isCreatedByApp: false });
    expect([...lines, ...restricted.lines]).toEqual([]);
    expect((await client.query("SELECT * FROM pg_tables WHERE schemaname = 'public'")).rows).toEqual([]);
  });

  test("findDurabilityRisks() reports a table that a crash would empty", async () => {
    const { url, client } = await createDatabase();
    const { findDurabilityRisks } = await open(url);
    await client.query("ALTER TABLE portal_session_index SET UNLOGGED");
    expect(await findDurabilityRisks()).toEqual([
      {
        by: "restart",
        found: "the table portal_session_index is UNLOGGED",
        advice: expect.stringContaining("ALTER TABLE portal_session_index SET LOGGED"),
      },
    ]);
  });

  test("after the server closes a connection, the next call uses another one", async () => {
    const { url, client } = await createDatabase();
    const { store, lines } = await open(url);
    await store.create("a", "text", HOUR_MS);
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    await expect.poll(() => store.read("a").catch(() => undefined)).toMatchObject({ text: "text" });
    for (const line of lines) expect(line).toMatch(/^The session store on PostgreSQL: /);
  });

  test("an application that closes its store at once gets no warning", async () => {
    const lines: string[] = [];
    const { opened, close } = openPostgres(postgres().url, { warn: (line) => lines.push(line), load });
    await close();
    await opened;
    expect(lines).toEqual([]);
  });
});
