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

test("a server that is down is reported once without the password, and each call fails at once", async () => {
  const url = `redis://user:${PASSWORD}@127.0.0.1:${await freePort()}/0`;
  const { store, lines, getConnectionError } = await open(url);
  for (let time = 0; time < 3; time += 1) await expect(store.read("a")).rejects.toBeInstanceOf(Error);
  expect(getConnectionError()).toBe("ECONNREFUSED, no server listens at that host and port");
  expect(lines).toEqual([`The session store on Redis: ${getConnectionError()}. Check SESSION_STORE_URL.`]);
});

test("opening ends when the store is closed, even if the server does not respond", async () => {
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
  "an invalid URL is reported with its setting, without the password: %s",
  (url) => {
    const openStore = () => openRedis(url, { warn: () => {}, load });
    expect(openStore).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(openStore).toThrow("SESSION_STORE_URL");
    expect(openStore).not.toThrow(PASSWORD);
  },
);

test("an outdated package is reported at start-up, with the command to update it", () => {
  const version4 = { on() {}, connect: async () => {}, unref() {}, evalSha() {}, eval() {} };
  const openStore = () =>
    openRedis("redis://127.0.0.1:1", { warn: () => {}, load: () => ({ createClient: () => version4 }) });
  expect(openStore).toThrow(expect.objectContaining({ code: "options_invalid" }));
  expect(openStore).toThrow("npm install redis@latest");
});

describeWithRedis("a connection to Redis", (redis) => {
  const config = (name: string, value: string) => redisCommand(redis().port, "CONFIG", "SET", name, value);

  describeEntryStore("an open store", async () => {
    const { store, opened, close } = openRedis(redis().url, { warn: () => {}, load });
    await opened;
    return { store, close };
  });

  test("a wrong password is reported", async () => {
    const { lines, getConnectionError } = await open(redis().url.replace("//", `//user:${PASSWORD}@`));
    expect(lines).toEqual([
      "The session store on Redis: WRONGPASS, the name or the password is wrong. Check SESSION_STORE_URL.",
    ]);
    expect(getConnectionError()).toContain("WRONGPASS");
  });

  test("a working server has no problems", async () => {
    const { findMissingTables, getConnectionError, lines } = await open(redis().url);
    expect([await findMissingTables(), getConnectionError(), lines]).toEqual([undefined, undefined, []]);
  });

  test("findDurabilityRisks() reports a server without persistence", async () => {
    const { findDurabilityRisks } = await open(redis().url);
    const noPersistence = {
      by: "restart",
      found: "Redis writes nothing to disk",
      advice: expect.stringContaining("appendonly"),
    };
    expect(await findDurabilityRisks()).toEqual([noPersistence]);
    await config("save", "3600 1");
    expect(await findDurabilityRisks()).toEqual([]);
    await config("save", "");
    await config("appendonly", "yes");
    expect(await findDurabilityRisks()).toEqual([]);
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
  ])(
    "findDurabilityRisks() reports that the policy %s evicts logins when the memory is full",
    async (policy) => {
      const { findDurabilityRisks, store } = await open(redis().url);
      await config("maxmemory-policy", policy);
      onTestFinished(async () => {
        await config("maxmemory-policy", "noeviction");
      });
      const advice = expect.stringMatching(/noeviction.*signs users out.*on all devices misses some devices/);
      expect(await findDurabilityRisks()).toContainEqual({
        by: "eviction",
        found: `maxmemory-policy is ${policy}`,
        advice,
      });
      await store.createEntry("s:evicted", { a: "1" }, "login", HOUR_MS);
      await store.index.add("user", "evicted", HOUR_MS);
      await config("maxmemory", "1");
      onTestFinished(async () => {
        await config("maxmemory", "0");
      });
      await redisCommand(redis().port, "SET", "other", "1").catch(() => {});
      expect(await store.readEntry("s:evicted")).toBeUndefined();
      expect(await store.index.list("user")).toEqual([]);
    },
  );

  test("findDurabilityRisks() resolves to undefined if the user may not read the configuration", async () => {
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
    const { findDurabilityRisks } = await open(redis().url.replace("//", `//reader:${PASSWORD}@`));
    expect(await findDurabilityRisks()).toBeUndefined();
  });

  test("the same store works again after a crash of the server", async () => {
    const { store, getConnectionError, lines } = await open(redis().url);
    await redis().kill();
    await expect.poll(getConnectionError).toBeTruthy();
    await expect(store.read("s:a")).rejects.toBeInstanceOf(Error);
    await redis().restart();
    await expect.poll(getConnectionError).toBeUndefined();
    expect(await store.create("s:a", "text", HOUR_MS)).toBe(true);
    expect(await store.read("s:a")).toMatchObject({ text: "text" });
    expect(lines).toHaveLength(1);
  });
});

/** Creates a client without a server. It records its options and calls. */
function createFakeRedis() {
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

test("the pauses between reconnects grow to two seconds", () => {
  const { open, createClient } = createFakeRedis();
  open();
  const { reconnectStrategy } = createClient.mock.calls[0]?.[0].socket ?? {};
  const pauses = [0, 1, 2, 3, 5, 6, 100].map((attempts) => reconnectStrategy?.(attempts));
  expect(pauses).toEqual([50, 100, 200, 400, 1600, 2000, 2000]);
});

test("the client has no offline queue, and closes a connection without traffic", () => {
  const { open, createClient } = createFakeRedis();
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
  const { open, client, ping, destroy } = createFakeRedis();
  const { close } = open();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ping).not.toHaveBeenCalled();
  client.isReady = true;
  ping.mockRejectedValueOnce(new Error("the connection was closed")); // The client also emits it as an event.
  await vi.advanceTimersByTimeAsync(9000);
  expect(ping).toHaveBeenCalledTimes(3);
  await close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([ping.mock.calls.length, destroy.mock.calls.length]).toEqual([3, 1]);
});

test("a closed client is not closed again", async () => {
  const { open, client, destroy } = createFakeRedis();
  client.isOpen = false;
  await open().close();
  expect(destroy).not.toHaveBeenCalled();
});

test.each(["ready", "error"])("the first requests wait for the event %s of the client", async (event) => {
  const { open, client } = createFakeRedis();
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

test("of several errors, one is reported per minute, without its message", () => {
  const { open, client, lines } = createFakeRedis();
  open();
  for (const code of ["ECONNRESET", "ECONNREFUSED", "ETIMEDOUT"])
    client.emit("error", Object.assign(new Error(PASSWORD), { code }));
  expect(lines).toEqual([
    "The session store on Redis: ECONNRESET, the connection was closed. Check SESSION_STORE_URL.",
  ]);
});
