import type { Store } from "express-session";

/** The connection state of an application's store, according to its last event. */
export interface AppStoreConnection {
  readonly isDisconnected: boolean;
}

const connections = new WeakMap<Store, AppStoreConnection>();

/**
 * Watches the connection of an application's store. While a store is disconnected,
 * express-session mounts no session. All portalAuth() of the application share one pair of listeners, because
 * Node.js reports the eleventh listener as a memory leak.
 */
export function watchAppStore(store: Store): AppStoreConnection {
  const known = connections.get(store);
  if (known) return known;
  const connection = { isDisconnected: false };
  store.on("disconnect", () => {
    connection.isDisconnected = true;
  });
  store.on("connect", () => {
    connection.isDisconnected = false;
  });
  connections.set(store, connection);
  return connection;
}
