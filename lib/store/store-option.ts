import type { Store } from "express-session";
import type { PostgresPool } from "./postgres-tables.js";
import type { RecordStore } from "./record-store.js";
import type { RedisClient } from "./redis-client.js";

/**
 * A value of the option `store`, and the argument of createStore():
 *
 * - the URL of a Redis server (`redis:`, `rediss:`) or a PostgreSQL server (`postgres:`, `postgresql:`)
 * - `memory:`, for the memory of this process
 * - a client of redis or ioredis, or a Pool of pg
 * - an adapter for another database
 * - a store of createStore()
 *
 * Other stores of express-session, for example of connect-redis, are not accepted. Pass them to
 * `app.use(session({ store }))`, before portalAuth().
 */
export type StoreInput = string | StoreObject;

/** A store that is not a URL. */
export type StoreObject = RedisClient | PostgresPool | RecordStore | PortalStore;

/** A store of createStore(), for express-session and for the option `store`. */
export type PortalStore = Store & {
  /** The records of the sessions and their logins. */
  readonly entries: RecordStore;
  /**
   * Closes the connection, if createStore() has opened it. An application that shuts down calls it after the
   * close() of its portalAuth(). An open connection keeps the process alive.
   */
  close(): Promise<void>;
};
