import type { Store } from "express-session";

/** What an application's store has last said of its connection. */
export interface StoreConnection {
  readonly isAway: boolean;
}

const watched = new WeakMap<Store, StoreConnection>();

/**
 * Watches the connection of an application's store. express-session mounts no session while its store is
 * disconnected. All portalAuth() of the application share one pair of listeners: Node.js takes the eleventh
 * listener for a leak.
 */
export function watchConnection(store: Store): StoreConnection {
  const known = watched.get(store);
  if (known) return known;
  const connection = { isAway: false };
  store.on("disconnect", () => {
    connection.isAway = true;
  });
  store.on("connect", () => {
    connection.isAway = false;
  });
  watched.set(store, connection);
  return connection;
}
