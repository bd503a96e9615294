import {
  type ConnectedStore,
  createErrorReporter,
  createInvalidStoreError,
  describeConnectionError,
  type LoadPackage,
} from "./connected-store.js";
import type { NodeRedisClient } from "./redis-client.js";
import { type ConfiguredClient, findRedisDurabilityRisks } from "./redis-durability.js";
import { createRedisStore } from "./redis-store.js";

interface ConnectingClient extends NodeRedisClient, ConfiguredClient {
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "ready", listener: () => void): void;
  connect(): Promise<unknown>;
  readonly isOpen: boolean;
  readonly isReady: boolean;
  destroy(): void;
  unref(): void;
}

interface RedisPackage {
  createClient(options: object): ConnectingClient;
}

export interface OpenRedisOptions {
  /** Receives problems of the connection, at most one per minute. */
  readonly warn: (message: string) => void;
  /** Loads the package `redis`. */
  readonly load: LoadPackage;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A connection without traffic for this time is closed. Pings prevent that for an idle connection. */
const SOCKET_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 3000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

/**
 * Connects to Redis in the background, so an application starts even if the server is down.
 *
 * @throws PortalAuthError `options_invalid` if the package is older than version 5, or the URL is invalid
 */
export function openRedis(url: string, { warn, load }: OpenRedisOptions): ConnectedStore {
  const client = createRedisClient(url, load("redis") as RedisPackage);
  const connection = watchRedisConnection(client, createErrorReporter("Redis", warn));
  client.connect().catch(() => {}); // The event "error" reports it, and the client reconnects.
  const pingTimer = setInterval(() => client.isReady && client.ping().catch(() => {}), PING_INTERVAL_MS);
  // The connection does not keep the process alive.
  pingTimer.unref();
  client.unref();
  return {
    store: createRedisStore(client),
    opened: connection.opened,
    findDurabilityRisks: () => findRedisDurabilityRisks(client),
    getConnectionError: connection.getError,
    findMissingTables: async () => undefined,
    async close() {
      clearInterval(pingTimer);
      connection.stopWaiting();
      if (client.isOpen) client.destroy();
    },
  };
}

function createRedisClient(url: string, { createClient }: RedisPackage): ConnectingClient {
  const client = rejectInvalidUrl(() =>
    createClient({
      url,
      // Without a connection, a request fails at once. Otherwise, waiting requests would accumulate.
      disableOfflineQueue: true,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: SOCKET_TIMEOUT_MS,
        reconnectStrategy: computeReconnectPause,
      },
    }),
  );
  if (typeof client.destroy !== "function")
    throw createInvalidStoreError("needs the package redis from version 5: npm install redis@latest");
  return client;
}

/** Replaces the client's own error, because it can contain the URL, and a URL can contain a password. */
function rejectInvalidUrl<T>(create: () => T): T {
  try {
    return create();
  } catch {
    throw createInvalidStoreError("is not a valid URL. The format is redis://name:password@host:6379/0");
  }
}

const computeReconnectPause = (attempts: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10), MAX_PAUSE_MS);

function watchRedisConnection(client: ConnectingClient, report: (error: Error) => void) {
  let lastError: string | undefined;
  let stopWaiting = () => {};
  const opened = new Promise<void>((resolve) => {
    stopWaiting = resolve;
  });
  client.on("ready", () => {
    lastError = undefined;
    stopWaiting();
  });
  // Without a listener, the first lost connection would end the process.
  client.on("error", (error) => {
    lastError = describeConnectionError(error);
    report(error);
    stopWaiting();
  });
  return { opened, stopWaiting, getError: () => lastError };
}
