import { type Load, type Loss, type OpenStore, reasonOf, storeRefused, troubleWith } from "./opened.js";
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
  readonly load: Load;
}

const CONNECT_MS = 5000;
/** A connection without any traffic for so long is dead. Pings keep an idle connection from it. */
const SILENCE_MS = 10_000;
const PING_EVERY_MS = 3000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

/**
 * Connects to Redis in the background. An application starts although the server is down.
 *
 * @throws PortalAuthError `options_invalid` if the package is older than version 5, or the address is invalid
 */
export function openRedis(url: string, { warn, load }: OpenRedisOptions): OpenStore {
  const client = createClientFor(url, load("redis") as RedisPackage);
  const connection = watchConnection(client, troubleWith("Redis", warn));
  client.connect().catch(() => {}); // The event "error" reports it, and the client tries again.
  const pinging = setInterval(() => client.isReady && client.ping().catch(() => {}), PING_EVERY_MS);
  // A process that has nothing else to do may end.
  pinging.unref();
  client.unref();
  return {
    store: createRedisStore(client),
    opened: connection.opened,
    durability: () => durabilityOf(client),
    trouble: connection.trouble,
    lacks: async () => undefined,
    async close() {
      clearInterval(pinging);
      connection.stopWaiting();
      if (client.isOpen) client.destroy();
    },
  };
}

function createClientFor(url: string, { createClient }: RedisPackage): ConnectingClient {
  const client = withValidAddress(() =>
    createClient({
      url,
      // Without a connection a request fails at once. Requests that wait for the server would pile up.
      disableOfflineQueue: true,
      socket: { connectTimeout: CONNECT_MS, socketTimeout: SILENCE_MS, reconnectStrategy: pauseBefore },
    }),
  );
  if (typeof client.destroy !== "function")
    throw storeRefused("needs the package redis from version 5: npm install redis@latest");
  return client;
}

/** The client's own error can contain the address, and an address can contain a password. */
function withValidAddress<T>(create: () => T): T {
  try {
    return create();
  } catch {
    throw storeRefused("is not a valid address: write it as redis://name:password@host:6379/0");
  }
}

const pauseBefore = (attempts: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10), LONGEST_PAUSE_MS);

function watchConnection(client: ConnectingClient, report: (error: Error) => void) {
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
    trouble = reasonOf(error);
    report(error);
    stopWaiting();
  });
  return { opened, stopWaiting, trouble: () => trouble };
}

/** Managed services often do not let a user read the configuration. */
async function durabilityOf(client: ConnectingClient): Promise<Loss[] | undefined> {
  await client.ping();
  const read = async (name: string) => (await client.configGet(name).catch(() => undefined))?.[name];
  const [save, appendonly, policy] = await Promise.all(["save", "appendonly", "maxmemory-policy"].map(read));
  if (save === undefined && appendonly === undefined && policy === undefined) return undefined;
  const losses: Loss[] = [];
  if (save === "" && appendonly === "no") losses.push(NOTHING_ON_DISK);
  // The volatile policies remove our keys, too, because each has an end.
  if (policy !== undefined && policy !== "noeviction")
    losses.push({ by: "eviction", found: `maxmemory-policy is ${policy}`, advice: EVICTION });
  return losses;
}

const NOTHING_ON_DISK: Loss = {
  by: "restart",
  found: "Redis writes nothing to disk",
  advice: "all users are signed out when it restarts: turn on appendonly or save",
};

const EVICTION =
  "set it to noeviction: when memory is short, Redis removes logins, which signs users out, " +
  'and lists of logins, so that "log out everywhere" misses devices';
