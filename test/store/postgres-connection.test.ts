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
async function open(url: string, createsTables?: boolean) {
  const lines: string[] = [];
  const opened = openPostgres(url, {
    warn: (line) => lines.push(line),
    load,
    ...(createsTables !== undefined && { shouldCreateTables: createsTables }),
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

test("a server that is down is reported once, without the password, and every call fails", async () => {
  const { store, lines } = await open(`postgres://user:${PASSWORD}@127.0.0.1:${await freePort()}/db`);
  for (let time = 0; time < 3; time += 1)
    await expect(store.read("a")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  expect(lines).toEqual([
    "The session store on PostgreSQL: ECONNREFUSED, no server listens at that host and port. Check SESSION_STORE_URL.",
  ]);
});

describeWithPostgres("a PostgreSQL that runs", (postgres) => {
  /** A database of its own for this test, and a client as its superuser. */
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

  test("has the tables as soon as the store is opened", async () => {
    const { url } = await createDatabase();
    const {
      store,
      lines,
      findMissingTables: lacks,
      findDurabilityRisks: durability,
      getConnectionError: trouble,
    } = await open(url);
    expect([await lacks(), await durability(), trouble(), lines]).toEqual([undefined, [], undefined, []]);
    expect(await store.create("a", "text", HOUR_MS)).toBe(true);
  });

  test("has no such database, which is reported with its meaning", async () => {
    const { lines } = await open(postgres().url.replace(/\/postgres$/, "/nothing"));
    expect(lines).toEqual([
      "The session store on PostgreSQL: 3D000, there is no database of that name. Check SESSION_STORE_URL.",
    ]);
  });

  test("gets no tables from a doctor, who says what is missing, and whether the application creates it", async () => {
    const { name, url, client } = await createDatabase();
    const found = "the table portal_session or portal_session_index is missing";
    const { findMissingTables: lacks, lines } = await open(url, false);
    expect(await lacks()).toEqual({ found, isMade: true });
    await client.query(`CREATE ROLE ${name} LOGIN`);
    await client.query("REVOKE CREATE ON SCHEMA public FROM public");
    const visitor = await open(url.replace("postgres@", `${name}@`), false);
    expect(await visitor.findMissingTables()).toEqual({ found, isMade: false });
    expect([...lines, ...visitor.lines]).toEqual([]);
    expect((await client.query("SELECT * FROM pg_tables WHERE schemaname = 'public'")).rows).toEqual([]);
  });

  test("has tables that a crash would empty, which is a trouble", async () => {
    const { url, client } = await createDatabase();
    const { findDurabilityRisks: durability } = await open(url);
    await client.query("ALTER TABLE portal_session_index SET UNLOGGED");
    expect(await durability()).toEqual([
      {
        by: "restart",
        found: "the table portal_session_index is UNLOGGED",
        advice: expect.stringContaining("ALTER TABLE portal_session_index SET LOGGED"),
      },
    ]);
  });

  test("closes a connection, and a later call uses another one", async () => {
    const { url, client } = await createDatabase();
    const { store, lines } = await open(url);
    await store.create("a", "text", HOUR_MS);
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    await expect.poll(() => store.read("a").catch(() => undefined)).toMatchObject({ text: "text" });
    for (const line of lines) expect(line).toMatch(/^The session store on PostgreSQL: /);
  });

  test("is not complained about by an application that ends at once", async () => {
    const lines: string[] = [];
    const { opened, close } = openPostgres(postgres().url, { warn: (line) => lines.push(line), load });
    await close();
    await opened;
    expect(lines).toEqual([]);
  });
});
