import type { EntryStore, RecordIndex, SessionEntry, StoredRecord } from "./record-store.js";
import { createScriptRunner, type RedisClient, type RunScript } from "./redis-client.js";
import * as scripts from "./redis-scripts.js";
import type { AppPart } from "./serialize-session.js";

const DEFAULT_PREFIX = "portal:";
/** About 3,000 years. Redis rejects much longer lifetimes, and JavaScript cannot represent them exactly. */
const MAX_LIFE_MS = 1e14;

/**
 * Creates a store in Redis 6 or later, Redis Cluster or Valkey. Records and sessions expire by the server's
 * clock.
 *
 * If the connection is lost, ioredis repeats a script that may already have run. Then `create` and `replace`
 * can resolve to false, and `remove` to undefined, although the first run has changed the record.
 *
 * @param client a client, pool, cluster or sentinel of the package redis, or a Redis or Cluster of ioredis
 *
 * @throws PortalAuthError `options_invalid` if the client returns no promises
 */
export function createRedisStore(client: RedisClient, { prefix = DEFAULT_PREFIX } = {}): EntryStore {
  return new RedisStore(createScriptRunner(client), prefix);
}

class RedisStore implements EntryStore {
  readonly index: RecordIndex;
  readonly #run: RunScript;

  constructor(run: RunScript, prefix: string) {
    this.#run = (script, key, args) => run(script, prefix + key, args);
    this.index = createIndex(this.#run);
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    return toRecord(await this.#run(scripts.READ, key));
  }

  async create(key: string, text: string, lifeMs: number): Promise<boolean> {
    return isTrueReply(await this.#run(scripts.CREATE, key, [serializeLife(lifeMs), text]));
  }

  async replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    return isTrueReply(await this.#run(scripts.REPLACE, key, [serializeLife(lifeMs), String(version), text]));
  }

  async touch(key: string, lifeMs: number): Promise<boolean> {
    return isTrueReply(await this.#run(scripts.TOUCH, key, [serializeLife(lifeMs)]));
  }

  async remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    return toRecord(await this.#run(scripts.REMOVE, key, [version === undefined ? "" : String(version)]));
  }

  async readEntry(key: string): Promise<SessionEntry | undefined> {
    return toEntry(await this.#run(scripts.READ_ENTRY, key));
  }

  async createEntry(key: string, app: AppPart, record: string | undefined, lifeMs: number): Promise<void> {
    const fields = record === undefined ? ["v", "0"] : ["v", "1", "r", record];
    await this.#run(scripts.CREATE_ENTRY, key, [serializeLife(lifeMs), ...fields, ...toFields(app)]);
  }

  async updateEntry(
    key: string,
    changed: AppPart,
    removed: readonly string[],
    lifeMs: number | undefined,
  ): Promise<boolean> {
    const fields = toFields(changed);
    const args = [serializeLife(lifeMs), String(2 + fields.length), ...fields, ...removed.map(toField)];
    return isTrueReply(await this.#run(scripts.UPDATE_ENTRY, key, args));
  }
}

function createIndex(run: RunScript): RecordIndex {
  const getListKey = (list: string) => `list:${list}`;
  return {
    async add(list, name, lifeMs) {
      await run(scripts.ADD_NAME, getListKey(list), [serializeLife(lifeMs), name]);
    },
    async list(list) {
      const names = (await run(scripts.LIST_NAMES, getListKey(list))) as unknown[];
      return names.map(String);
    },
    async remove(list, names) {
      if (names.length > 0) await run(scripts.REMOVE_NAMES, getListKey(list), names);
    },
  };
}

/**
 * Converts a lifetime to the argument of a script. NaN is rejected here, because the script would fail only
 * after it has written.
 */
function serializeLife(lifeMs: number | undefined): string {
  if (lifeMs === undefined) return "";
  if (Number.isNaN(lifeMs)) throw new TypeError("the lifetime of a record or session is not a number");
  return String(Math.min(Math.max(Math.ceil(lifeMs), 0), MAX_LIFE_MS));
}

const FIELD = "s:";

const toField = (name: string) => FIELD + name;

const toFields = (app: AppPart) => Object.entries(app).flatMap(([name, json]) => [toField(name), json]);

const isTrueReply = (reply: unknown) => Number(reply) === 1;

/** A client may be set to return buffers instead of strings, or strings instead of numbers. */
function toRecord(reply: unknown): StoredRecord | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [text, version, lifeMs] = reply;
  return { text: String(text), version: Number(version), lifeMs: Number(lifeMs) };
}

function toEntry(reply: unknown): SessionEntry | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [lifeMs, ...fields] = reply;
  const parts = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) parts.set(String(fields[i]), String(fields[i + 1]));
  const text = parts.get("r");
  const app = [...parts].filter(([field]) => field.startsWith(FIELD));
  return {
    app: Object.fromEntries(app.map(([field, json]) => [field.slice(FIELD.length), json])),
    record: text === undefined ? undefined : { text, version: Number(parts.get("v")) },
    lifeMs: Number(lifeMs),
  };
}
