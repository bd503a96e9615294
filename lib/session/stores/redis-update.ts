import type { Store } from "express-session";
import { isRecord } from "../record.js";
import type { StoredSession } from "../stored.js";
import { optimisticUpdate, type Update } from "../update.js";

/** What we use of connect-redis from version 9, which hands its client on as it is. */
interface RedisStore {
  readonly client: RedisClient;
  readonly prefix: string;
  readonly serializer: { parse(text: string): unknown; stringify(session: unknown): string | Promise<string> };
  readonly ttl: number | ((session: unknown) => number);
  readonly disableTTL: boolean;
}

/** What we use of the client of `redis`. */
interface RedisClient {
  get(key: string): Promise<string | null>;
  /** So spelt by `redis` from version 4: ioredis, which takes the arguments of eval in another way, has mget. */
  mGet(keys: string[]): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

export function isRedisStore(store: Store): boolean {
  const { client, prefix, serializer } = store as unknown as Partial<RedisStore>;
  return (
    typeof client?.get === "function" &&
    typeof client.eval === "function" &&
    typeof client.mGet === "function" &&
    !("v4" in client) && // legacyMode: its methods want callbacks
    typeof prefix === "string" &&
    typeof serializer?.parse === "function"
  );
}

/** Redis runs a script as a whole, and a SET with a condition on the old value it has only since version 8.4. */
const REPLACE = `
if (redis.call("GET", KEYS[1]) or "") ~= ARGV[1] then return 0 end
if ARGV[2] == "" then redis.call("DEL", KEYS[1])
elseif ARGV[3] == "" then redis.call("SET", KEYS[1], ARGV[2])
else redis.call("SET", KEYS[1], ARGV[2], "EX", ARGV[3]) end
return 1`;

export function redisUpdate(from: Store): Update {
  const store = from as unknown as RedisStore;
  return optimisticUpdate({
    async read(id) {
      const text = await store.client.get(store.prefix + id);
      return text ? { text, session: (await store.serializer.parse(text)) as StoredSession } : undefined;
    },
    async replace(id, text, next) {
      const seconds = next && (isRecord(id) ? secondsUntil(next) : secondsLeft(store, next));
      const lives = next && (seconds === undefined || seconds === null || seconds > 0);
      const value = lives ? await store.serializer.stringify(next) : "";
      const keys = [store.prefix + id];
      return (await store.client.eval(REPLACE, { keys, arguments: [text ?? "", value, String(seconds ?? "")] })) === 1;
    },
  });
}

/** As connect-redis counts it when it writes a session itself; undefined for ever. */
function secondsLeft({ ttl, disableTTL }: RedisStore, next: StoredSession): number | undefined {
  if (disableTTL) return undefined;
  if (typeof ttl === "function") return ttl(next);
  return secondsUntil(next) ?? ttl;
}

function secondsUntil({ cookie: { expires } }: StoredSession): number | undefined {
  return expires ? Math.ceil((new Date(expires).getTime() - Date.now()) / 1000) : undefined;
}
