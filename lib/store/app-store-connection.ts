import type { Store } from "express-session";

/** What an application's store has last said of its connection. */
export interface AppStoreConnection {
  readonly isDisconnected: boolean;
}

const watched = new WeakMap<Store, AppStoreConnection>();

/**
 * Watches the connection of an application's store. express-session mounts no session while its store is
 * disconnected. All portalAuth() of the application share one pair of listeners: Node.js takes the eleventh
 * listener for a leak.
 */
export function watchAppStore(store: Store): AppStoreConnection {
  const known = watched.get(store);
  if (known) return known;
  const connection = { isDisconnected: false };
  store.on("disconnect", () => {
    connection.isDisconnected = true;
  });
  store.on("connect", () => {
    connection.isDisconnected = false;
  });
  watched.set(store, connection);
  return connection;
}
