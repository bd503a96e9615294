import { createRequire } from "node:module";
import { type Load, type OpenStore, storeRefused } from "./opened.js";
import { createEntryStore } from "./over-records.js";
import { openPostgres } from "./postgres-connection.js";
import { createPostgresStore } from "./postgres-store.js";
import type { PostgresPool } from "./postgres-tables.js";
import type { EntryStore, RecordStore } from "./records.js";
import { isRedisClient } from "./redis-client.js";
import { openRedis } from "./redis-connection.js";
import { createRedisStore } from "./redis-store.js";
import { PortalSessionStore } from "./session-store.js";
import type { StoreGiven, StoreObject } from "./store-given.js";

export interface OpenStoreOptions {
  /** Receives problems of the connection, at most one a minute. */
  readonly warn: (message: string) => void;
  /** Loads the package `redis` or `pg`. */
  readonly load?: Load;
  /** Whether missing tables are created. Default true. */
  readonly createsTables?: boolean;
}

/**
 * Opens the store that the option `store` names. It connects in the background: an application starts without
 * its store, too.
 *
 * @throws PortalAuthError `options_invalid` if a package is not installed, or if this is no store
 */
export function openStore(
  given: StoreGiven,
  { warn, load = loadPackage, createsTables = true }: OpenStoreOptions,
): OpenStore {
  if (typeof given === "string")
    return given.startsWith("redis")
      ? openRedis(given, { warn, load })
      : openPostgres(given, { warn, load, createsTables });
  const store = entriesOf(given, createsTables);
  if (!store) throw storeRefused(whyNoStore(given));
  return { ...NOT_OURS, store };
}

/** The application opens and closes a connection that it has made itself. */
const NOT_OURS: Omit<OpenStore, "store"> = {
  opened: Promise.resolve(),
  durability: async () => undefined,
  trouble: () => undefined,
  lacks: async () => undefined,
  close: async () => {},
};

function entriesOf(given: StoreObject, createsTables: boolean): EntryStore | undefined {
  if (PortalSessionStore.isOurs(given)) return given.entries;
  if (isRedisClient(given)) return createRedisStore(given);
  if (isPool(given)) return createPostgresStore(given, { createsTables });
  if (!isRecordStore(given)) return undefined;
  return isEntryStore(given) ? given : createEntryStore(given);
}

/** Whether openStore() can use an object. */
export const isStore = (value: object): value is StoreObject =>
  PortalSessionStore.isOurs(value) || isRedisClient(value) || isPool(value) || isRecordStore(value);

const has = (value: object, ...methods: readonly string[]): boolean =>
  methods.every((name) => typeof (value as Record<string, unknown>)[name] === "function");

const isPool = (value: object): value is PostgresPool =>
  has(value, "query", "connect", "end") && "totalCount" in value;

const RECORD_METHODS = ["read", "create", "replace", "touch", "remove"] as const;
const INDEX_METHODS = ["add", "list", "remove"] as const;

const isRecordStore = (value: object): value is RecordStore => missingMethods(value).length === 0;

/** Lists the methods of RecordStore that an object does not have. */
function missingMethods(value: object): string[] {
  const index: object = Object((value as { index?: unknown }).index);
  return [
    ...RECORD_METHODS.filter((name) => !has(value, name)),
    ...INDEX_METHODS.filter((name) => !has(index, name)).map((name) => `index.${name}`),
  ];
}

const isEntryStore = (value: RecordStore): value is EntryStore =>
  has(value, "readEntry", "createEntry", "updateEntry");

/** Says why openStore() cannot use an object, in a message that begins with the name of the option. */
export function whyNoStore(value: object): string {
  const isAdapter = has(value, "read", "create");
  return isAdapter ? `is an adapter without ${missingMethods(value).join(", ")}` : NO_STORE;
}

const NO_STORE =
  "is none of these: an address (redis://…, postgres://…), a client of redis or ioredis, a Pool of pg, a store of createStore(), an adapter with read, create, replace, touch, remove and index. Another store of express-session goes into app.use(session({ store })), before portalAuth(). Pass portalAuth() one of those above for the logins";

const require = createRequire(import.meta.url);

function loadPackage(name: string): unknown {
  try {
    return require(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    throw storeRefused(`needs a package that is not installed: npm install ${name}`);
  }
}
