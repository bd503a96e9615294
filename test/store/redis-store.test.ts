import { randomUUID } from "node:crypto";
import { createClient, RESP_TYPES } from "redis";
import { expect, onTestFinished, test, vi } from "vitest";
import type { EntryStore } from "../../lib/store/record-store.js";
import { isRedisClient, type RedisClient } from "../../lib/store/redis-client.js";
import * as scripts from "../../lib/store/redis-scripts.js";
import { createRedisStore } from "../../lib/store/redis-store.js";
import { advanceDate } from "../support/fake-time.js";
import { describeWithRedis } from "../support/servers/describe.js";
import type { RedisServer } from "../support/servers/redis.mjs";
import { redisCommand } from "../support/servers/redis-command.js";
import { describeEntryStore } from "./record-store.contract.js";

const HOUR_MS = 3_600_000;

/** The commands that a Redis user must be allowed to run. PING keeps an idle connection open. */
const COMMANDS =
  "del eval evalsha hdel hexists hgetall hmget hset pexpire pexpireat ping pttl time " +
  "zadd zrange zrangebyscore zrem zremrangebyscore zscore";

async function connect(redis: RedisServer, options: object = {}) {
  const client = await createClient({ url: redis.url, ...options }).connect();
  onTestFinished(() => client.destroy());
  return { client, store: createRedisStore(client) };
}

const newKey = () => `s:${randomUUID()}`;

describeWithRedis("Redis", (redis) => {
  const call = (...command: string[]) => redisCommand(redis().port, ...command);

  test("runs scripts by their text after the server has lost them, also concurrently", async () => {
    const { store } = await connect(redis());
    const key = newKey();
    await store.createEntry(key, { a: "1" }, "first", HOUR_MS);
    await call("SCRIPT", "FLUSH");
    const calls = [
      store.readEntry(key),
      store.read(key),
      store.updateEntry(key, { a: "2" }, [], undefined),
      store.replace(key, 1, "second"),
      store.replace(key, 2, "third"),
    ];
    expect(await Promise.all(calls)).toMatchObject([
      { app: { a: "1" } },
      { text: "first" },
      true,
      true,
      true,
    ]);
    expect(await store.readEntry(key)).toMatchObject({
      app: { a: "2" },
      record: { text: "third", version: 3 },
    });
  });

  test("sends the text of a script once, and then only its hash", async () => {
    const { store } = await connect(redis());
    await call("SCRIPT", "FLUSH");
    await store.read(newKey());
    await call("CONFIG", "RESETSTAT");
    await store.read(newKey());
    await store.index.remove(newKey(), []); // This sends no command.
    const stats = String(await call("INFO", "commandstats"));
    expect(stats).toContain("cmdstat_evalsha:calls=1,");
    expect(stats).not.toContain("cmdstat_eval:");
  });

  test("writes all keys with one prefix, and they expire by the server's clock", async () => {
    const { store } = await connect(redis());
    const id = randomUUID();
    // The clock of this process is a year behind.
    advanceDate(-8760 * HOUR_MS);
    await store.createEntry(`s:${id}`, { a: "1" }, "login", HOUR_MS);
    await store.create(`l:${id}`, "login", HOUR_MS);
    await store.index.add(id, "short", HOUR_MS);
    await store.index.add(id, "long", 3 * HOUR_MS);
    expect(await call("KEYS", `*${id}*`)).toHaveLength(3);
    for (const key of [`portal:s:${id}`, `portal:l:${id}`])
      expect(HOUR_MS - Number(await call("PTTL", key))).toBeLessThan(60_000);
    expect(3 * HOUR_MS - Number(await call("PTTL", `portal:list:${id}`))).toBeLessThan(60_000);
    expect(await store.index.list(id)).toEqual(["short", "long"]);
  });

  test("uses another prefix if one is given", async () => {
    const { client } = await connect(redis());
    const key = newKey();
    await createRedisStore(client, { prefix: "app:" }).create(key, "text", HOUR_MS);
    expect(await call("KEYS", `*${key}`)).toEqual([`app:${key}`]);
    expect(await createRedisStore(client).read(key)).toBeUndefined();
  });

  test("removes the expired names of a list when a name is added", async () => {
    const { store } = await connect(redis());
    const list = randomUUID();
    await store.index.add(list, "long", HOUR_MS);
    await store.index.add(list, "short", 1);
    await vi.waitFor(async () => expect(await store.index.list(list)).toEqual(["long"]));
    await store.index.add(list, "next", HOUR_MS);
    expect(await call("ZCARD", `portal:list:${list}`)).toBe(2);
  });

  test("lists ten thousand names, and removes them in one call", async () => {
    const { store } = await connect(redis());
    const list = randomUUID();
    const names = Array.from({ length: 10_000 }, (_, n) => `name ${n}`);
    await Promise.all(names.map((name) => store.index.add(list, name, HOUR_MS)));
    expect(new Set(await store.index.list(list))).toEqual(new Set(names));
    await store.index.remove(list, names);
    expect(await call("EXISTS", `portal:list:${list}`)).toBe(0);
  });

  test("returns NUL in texts, keys and names unchanged", async () => {
    const { store } = await connect(redis());
    const key = `${newKey()}\0\r\n`;
    await store.createEntry(key, { "a\0b": "\0" }, "\0text\0", HOUR_MS);
    expect(await store.readEntry(key)).toMatchObject({ app: { "a\0b": "\0" }, record: { text: "\0text\0" } });
    await store.index.add(key, "\0", HOUR_MS);
    expect(await store.index.list(key)).toEqual(["\0"]);
  });

  test("an entry with a lifetime of zero or less expires at once", async () => {
    const { store } = await connect(redis());
    for (const lifeMs of [0, -5, Number.NEGATIVE_INFINITY]) {
      const key = newKey();
      await store.createEntry(key, { a: "1" }, "login", lifeMs);
      expect(await store.readEntry(key)).toBeUndefined();
      await store.create(key, "text", HOUR_MS);
      expect(await store.touch(key, lifeMs)).toBe(true);
      expect(await store.read(key)).toBeUndefined();
    }
  });

  test("limits an infinite lifetime, and rejects a lifetime that is not a number", async () => {
    const { store } = await connect(redis());
    const key = newKey();
    await expect(store.create(key, "text", Number.NaN)).rejects.toThrow(TypeError);
    expect(await store.read(key)).toBeUndefined();
    await store.create(key, "text", Number.POSITIVE_INFINITY);
    expect((await store.read(key))?.lifeMs).toBeGreaterThan(1_000_000 * HOUR_MS);
    await store.index.add(key, "name", Number.POSITIVE_INFINITY);
    expect(await store.index.list(key)).toEqual(["name"]);
  });

  test("rejects if another program has written another type under the key", async () => {
    const { store } = await connect(redis());
    const key = newKey();
    await call("SET", `portal:${key}`, "text");
    await expect(store.read(key)).rejects.toThrow("WRONGTYPE");
    await expect(store.readEntry(key)).rejects.toThrow("WRONGTYPE");
  });
});

describeWithRedis("a client of redis that returns buffers and strings for numbers", (redis) => {
  describeEntryStore("Redis", async () => {
    const client = await createClient({ url: redis().url }).connect();
    const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String };
    return {
      store: createRedisStore(client.withTypeMapping(typeMapping) as unknown as RedisClient),
      close: () => client.destroy(),
    };
  });
});

describeWithRedis("a Redis user that may run only the documented commands", (redis) => {
  describeEntryStore("Redis", async () => {
    const allowed = COMMANDS.split(" ").map((name) => `+${name}`);
    await redisCommand(
      redis().port,
      "ACL",
      "SETUSER",
      "portal",
      "on",
      ">secret",
      "~portal:*",
      "-@all",
      ...allowed,
    );
    const client = createClient({ url: redis().url, username: "portal", password: "secret" });
    await client.connect();
    await client.ping();
    return { store: createRedisStore(client), close: () => client.destroy() };
  });

  test("every documented command is used", () => {
    const used = Object.values(scripts).flatMap(({ text }) => [...text.matchAll(/redis\.call\("(\w+)"/g)]);
    const names = used.map(([, name = ""]) => name.toLowerCase());
    expect(COMMANDS.split(" ")).toEqual([...new Set([...names, "eval", "evalsha", "ping"])].sort());
  });
});

describeWithRedis("Redis without free memory, with noeviction", (redis) => {
  /** Creates an entry and a list. Then Redis gets no more memory. */
  async function start() {
    const { store } = await connect(redis());
    const key = newKey();
    await store.createEntry(key, { a: "1" }, "login", HOUR_MS);
    await store.index.add(key, "name", HOUR_MS);
    await redisCommand(redis().port, "CONFIG", "SET", "maxmemory", "1");
    onTestFinished(async () => {
      await redisCommand(redis().port, "CONFIG", "SET", "maxmemory", "0");
    });
    return { store, key };
  }

  test.each([
    ["cached", () => Promise.resolve()],
    ["lost", () => redisCommand(redis().port, "SCRIPT", "FLUSH")],
  ])("removes, reads and touches with scripts that are %s", async (_what, prepare) => {
    const { store, key } = await start();
    await prepare();
    expect(await store.readEntry(key)).toMatchObject({ app: { a: "1" }, record: { text: "login" } });
    expect(await store.touch(key, 2 * HOUR_MS)).toBe(true);
    expect(await store.updateEntry(key, {}, ["a"], HOUR_MS)).toBe(true);
    expect(await store.index.list(key)).toEqual(["name"]);
    await store.index.remove(key, ["name"]);
    expect(await store.index.list(key)).toEqual([]);
    expect(await store.remove(key, 1)).toMatchObject({ text: "login" });
    expect(await store.readEntry(key)).toBeUndefined();
  });

  test.each<[string, (store: EntryStore, key: string) => Promise<unknown>]>([
    ["create", (store, key) => store.create(`${key}2`, "text", HOUR_MS)],
    ["replace", (store, key) => store.replace(key, 1, "next", 2 * HOUR_MS)],
    ["createEntry", (store, key) => store.createEntry(`${key}2`, { b: "2" }, "text", HOUR_MS)],
    ["updateEntry", (store, key) => store.updateEntry(key, { b: "2" }, ["a"], 2 * HOUR_MS)],
    ["index.add", (store, key) => store.index.add(key, "other", 2 * HOUR_MS)],
  ])("rejects %s, and changes nothing", async (_name, write) => {
    const { store, key } = await start();
    await expect(write(store, key)).rejects.toThrow(/OOM/);
    const entry = await store.readEntry(key);
    expect(entry).toMatchObject({ app: { a: "1" }, record: { text: "login", version: 1 } });
    expect(entry?.lifeMs).toBeLessThanOrEqual(HOUR_MS);
    expect(await store.readEntry(`${key}2`)).toBeUndefined();
    expect(await store.index.list(key)).toEqual(["name"]);
  });
});

test("does not recognize other values as a client", () => {
  const others = [
    undefined,
    null,
    "redis://127.0.0.1",
    {},
    { query() {} },
    { evalSha: true },
    class {},
    () => {},
  ];
  for (const value of others) expect(isRedisClient(value)).toBe(false);
});

test("rejects a client in legacy mode, which returns no promises", () => {
  const version4 = { eval() {}, evalSha() {}, connect() {}, options: { legacyMode: true } };
  for (const client of [version4, createClient().legacy()]) {
    expect(isRedisClient(client)).toBe(true);
    const create = () => createRedisStore(client as unknown as RedisClient);
    expect(create).toThrow(expect.objectContaining({ code: "options_invalid" }));
    expect(create).toThrow(/legacy mode/);
  }
});
