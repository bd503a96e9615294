import {
  type ConnectedStore,
  createErrorReporter,
  createInvalidStoreError,
  type DurabilityRisk,
  describeConnectionError,
  type LoadPackage,
} from "./connected-store.js";
import type { NodeRedisClient } from "./redis-client.js";
import { createRedisStore } from "./redis-store.js";

interface ConnectingClient extends NodeRedisClient {
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "ready", listener: () => void): void;
  connect(): Promise<unknown>;
  ping(): Promise<unknown>;
  configGet(parameter: string): Promise<Record<string, string>>;
  readonly isOpen: boolean;
  readonly isReady: boolean;
  destroy(): void;
  unref(): void;
}

interface RedisPackage {
  createClient(options: object): ConnectingClient;
}

export interface OpenRedisOptions {
  /** Receives what fails on the connection, at most once a minute. */
  readonly warn: (message: string) => void;
  /** Loads the package `redis`. */
  readonly load: LoadPackage;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A connection without any traffic for so long is dead. Pings keep an idle connection from it. */
const SOCKET_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 3000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

/**
 * Connects to Redis in the background. An application starts although the server is down.
 *
 * @throws PortalAuthError `options_invalid` if the package is older than version 5, or the address is invalid
 */
export function openRedis(url: string, { warn, load }: OpenRedisOptions): ConnectedStore {
  const client = createRedisClient(url, load("redis") as RedisPackage);
  const connection = watchRedisConnection(client, createErrorReporter("Redis", warn));
  client.connect().catch(() => {}); // The event "error" reports it, and the client tries again.
  const pingTimer = setInterval(() => client.isReady && client.ping().catch(() => {}), PING_INTERVAL_MS);
  // A process that has nothing else to do may end.
  pingTimer.unref();
  client.unref();
  return {
    store: createRedisStore(client),
    opened: connection.opened,
    findDurabilityRisks: () => findDurabilityRisks(client),
    getConnectionError: connection.trouble,
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
      // Without a connection a request fails at once. Requests that wait for the server would pile up.
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

/** The client's own error can contain the address, and an address can contain a password. */
function rejectInvalidUrl<T>(create: () => T): T {
  try {
    return create();
  } catch {
    throw createInvalidStoreError("is not a valid address: write it as redis://name:password@host:6379/0");
  }
}

const computeReconnectPause = (attempts: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10), MAX_PAUSE_MS);

function watchRedisConnection(client: ConnectingClient, report: (error: Error) => void) {
  let trouble: string | undefined;
  let stopWaiting = () => {};
  const opened = new Promise<void>((resolve) => {
    stopWaiting = resolve;
  });
  client.on("ready", () => {
    trouble = undefined;
    stopWaiting();
  });
  // Without a listener the first lost connection would end the process.
  client.on("error", (error) => {
    trouble = describeConnectionError(error);
    report(error);
    stopWaiting();
  });
  return { opened, stopWaiting, trouble: () => trouble };
}

/** Managed services often do not let a user read the configuration. */
async function findDurabilityRisks(client: ConnectingClient): Promise<DurabilityRisk[] | undefined> {
  await client.ping();
  const read = async (name: string) => (await client.configGet(name).catch(() => undefined))?.[name];
  const [save, appendonly, policy] = await Promise.all(["save", "appendonly", "maxmemory-policy"].map(read));
  if (save === undefined && appendonly === undefined && policy === undefined) return undefined;
  const risks: DurabilityRisk[] = [];
  if (save === "" && appendonly === "no") risks.push(NO_PERSISTENCE);
  // The volatile policies remove our keys, too, because each has an end.
  if (policy !== undefined && policy !== "noeviction")
    risks.push({ by: "eviction", found: `maxmemory-policy is ${policy}`, advice: EVICTION_ADVICE });
  return risks;
}

const NO_PERSISTENCE: DurabilityRisk = {
  by: "restart",
  found: "Redis writes nothing to disk",
  advice: "all users are signed out when it restarts: turn on appendonly or save",
};

const EVICTION_ADVICE =
  "set it to noeviction: when memory is short, Redis removes logins, which signs users out, " +
  'and lists of logins, so that "log out everywhere" misses devices';
