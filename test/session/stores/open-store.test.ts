import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import session from "express-session";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { portalAuth } from "../../../lib/index.js";
import { openStore } from "../../../lib/session/stores/open-store.js";
import { promised } from "../../../lib/session/update.js";
import { describeWithPostgres, describeWithRedis } from "../../support/servers/describe.js";

/** Packages that this machine does not have. */
const missing = vi.hoisted(() => new Set<string>());
vi.mock("node:module", async (original) => {
  const real = await original<typeof import("node:module")>();
  return {
    ...real,
    createRequire: (from: string) => (name: string) =>
      real.createRequire(from)(missing.has(name) ? `${name}-that-is-not-installed` : name),
  };
});

const PASSWORD = "hunter2";

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("packages that are not installed", () => {
  const options = {
    issuer: "https://portal.example",
    clientId: "app",
    clientSecret: "secret",
    redirectUri: "https://app.example/callback",
    secret: "0123456789abcdef0123456789abcdef",
  };

  test.each([
    ["redis", "redis", "npm install redis connect-redis@9"],
    ["rediss", "connect-redis", "npm install redis connect-redis@9"],
    ["postgres", "pg", "npm install pg connect-pg-simple"],
    ["postgresql", "connect-pg-simple", "npm install pg connect-pg-simple"],
  ])("for %s: without %s the app does not start, and is told what to type", (scheme, name, line) => {
    missing.add(name);
    onTestFinished(() => missing.clear());
    const start = () => portalAuth({ ...options, store: `${scheme}://user:${PASSWORD}@127.0.0.1:1/0` });
    expect(start).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(start).toThrow(/- SESSION_STORE_URL \(option store\) needs packages that are not installed/);
    expect(start).toThrow(line);
    expect(start).not.toThrow(PASSWORD);
  });

  test("are not missed by who does not ask for them", () => {
    for (const name of ["redis", "connect-redis", "pg", "connect-pg-simple"]) missing.add(name);
    onTestFinished(() => missing.clear());
    expect(portalAuth({ ...options, store: "memory:" })).toBeTypeOf("function");
    expect(portalAuth({ ...options, store: new session.MemoryStore() })).toBeTypeOf("function");
  });

  test("are told apart from one that is broken", () => {
    const trouble = new Error("a syntax error in it");
    const load = () => {
      throw trouble;
    };
    expect(() => openStore("redis://127.0.0.1", () => {}, { load })).toThrow(trouble);
  });
});

test.each(["redis://:hunter2@127.0.0.1/not-a-number", "redis://:hunter2%zz@127.0.0.1"])(
  "an address that the client does not understand is told by its variable, without the password: %s",
  (address) => {
    const open = () => openStore(address, () => {});
    expect(open).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(open).toThrow("SESSION_STORE_URL");
    expect(open).not.toThrow(PASSWORD);
  },
);

describe("packages that are too old for it", () => {
  const client = { on() {}, once() {}, connect: async () => {}, unref() {}, get() {}, eval() {}, mGet() {} };
  const oldRedisStore = class extends session.MemoryStore {}; // its client is not where connect-redis 9 has it
  const newRedisStore = class extends session.MemoryStore {
    readonly client = client;
    readonly prefix = "";
    readonly serializer = JSON;
  };
  const redis = { createClient: () => client };
  const Pool = class {
    on() {}
  };

  test.each<[string, string, Record<string, unknown>, string]>([
    ["connect-redis 7", "redis", { redis, "connect-redis": { default: oldRedisStore } }, "connect-redis@latest"],
    ["connect-redis 8", "redis", { redis, "connect-redis": { RedisStore: oldRedisStore } }, "connect-redis@latest"],
    ["redis 4", "redis", { redis, "connect-redis": { RedisStore: newRedisStore } }, "redis@latest"],
    [
      "connect-pg-simple 7",
      "postgres",
      { pg: { Pool }, "connect-pg-simple": () => session.MemoryStore },
      "connect-pg-simple",
    ],
  ])("(%s) are told when the app starts, with what to type", (_name, scheme, packages, line) => {
    const open = () => openStore(`${scheme}://127.0.0.1:1/0`, () => {}, { load: (name) => packages[name] });
    expect(open).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(open).toThrow(line);
  });
});

/** The store of this address, once its first connection stands or has failed, which does not keep an app from starting. */
async function openFor(address: string) {
  const lines: string[] = [];
  const { store, opened, close } = openStore(address, (line) => lines.push(line));
  onTestFinished(close);
  await opened;
  return { store, lines };
}

describe.each([
  ["Redis", "redis"],
  ["PostgreSQL", "postgres"],
])("a %s that is down", (name, scheme) => {
  const told = `The session store on ${name}: ECONNREFUSED, nobody listens at that host and port. Look at SESSION_STORE_URL.`;
  const open = async () => openFor(`${scheme}://user:${PASSWORD}@127.0.0.1:${await closedPort()}/0`);

  test("is told when the app starts, and the password is not", async () => {
    const { lines } = await open();
    expect(lines).toEqual([told]);
  });

  test("fails each request at once, and the log says so no second time", async () => {
    const { store, lines } = await open();
    for (let time = 0; time < 3; time += 1)
      await expect(promised((done) => store.get("id", done))).rejects.toBeInstanceOf(Error);
    expect(lines).toEqual([told]);
  });
});

describeWithPostgres("a PostgreSQL that runs", (postgres) => {
  test("and has no such database is told when the app starts, with what that means", async () => {
    const { lines } = await openFor(postgres().url.replace(/\/postgres$/, "/nothing"));
    expect(lines).toEqual([
      "The session store on PostgreSQL: 3D000, there is no such database. Look at SESSION_STORE_URL.",
    ]);
  });

  test("is not complained of by an app that ends at once", async () => {
    const lines: string[] = [];
    const { opened, close } = openStore(postgres().url, (line) => lines.push(line));
    await close();
    await opened;
    expect(lines).toEqual([]);
  });
});

test("a Redis that has not answered yet keeps nobody waiting when the app ends", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const connected = once(silent, "connection");
  const { opened, close } = openStore(`redis://127.0.0.1:${(silent.address() as AddressInfo).port}`, () => {});
  await connected;
  let isOver = false;
  opened.then(() => {
    isOver = true;
  });
  await close();
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(true);
});

describeWithRedis("a Redis that runs", (redis) => {
  test("and does not take the password is told when the app starts, with what that means", async () => {
    const { lines } = await openFor(redis().url.replace("//", `//somebody:${PASSWORD}@`));
    expect(lines).toEqual([
      "The session store on Redis: WRONGPASS, it does not take that name and password. Look at SESSION_STORE_URL.",
    ]);
  });
});

/** A client of Redis that does nothing but remember how it was made, and what it was told. */
function fakeRedis() {
  const ping = vi.fn(async () => {});
  const destroy = vi.fn();
  const members = { connect: async () => {}, unref() {}, destroy, ping, get() {}, eval() {}, mGet() {} };
  const client = Object.assign(new EventEmitter(), members, { isOpen: true, isReady: false });
  class RedisStore extends session.MemoryStore {
    readonly client = client;
    readonly prefix = "";
    readonly serializer = JSON;
  }
  const createClient = vi.fn((_options: { socket: { reconnectStrategy(attempts: number): number } }) => client);
  const packages = { redis: { createClient }, "connect-redis": { RedisStore } };
  const lines: string[] = [];
  const load = (name: string) => packages[name as keyof typeof packages];
  const open = () => {
    const opened = openStore("redis://127.0.0.1", (line) => lines.push(line), { load });
    onTestFinished(opened.close);
    return opened;
  };
  return { client, ping, destroy, createClient, lines, open };
}

test("a Redis that is away is tried again soon, then ever later, but every two seconds at least", () => {
  const { open, createClient } = fakeRedis();
  open();
  const { reconnectStrategy } = createClient.mock.calls[0]?.[0].socket ?? {};
  const pauses = [0, 1, 2, 3, 5, 6, 100].map((attempts) => reconnectStrategy?.(attempts));
  expect(pauses).toEqual([50, 100, 200, 400, 1600, 2000, 2000]);
});

test("a request fails at once while Redis is away, and a connection on which nothing moves is dead", () => {
  const { open, createClient } = fakeRedis();
  open();
  const socket = { connectTimeout: 5000, socketTimeout: 10_000, reconnectStrategy: expect.any(Function) };
  expect(createClient).toHaveBeenCalledExactlyOnceWith({ url: "redis://127.0.0.1", disableOfflineQueue: true, socket });
});

test("an idle connection is kept from looking dead, as long as there is one and it is wanted", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { open, client, ping, destroy } = fakeRedis();
  const { close } = open();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ping).not.toHaveBeenCalled();
  client.isReady = true;
  ping.mockRejectedValueOnce(new Error("the connection was cut")); // told as an event of the client
  await vi.advanceTimersByTimeAsync(9000);
  expect(ping).toHaveBeenCalledTimes(3);
  await close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([ping.mock.calls.length, destroy.mock.calls.length]).toEqual([3, 1]);
});

test("a client that has closed already is not closed again", async () => {
  const { open, client, destroy } = fakeRedis();
  client.isOpen = false;
  await open().close();
  expect(destroy).not.toHaveBeenCalled();
});

test.each(["ready", "error"])("the first requests wait until the client says %s", async (event) => {
  const { open, client } = fakeRedis();
  let isOpened = false;
  const { opened } = open();
  opened.then(() => {
    isOpened = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOpened).toBe(false);
  client.emit(event, new Error("x"));
  await opened;
});

test("what a Redis client says again and again is told once a minute", async () => {
  const { open, client, lines } = fakeRedis();
  open();
  for (const code of ["ECONNRESET", "ECONNREFUSED", "ETIMEDOUT"])
    client.emit("error", Object.assign(new Error(PASSWORD), { code }));
  expect(lines).toEqual(["The session store on Redis: ECONNRESET, the connection was cut. Look at SESSION_STORE_URL."]);
});
