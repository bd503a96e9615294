import { createRequire } from "node:module";
import { createAdapterEntryStore } from "./adapter-entry-store.js";
import { type ConnectedStore, createInvalidStoreError, type LoadPackage } from "./connected-store.js";
import { PortalSessionStore } from "./portal-session-store.js";
import { openPostgres } from "./postgres-connection.js";
import { createPostgresStore } from "./postgres-store.js";
import type { PostgresPool } from "./postgres-tables.js";
import type { EntryStore, RecordStore } from "./record-store.js";
import { isRedisClient } from "./redis-client.js";
import { openRedis } from "./redis-connection.js";
import { createRedisStore } from "./redis-store.js";
import type { StoreInput, StoreObject } from "./store-option.js";

export interface OpenStoreOptions {
  /** Receives problems of the connection, at most one per minute. */
  readonly warn: (message: string) => void;
  /** Loads the package `redis` or `pg`. */
  readonly load?: LoadPackage;
  /** Whether missing tables are created. Default true. */
  readonly shouldCreateTables?: boolean;
}

/**
 * Opens the store of the option `store`. It connects in the background, so an application starts even if its
 * store is down.
 *
 * @throws PortalAuthError `options_invalid` if a package is not installed, or if the value is not a store
 */
export function openStore(
  input: StoreInput,
  { warn, load = loadPackage, shouldCreateTables = true }: OpenStoreOptions,
): ConnectedStore {
  if (typeof input === "string")
    return input.startsWith("redis")
      ? openRedis(input, { warn, load })
      : openPostgres(input, { warn, load, shouldCreateTables });
  const store = toEntryStore(input, shouldCreateTables);
  if (!store) throw createInvalidStoreError(describeInvalidStore(input));
  return { ...APP_CONNECTION, store };
}

/** The application itself opens and closes this connection. */
const APP_CONNECTION: Omit<ConnectedStore, "store"> = {
  opened: Promise.resolve(),
  findDurabilityRisks: async () => undefined,
  getConnectionError: () => undefined,
  findMissingTables: async () => undefined,
  close: async () => {},
};

function toEntryStore(store: StoreObject, shouldCreateTables: boolean): EntryStore | undefined {
  if (PortalSessionStore.isOurs(store)) return store.entries;
  if (isRedisClient(store)) return createRedisStore(store);
  if (isPool(store)) return createPostgresStore(store, { shouldCreateTables });
  if (!isRecordStore(store)) return undefined;
  return isEntryStore(store) ? store : createAdapterEntryStore(store);
}

/** Returns whether openStore() accepts an object. */
export const isStore = (value: object): value is StoreObject =>
  PortalSessionStore.isOurs(value) || isRedisClient(value) || isPool(value) || isRecordStore(value);

const hasMethods = (value: object, ...methods: readonly string[]): boolean =>
  methods.every((name) => typeof (value as Record<string, unknown>)[name] === "function");

const isPool = (value: object): value is PostgresPool =>
  hasMethods(value, "query", "connect", "end") && "totalCount" in value;

const RECORD_METHODS = ["read", "create", "replace", "touch", "remove"] as const;
const INDEX_METHODS = ["add", "list", "remove"] as const;

const isRecordStore = (value: object): value is RecordStore => findMissingMethods(value).length === 0;

/** Lists the methods of RecordStore that an object does not have. */
function findMissingMethods(value: object): string[] {
  const index: object = Object((value as { index?: unknown }).index);
  return [
    ...RECORD_METHODS.filter((name) => !hasMethods(value, name)),
    ...INDEX_METHODS.filter((name) => !hasMethods(index, name)).map((name) => `index.${name}`),
  ];
}

const isEntryStore = (value: RecordStore): value is EntryStore =>
  hasMethods(value, "readEntry", "createEntry", "updateEntry");

/**
 * Returns why openStore() does not accept an object. The text continues a sentence that begins with the
 * option.
 */
export function describeInvalidStore(value: object): string {
  const isAdapter = hasMethods(value, "read", "create");
  return isAdapter ? `is an adapter without ${findMissingMethods(value).join(", ")}` : INVALID_STORE;
}

const INVALID_STORE =
  "must be a URL (redis://…, postgres://…), a client of redis or ioredis, a Pool of pg, " +
  "a store of createStore(), or an adapter with read, create, replace, touch, remove and index. " +
  "Pass another store of express-session to app.use(session({ store })), before portalAuth(). " +
  "portalAuth() itself needs one of the stores above for the logins";

const require = createRequire(import.meta.url);

function loadPackage(name: string): unknown {
  try {
    return require(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    throw createInvalidStoreError(`needs a package that is not installed: npm install ${name}`);
  }
}
