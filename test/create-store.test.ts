import session from "express-session";
import { Redis } from "ioredis";
import pg from "pg";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createStore } from "../lib/create-store.js";
import { createMemoryStore } from "../lib/store/memory-store.js";
import { PortalSessionStore } from "../lib/store/portal-session-store.js";
import type { StoreInput } from "../lib/store/store-option.js";
import { callAsync, getKeys, put, startSessionApp } from "./store/session-app.js";
import { createMinimalRecords } from "./support/minimal-records.js";
import { describeWithPostgres, describeWithRedis } from "./support/servers/describe.js";

/** Creates the store and closes its connection at the end of the test. */
type Make = () => Promise<StoreInput>;

/** Tests over HTTP, with the real servers. */
function describeSessions(name: string, make: Make): void {
  describe(`sessions in ${name}`, () => {
    async function start() {
      const store = createStore(await make());
      onTestFinished(() => store.close());
      const app = startSessionApp({ store, cookie: { maxAge: 60_000 } });
      await app.visit(put({ old: 1, kept: { deep: ["ü\u0000", null] } }));
      return app;
    }

    test("are loaded as they were saved", async () => {
      const { visit } = await start();
      const { body } = await visit((req) => req.session);
      expect(body).toMatchObject({ old: 1, kept: { deep: ["ü\u0000", null] } });
      expect(body.cookie.originalMaxAge).toBeCloseTo(60_000, -2);
    });

    test("lose no change of simultaneous requests", async () => {
      const { visit, startVisit } = await start();
      const slow = await Promise.all([1, 2, 3, 4, 5].map((n) => startVisit(put({ [`key ${n}`]: n }))));
      const removing = await startVisit((req) => void delete getKeys(req)["old"]);
      await Promise.all([...slow, removing].map(({ finish }) => finish()));
      const { body } = await visit((req) => Object.keys(req.session).sort());
      expect(body).toEqual(["cookie", "kept", "key 1", "key 2", "key 3", "key 4", "key 5"]);
    });

    test("stay destroyed if a slow request saves them again", async () => {
      const { visit, startVisit } = await start();
      const slow = await startVisit(put({ late: 1 }));
      const { body } = await visit(async (req) => {
        const id = req.sessionID;
        await callAsync((done) => req.session.destroy(done));
        return { id };
      });
      expect((await slow.finish()).status).toBe(200);
      const found = await visit((req) => callAsync((done) => req.sessionStore.get(body.id, done)));
      expect(found.body).toEqual({});
    });

    test("expire later after each use, by the store's clock", async () => {
      const { visit } = await start();
      await visit((req) => {
        req.session.cookie.maxAge = 120_000;
      });
      const { body } = await visit((req) => ({ maxAge: req.session.cookie.maxAge }));
      expect(body.maxAge).toBeGreaterThan(110_000);
    });
  });
}

const ending = <T>(connection: T, end: (connection: T) => unknown): T => {
  onTestFinished(async () => void (await end(connection)));
  return connection;
};

describeSessions("memory", async () => "memory:");
describeSessions("an adapter", async () => createMinimalRecords());
describeSessions("an entry store", async () => createMemoryStore());
describeSessions("another store of ours", async () => createStore("memory:"));

describeWithRedis("Redis", (redis) => {
  describeSessions("an address", async () => redis().url);
  describeSessions("a client of redis", async () =>
    ending(await createClient({ url: redis().url }).connect(), (client) => client.destroy()),
  );
  describeSessions("a client of ioredis", async () =>
    ending(new Redis(redis().url), (client) => client.disconnect()),
  );
});

describeWithPostgres("PostgreSQL", (postgres) => {
  describeSessions("an address", async () => postgres().url);
  describeSessions("a pool of pg", async () =>
    ending(new pg.Pool({ connectionString: postgres().url }), (pool) => pool.end()),
  );
});

describe("an invalid argument", () => {
  const NOTHING: [string, unknown][] = [
    ["nothing", undefined],
    ["null", null],
    ["the URL of another database", "mysql://localhost"],
    ["a URL with a password that is not encoded", "redis://user:p/w@localhost"],
    ["a number", 7],
    ["an object", {}],
    ["a store of express-session", new session.MemoryStore()],
    ["a client of pg, which does not connect again", new pg.Client()],
  ];

  test.each(NOTHING)("is rejected at once: %s", (_name, given) => {
    const refused = expect(() => createStore(given as StoreInput));
    refused.toThrow(expect.objectContaining({ code: "options_invalid" }));
    refused.toThrow(/redis:\/\/…|a client of redis/);
  });

  test("is reported as undefined if the environment variable is not set", () => {
    const address: string | undefined = undefined; // the type of a variable in process.env
    expect(() => createStore(address)).toThrow(
      /createStore\(\): got undefined: is the environment variable set\?/,
    );
    expect(() => createStore("mysql://localhost")).toThrow(/createStore\(\): pass memory:/);
  });

  test("is rejected with the names of the methods that are missing in an adapter", () => {
    const { touch, ...adapter } = createMinimalRecords();
    expect(() => createStore(adapter as StoreInput)).toThrow(
      "createStore(): the argument is an adapter without touch",
    );
  });

  test("is rejected without its password in the message", () => {
    expect(() => createStore("redis://user:pass#word@localhost")).toThrow(
      expect.not.stringContaining("word"),
    );
  });
});

test("close() leaves the application's own connection open", async () => {
  const pool = ending({ ...fakePool(), end: vi.fn() }, () => {});
  await createStore(pool).close();
  expect(pool.end).not.toHaveBeenCalled();
});

test("problems of the connection go to the logger", async () => {
  const logger = { warn: vi.fn(), error: vi.fn() };
  const store = createStore("postgres://user:pass-word@127.0.0.1:1/app", { logger });
  onTestFinished(() => store.close());
  await expect(callAsync((done) => store.get("a", done))).rejects.toMatchObject({
    code: "session_store_failed",
  });
  expect(logger.warn.mock.calls.flat().join()).toMatch(/ECONNREFUSED/);
  expect(logger.warn.mock.calls.flat().join()).not.toContain("pass-word");
});

test("the store works for express-session and for portalAuth()", () => {
  const store = createStore("memory:");
  expect(store).toBeInstanceOf(session.Store);
  expect(PortalSessionStore.isOurs(store)).toBe(true);
});

const fakePool = () => ({ query: vi.fn(), connect: vi.fn(), totalCount: 0 });
