import type { Store } from "express-session";
import type { Trouble } from "./durability.js";
import { type Load, type OpenStore, reasonOf, storeRefused, troubleWith } from "./opened.js";
import { isRedisStore } from "./redis-update.js";

interface Client {
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "ready", listener: () => void): void;
  once(event: "ready" | "error", listener: () => void): void;
  connect(): Promise<unknown>;
  ping(): Promise<unknown>;
  configGet(parameter: string): Promise<Record<string, string>>;
  readonly isOpen: boolean;
  readonly isReady: boolean;
  destroy(): void;
  unref(): void;
}

interface Packages {
  redis: { createClient(options: object): Client };
  "connect-redis": { RedisStore: new (options: { client: Client; prefix: string }) => Store };
}

const PREFIX = "portal-session:";
const NEEDS_NEWER = "needs connect-redis 9 and redis 5, or newer: npm install redis@latest connect-redis@latest";
const CONNECT_MS = 5000;
/** A connection on which nothing moves for so long is dead, whatever TCP believes; pings keep one that is idle from it. */
const SILENCE_MS = 10_000;
const PING_EVERY_MS = 3000;
const RECONNECT_AT_MOST_MS = 2000;

export function openRedis(url: string, warn: (message: string) => void, load: Load): OpenStore {
  const { createClient } = load("redis") as Packages["redis"];
  const { RedisStore } = load("connect-redis") as Packages["connect-redis"];
  if (typeof RedisStore !== "function") throw storeRefused(NEEDS_NEWER);
  const client = clientOf(createClient, {
    url,
    // while there is no connection a request fails at once: one that waits for Redis to come back piles up with others
    disableOfflineQueue: true,
    socket: {
      connectTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      reconnectStrategy: (attempts: number) => Math.min(50 * 2 ** Math.min(attempts, 10), RECONNECT_AT_MOST_MS),
    },
  });
  const store = new RedisStore({ client, prefix: PREFIX });
  if (!isRedisStore(store) || typeof client.destroy !== "function") throw storeRefused(NEEDS_NEWER);
  const tell = troubleWith("Redis", warn);
  let trouble: string | undefined; // what fails meanwhile says no more than that the client is offline
  client.on("ready", () => {
    trouble = undefined;
  });
  // without a listener the first lost connection would end the process
  client.on("error", (error) => {
    trouble = reasonOf(error);
    tell(error);
  });
  let settle = () => {};
  const opened = new Promise<void>((resolve) => {
    settle = resolve;
    client.once("ready", resolve);
    client.once("error", resolve);
  });
  client.connect().catch(() => {}); // told as an error event, and tried again
  const pinging = setInterval(() => client.isReady && client.ping().catch(() => {}), PING_EVERY_MS);
  // a process that has nothing else to do may end
  pinging.unref();
  client.unref();
  return {
    store,
    opened,
    durability: () => durabilityOf(client),
    trouble: () => trouble,
    lacks: async () => undefined,
    async close() {
      clearInterval(pinging);
      settle(); // who waits for the first connection waits no longer
      if (client.isOpen) client.destroy();
    },
  };
}

/** A user that may not read the configuration (managed services) is told nothing. */
async function durabilityOf(client: Client): Promise<Trouble[] | undefined> {
  await client.ping();
  const read = async (name: string) => (await client.configGet(name).catch(() => undefined))?.[name];
  const [save, appendonly, policy] = await Promise.all([read("save"), read("appendonly"), read("maxmemory-policy")]);
  if (save === undefined && appendonly === undefined) return undefined;
  const troubles: Trouble[] = [];
  if (save === "" && appendonly === "no")
    troubles.push({
      found: "Redis writes nothing to disk",
      advice: "everybody is signed out when it restarts: turn on appendonly, or save",
    });
  if (policy !== undefined && policy !== "noeviction")
    // sessions have an end, so volatile-… takes them as well
    troubles.push({
      found: `maxmemory-policy is ${policy}`,
      advice: "people are signed out when memory runs short: noeviction tells you instead",
    });
  return troubles;
}

function clientOf(createClient: Packages["redis"]["createClient"], options: object): Client {
  try {
    return createClient(options);
  } catch {
    throw storeRefused("is not understood by its client: write it as redis://name:password@host:6379/0");
  }
}
