import connectPgSimple from "connect-pg-simple";
import { RedisStore } from "connect-redis";
import session from "express-session";
import { Cluster, Redis } from "ioredis";
import pg from "pg";
import {
  createClient,
  createClientPool,
  createCluster,
  createSentinel,
  defineScript,
  RESP_TYPES,
  type RedisClientType,
} from "redis";
import { expect, test } from "vitest";
import { createStore, type PortalAuthOptions, type PortalStore, type StoreInput } from "../../lib/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { isStore } from "../../lib/store/open-store.js";
import { createMinimalRecords } from "../support/minimal-records.js";

// The compiler checks the type of the option `store` (`npm run check`). These tests check that openStore()
// accepts the same values. No client connects.

const SCRIPT = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT: "return redis.call('GET', KEYS[1])",
  parseCommand: (parser, key: string) => parser.pushKey(key),
  transformReply: (reply: unknown) => reply,
});
const MODULES = { json: { SET: SCRIPT } };
const SENTINEL = { name: "main", sentinelRootNodes: [{ host: "127.0.0.1", port: 1 }] };
const LAZY = { lazyConnect: true } as const;

const ACCEPTED = {
  "a client of redis": createClient(),
  "a client of redis with RESP 2": createClient({ RESP: 2 }),
  "a client of redis with RESP 3": createClient({ RESP: 3 }),
  "a client of redis with modules and scripts": createClient({ modules: MODULES, scripts: { read: SCRIPT } }),
  "a client of redis that returns buffers": createClient().withTypeMapping({
    [RESP_TYPES.BLOB_STRING]: Buffer,
  }),
  "a client of redis with the type RedisClientType": createClient() as RedisClientType,
  "a pool of redis": createClientPool({ RESP: 3 }),
  "a cluster client of redis": createCluster({ rootNodes: [], RESP: 3, modules: MODULES }),
  "a sentinel client of redis": createSentinel({ ...SENTINEL, RESP: 3, modules: MODULES }),
  "a client of ioredis": new Redis(LAZY),
  "a client of ioredis with sentinels": new Redis({ ...LAZY, name: "main", sentinels: [{ port: 1 }] }),
  "a cluster client of ioredis": new Cluster([], LAZY),
  "a pool of pg": new pg.Pool(),
  "an adapter": createMinimalRecords(),
  "an entry store": createMemoryStore(),
  "a store of createStore()": createStore("memory:"),
} satisfies Record<string, StoreInput>;

test.each(Object.entries(ACCEPTED))("%s is accepted", (_name, store) => {
  expect(isStore(store)).toBe(true);
});

test("the compiler and the start-up reject a store of another package, and other values", () => {
  const redis = createClient();
  const PgStore = connectPgSimple(session);
  const client = { client: redis };
  const rejected: PortalAuthOptions[] = [
    // @ts-expect-error: it goes into session({ store })
    { store: new RedisStore(client) },
    // @ts-expect-error: it goes into session({ store })
    { store: new PgStore({ pool: new pg.Pool(), pruneSessionInterval: false }) },
    // @ts-expect-error: it goes into session({ store })
    { store: new session.MemoryStore() },
    // @ts-expect-error: it returns no promises
    { store: redis.legacy() },
    // @ts-expect-error: it does not reconnect
    { store: new pg.Client() },
    // @ts-expect-error: the methods of an adapter are missing
    { store: {} },
    // @ts-expect-error: a port is not a URL
    { store: 6379 },
    // @ts-expect-error: only undefined means that a store is omitted
    { store: null },
  ];
  for (const { store } of rejected)
    expect(() => createStore(store)).toThrow(expect.objectContaining({ code: "options_invalid" }));
});

test("createStore() rejects a store of express-session", () => {
  const store = new session.MemoryStore();
  // @ts-expect-error: it goes into session({ store })
  expect(() => createStore(store)).toThrow(expect.objectContaining({ code: "options_invalid" }));
});

test("the option accepts an environment variable that may be undefined", () => {
  const url: string | undefined = undefined;
  const options: PortalAuthOptions = { store: url };
  expect(options.store).toBeUndefined();
});

test("express-session accepts a store of createStore(), which can be closed", async () => {
  const store: PortalStore = createStore("memory:");
  expect(() => session({ store, secret: "secret", resave: false, saveUninitialized: false })).not.toThrow();
  await store.close();
});
