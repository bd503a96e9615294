import { EventEmitter, once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { openRedis } from "../../lib/store/redis-connection.js";
import { fakeTime } from "../support/fake-time.js";
import { serve } from "../support/serve.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";
import { redisCommand } from "../support/servers/redis-command.js";
import { describeEntryStore } from "./record-store.contract.js";

const HOUR_MS = 3_600_000;
const PASSWORD = "hunter2";
const load = createRequire(import.meta.url);

/** Opens the store, and waits for the first connection or its failure. */
async function open(url: string) {
  const lines: string[] = [];
  const opened = openRedis(url, { warn: (line) => lines.push(line), load });
  onTestFinished(opened.close);
  await opened.opened;
  return { ...opened, lines };
}

test("a server that is down is reported once, without the password, and every call fails at once", async () => {
  const {
    store,
    lines,
    getConnectionError: trouble,
  } = await open(`redis://user:${PASSWORD}@127.0.0.1:${await freePort()}/0`);
  for (let time = 0; time < 3; time += 1) await expect(store.read("a")).rejects.toBeInstanceOf(Error);
  expect(trouble()).toBe("ECONNREFUSED, no server listens at that host and port");
  expect(lines).toEqual([`The session store on Redis: ${trouble()}. Check SESSION_STORE_URL.`]);
});

test("a server that does not answer keeps nobody waiting after the store was closed", async () => {
  const silent = createServer();
  const { port } = new URL(await serve(silent));
  const connected = once(silent, "connection");
  const { opened, close } = openRedis(`redis://127.0.0.1:${port}`, { warn: () => {}, load });
  await connected;
  await close();
  const later = new Promise((resolve) => setImmediate(resolve, "later"));
  expect(await Promise.race([opened, later])).toBeUndefined();
});

test.each([`redis://:${PASSWORD}@127.0.0.1/not-a-number`, `redis://:${PASSWORD}%zz@127.0.0.1`])(
  "an invalid address is reported by its setting, without the password: %s",
  (address) => {
    const openIt = () => openRedis(address, { warn: () => {}, load });
    expect(openIt).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(openIt).toThrow("SESSION_STORE_URL");
    expect(openIt).not.toThrow(PASSWORD);
  },
);

test("a package that is too old is reported at start-up, with the command that helps", () => {
  const version4 = { on() {}, connect: async () => {}, unref() {}, evalSha() {}, eval() {} };
  const openIt = () =>
    openRedis("redis://127.0.0.1:1", { warn: () => {}, load: () => ({ createClient: () => version4 }) });
  expect(openIt).toThrow(expect.objectContaining({ code: "options_invalid" }));
  expect(openIt).toThrow("npm install redis@latest");
});

describeWithRedis("a Redis that runs", (redis) => {
  const config = (name: string, value: string) => redisCommand(redis().port, "CONFIG", "SET", name, value);

  describeEntryStore("an opened store", async () => {
    const { store, opened, close } = openRedis(redis().url, { warn: () => {}, load });
    await opened;
    return { store, close };
  });

  test("refuses the password, which is reported with its meaning", async () => {
    const { lines, getConnectionError: trouble } = await open(
      redis().url.replace("//", `//somebody:${PASSWORD}@`),
    );
    expect(lines).toEqual([
      "The session store on Redis: WRONGPASS, it does not accept that name and password. Check SESSION_STORE_URL.",
    ]);
    expect(trouble()).toContain("WRONGPASS");
  });

  test("has everything that the store needs", async () => {
    const { findMissingTables: lacks, getConnectionError: trouble, lines } = await open(redis().url);
    expect([await lacks(), trouble(), lines]).toEqual([undefined, undefined, []]);
  });

  test("writes nothing to disk, which is a trouble, unless it saves or appends", async () => {
    const { findDurabilityRisks: durability } = await open(redis().url);
    const nothing = {
      by: "restart",
      found: "Redis writes nothing to disk",
      advice: expect.stringContaining("appendonly"),
    };
    expect(await durability()).toEqual([nothing]);
    await config("save", "3600 1");
    expect(await durability()).toEqual([]);
    await config("save", "");
    await config("appendonly", "yes");
    expect(await durability()).toEqual([]);
    await config("appendonly", "no");
  });

  test.each([
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
  ])("removes logins with the policy %s when memory is short, which is a trouble", async (policy) => {
    const { findDurabilityRisks: durability, store } = await open(redis().url);
    await config("maxmemory-policy", policy);
    onTestFinished(async () => void (await config("maxmemory-policy", "noeviction")));
    const advice = expect.stringMatching(/noeviction.*signs users out.*"log out everywhere" misses devices/);
    expect(await durability()).toContainEqual({
      by: "eviction",
      found: `maxmemory-policy is ${policy}`,
      advice,
    });
    await store.createEntry("s:evicted", { a: "1" }, "login", HOUR_MS);
    await store.index.add("user", "evicted", HOUR_MS);
    await config("maxmemory", "1");
    onTestFinished(async () => void (await config("maxmemory", "0")));
    await redisCommand(redis().port, "SET", "other", "1").catch(() => {});
    expect(await store.readEntry("s:evicted")).toBeUndefined();
    expect(await store.index.list("user")).toEqual([]);
  });

  test("does not let a user read its settings", async () => {
    await redisCommand(
      redis().port,
      "ACL",
      "SETUSER",
      "reader",
      "on",
      `>${PASSWORD}`,
      "~*",
      "+@all",
      "-config",
    );
    const { findDurabilityRisks: durability } = await open(
      redis().url.replace("//", `//reader:${PASSWORD}@`),
    );
    expect(await durability()).toBeUndefined();
  });

  test("comes back after a crash, and the same store works again", async () => {
    const { store, getConnectionError: trouble, lines } = await open(redis().url);
    await redis().kill();
    await expect.poll(trouble).toBeTruthy();
    await expect(store.read("s:a")).rejects.toBeInstanceOf(Error);
    await redis().restart();
    await expect.poll(trouble).toBeUndefined();
    expect(await store.create("s:a", "text", HOUR_MS)).toBe(true);
    expect(await store.read("s:a")).toMatchObject({ text: "text" });
    expect(lines).toHaveLength(1);
  });
});

/** A client that does nothing, and remembers how it was created and what it was asked for. */
function fakeRedis() {
  const ping = vi.fn(async () => {});
  const destroy = vi.fn();
  const members = { connect: async () => {}, unref() {}, destroy, ping, evalSha() {}, eval() {} };
  const client = Object.assign(new EventEmitter(), members, { isOpen: true, isReady: false });
  const createClient = vi.fn(
    (_options: { socket: { reconnectStrategy(attempts: number): number } }) => client,
  );
  const lines: string[] = [];
  const openFake = () => {
    const opened = openRedis("redis://127.0.0.1", {
      warn: (line) => lines.push(line),
      load: () => ({ createClient }),
    });
    onTestFinished(opened.close);
    return opened;
  };
  return { client, ping, destroy, createClient, lines, open: openFake };
}

test("the client tries again soon, then later and later, and at least every two seconds", () => {
  const { open, createClient } = fakeRedis();
  open();
  const { reconnectStrategy } = createClient.mock.calls[0]?.[0].socket ?? {};
  const pauses = [0, 1, 2, 3, 5, 6, 100].map((attempts) => reconnectStrategy?.(attempts));
  expect(pauses).toEqual([50, 100, 200, 400, 1600, 2000, 2000]);
});

test("the client queues nothing while it is offline, and gives up a connection without any traffic", () => {
  const { open, createClient } = fakeRedis();
  open();
  const socket = { connectTimeout: 5000, socketTimeout: 10_000, reconnectStrategy: expect.any(Function) };
  expect(createClient).toHaveBeenCalledExactlyOnceWith({
    url: "redis://127.0.0.1",
    disableOfflineQueue: true,
    socket,
  });
});

test("pings keep an idle connection open until the store is closed", async () => {
  fakeTime();
  const { open, client, ping, destroy } = fakeRedis();
  const { close } = open();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ping).not.toHaveBeenCalled();
  client.isReady = true;
  ping.mockRejectedValueOnce(new Error("the connection was closed")); // the client also reports it as an event
  await vi.advanceTimersByTimeAsync(9000);
  expect(ping).toHaveBeenCalledTimes(3);
  await close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([ping.mock.calls.length, destroy.mock.calls.length]).toEqual([3, 1]);
});

test("a client that is closed already is not closed again", async () => {
  const { open, client, destroy } = fakeRedis();
  client.isOpen = false;
  await open().close();
  expect(destroy).not.toHaveBeenCalled();
});

test.each(["ready", "error"])("the first requests wait for the event %s of the client", async (event) => {
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

test("errors that follow each other are reported once a minute, without their messages", () => {
  const { open, client, lines } = fakeRedis();
  open();
  for (const code of ["ECONNRESET", "ECONNREFUSED", "ETIMEDOUT"])
    client.emit("error", Object.assign(new Error(PASSWORD), { code }));
  expect(lines).toEqual([
    "The session store on Redis: ECONNRESET, the connection was closed. Check SESSION_STORE_URL.",
  ]);
});
