import { EventEmitter } from "node:events";
import { createServer } from "node:net";
import session from "express-session";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { portalAuth } from "../../../lib/index.js";
import { openStore } from "../../../lib/session/stores/open-store.js";
import { promised } from "../../../lib/session/update.js";

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
    expect(() => openStore("redis://127.0.0.1", () => {}, load)).toThrow(trouble);
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

describe.each([
  ["Redis", "redis", ["The session store on Redis: ECONNREFUSED. Look at SESSION_STORE_URL."]],
  ["PostgreSQL", "postgres", []], // asked by requests alone, whose own failure says it
])("a %s that is down", (_name, scheme, told) => {
  const open = async () => {
    const lines: string[] = [];
    const address = `${scheme}://user:${PASSWORD}@127.0.0.1:${await closedPort()}/0`;
    const { store, opened, close } = openStore(address, (line) => lines.push(line));
    onTestFinished(close);
    await opened; // and does not fail: the app starts
    return { store, lines };
  };

  test("fails each request at once, and the log says so once, without the password", async () => {
    const { store, lines } = await open();
    for (let time = 0; time < 3; time += 1)
      await expect(promised((done) => store.get("id", done))).rejects.toBeInstanceOf(Error);
    expect(lines).toEqual(told);
  });
});

test("what a Redis client says again and again is told once a minute", async () => {
  const client = Object.assign(new EventEmitter(), { connect: async () => {}, unref() {}, destroy() {} });
  const packages = { redis: { createClient: () => client }, "connect-redis": { RedisStore: session.MemoryStore } };
  const lines: string[] = [];
  const load = (name: string) => packages[name as keyof typeof packages];
  const { close } = openStore("redis://127.0.0.1", (line) => lines.push(line), load);
  onTestFinished(close);
  for (const code of ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT"])
    client.emit("error", Object.assign(new Error(PASSWORD), { code }));
  expect(lines).toEqual(["The session store on Redis: ECONNREFUSED. Look at SESSION_STORE_URL."]);
});
