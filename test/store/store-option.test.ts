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
import { createStore, type PortalAuthOptions, type PortalStore, type StoreGiven } from "../../lib/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { isStore } from "../../lib/store/open-store.js";
import { createMinimalRecords } from "../support/minimal-records.js";

// What the option `store` takes is checked by the compiler (`npm run check`). The tests show that openStore()
// agrees with the compiler. No client here connects.

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
  "a client of redis with modules and scripts": createClient({ modules: MODULES, scripts: { look: SCRIPT } }),
  "a client of redis that returns buffers": createClient().withTypeMapping({
    [RESP_TYPES.BLOB_STRING]: Buffer,
  }),
  "a client of redis by the name of its type": createClient() as RedisClientType,
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
} satisfies Record<string, StoreGiven>;

test.each(Object.entries(ACCEPTED))("is accepted: %s", (_name, given) => {
  expect(isStore(given)).toBe(true);
});

test("is refused by the compiler, and at start-up: a store of another package, and what is no store", () => {
  const redis = createClient();
  const PgStore = connectPgSimple(session);
  const client = { client: redis };
  const refused: PortalAuthOptions[] = [
    // @ts-expect-error: it goes into session({ store })
    { store: new RedisStore(client) },
    // @ts-expect-error: likewise
    { store: new PgStore({ pool: new pg.Pool(), pruneSessionInterval: false }) },
    // @ts-expect-error: likewise
    { store: new session.MemoryStore() },
    // @ts-expect-error: it returns no promises
    { store: redis.legacy() },
    // @ts-expect-error: it does not connect again
    { store: new pg.Client() },
    // @ts-expect-error: the methods of an adapter are missing
    { store: {} },
    // @ts-expect-error: a port is no address
    { store: 6379 },
    // @ts-expect-error: the variable of the environment is missing
    { store: null },
  ];
  for (const { store } of refused)
    expect(() => createStore(store)).toThrow(expect.objectContaining({ code: "options_invalid" }));
});

test("createStore() takes the same", () => {
  const store = new session.MemoryStore();
  // @ts-expect-error: it goes into session({ store })
  expect(() => createStore(store)).toThrow(expect.objectContaining({ code: "options_invalid" }));
});

test("a variable of the environment is given as it is", () => {
  const address: string | undefined = undefined;
  const options: PortalAuthOptions = { store: address };
  expect(options.store).toBeUndefined();
});

test("a store of createStore() goes into express-session and can be closed", async () => {
  const store: PortalStore = createStore("memory:");
  expect(() => session({ store, secret: "secret", resave: false, saveUninitialized: false })).not.toThrow();
  await store.close();
});
