import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool, createCluster, createSentinel } from "redis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createRedisStore } from "../../lib/store/redis-store.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { noRedis, type RedisServer } from "../support/servers/redis.mjs";
import { type RedisCluster, startRedisCluster } from "../support/servers/redis-cluster.js";
import { redisCommand } from "../support/servers/redis-command.js";
import { type RedisSentinel, startRedisSentinel } from "../support/servers/redis-sentinel.js";
import { describeEntryStore } from "./record-store.contract.js";

const HOST = "127.0.0.1";
const HOUR_MS = 3_600_000;
const skip = noRedis && ` (${noRedis})`;

describeWithRedis("Redis", (redis) => {
  describeEntryStore("a client of redis", async () => {
    const client = await createClient({ url: redis().url }).connect();
    const otherClient = await createClient({ url: redis().url }).connect();
    const close = () => {
      client.destroy();
      otherClient.destroy();
    };
    return { store: createRedisStore(client), other: createRedisStore(otherClient), close };
  });

  describeEntryStore("a client of redis with RESP 2", async () => {
    const client = await createClient({ url: redis().url, RESP: 2 }).connect();
    return { store: createRedisStore(client), close: () => client.destroy() };
  });

  describeEntryStore("a pool of redis", async () => {
    const pool = createClientPool({ url: redis().url });
    await pool.connect();
    return { store: createRedisStore(pool), close: () => pool.destroy() };
  });

  describeEntryStore("a client of ioredis", () => {
    const client = new Redis(redis().url);
    return { store: createRedisStore(client), close: () => client.disconnect() };
  });
});

describe.skipIf(noRedis)(`Redis Cluster${skip}`, () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());

  describeEntryStore("a cluster client of redis that reads from replicas", async () => {
    const rootNodes = cluster.masters.map(({ url }) => ({ url }));
    const client = await createCluster({ rootNodes, useReplicas: true }).connect();
    return { store: createRedisStore(client), close: () => client.destroy() };
  });

  describeEntryStore("a cluster client of ioredis that reads from replicas", () => {
    const client = new Cluster(
      cluster.masters.map(({ port }) => ({ host: HOST, port })),
      { scaleReads: "slave" },
    );
    return { store: createRedisStore(client), close: () => client.disconnect() };
  });

  test("spreads keys over all masters, and runs no script on a replica", async () => {
    for (const { port } of cluster.masters) expect(await hasRunScripts(port)).toBe(true);
    for (const { port } of cluster.replicas) expect(await hasRunScripts(port)).toBe(false);
  });
});

describe.skipIf(noRedis)(`Redis Sentinel${skip}`, () => {
  let sentinel: RedisSentinel;
  beforeAll(async () => {
    sentinel = await startRedisSentinel();
  });
  afterAll(() => sentinel?.stop());

  const nodeRedis = async () => {
    const options = { name: sentinel.name, sentinelRootNodes: [{ host: HOST, port: sentinel.port }] };
    return createSentinel({ ...options, replicaPoolSize: 1 }).connect();
  };
  const ioRedis = () => new Redis({ name: sentinel.name, sentinels: [{ host: HOST, port: sentinel.port }] });

  describeEntryStore("a sentinel client of redis that reads from replicas", async () => {
    const client = await nodeRedis();
    return { store: createRedisStore(client), close: () => client.destroy() };
  });

  describeEntryStore("a client of ioredis with sentinels", () => {
    const client = ioRedis();
    return { store: createRedisStore(client), close: () => client.disconnect() };
  });

  test("uses the replica after the master has failed", async () => {
    expect(await hasRunScripts(sentinel.replica.port)).toBe(false);
    const clients = [await nodeRedis(), ioRedis()] as const;
    for (const client of clients) client.on("error", () => {});
    const stores = clients.map((client) => createRedisStore(client));
    for (const [n, store] of stores.entries())
      await store.createEntry(`s:${n}`, { a: "1" }, "login", HOUR_MS);
    await redisCommand(sentinel.master.port, "WAIT", "1", "10000");
    await sentinel.master.kill();
    for (const [n, store] of stores.entries()) {
      await vi.waitFor(async () => expect(await store.touch(`s:${n}`, HOUR_MS)).toBe(true), 15_000);
      expect(await store.readEntry(`s:${n}`)).toMatchObject({ app: { a: "1" }, record: { text: "login" } });
    }
    expect(await hasRunScripts(sentinel.replica.port)).toBe(true);
    clients[0].destroy();
    clients[1].disconnect();
  });
});

/**
 * Returns whether a client has run a script on this server. A replica receives only the writes of a script.
 */
async function hasRunScripts(port: RedisServer["port"]): Promise<boolean> {
  return String(await redisCommand(port, "INFO", "commandstats")).includes("cmdstat_eval");
}
