import type { Store } from "express-session";
import type { PostgresPool } from "./postgres-tables.js";
import type { RecordStore } from "./record-store.js";
import type { RedisClient } from "./redis-client.js";

/**
 * What the option `store` and createStore() take: the address of a Redis (`redis:`, `rediss:`) or PostgreSQL
 * (`postgres:`, `postgresql:`) server or `memory:`, a client of redis or ioredis, a Pool of pg, an adapter for
 * another database, or a store of createStore().
 *
 * Other stores of express-session, for example of connect-redis, are not accepted: they go into
 * `app.use(session({ store }))`, before portalAuth().
 */
export type StoreGiven = string | StoreObject;

/** A store that is not given by its address. */
export type StoreObject = RedisClient | PostgresPool | RecordStore | PortalStore;

/** A store of createStore(), for express-session and for the option `store`. */
export type PortalStore = Store & {
  /** Where the sessions and their logins are kept. */
  readonly entries: RecordStore;
  /**
   * Closes the connection, if createStore() has opened it. For an application that shuts down, after the
   * close() of its portalAuth(). An open connection keeps the process alive.
   */
  close(): Promise<void>;
};
