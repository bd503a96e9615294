import { createInvalidStoreError } from "./connected-store.js";
import type { RedisScript } from "./redis-scripts.js";

/** A client, pool, cluster or sentinel of the package redis. */
export interface NodeRedisClient {
  /** Runs a script that the server has cached. */
  evalSha(sha1: string, options: RedisEvalOptions): Promise<unknown>;
  /** Runs a script by its text. */
  eval(script: string, options: RedisEvalOptions): Promise<unknown>;
}

/** The arguments of a script. */
export interface RedisEvalOptions {
  /** The keys that the script reads or writes. */
  readonly keys: string[];
  /** The other arguments of the script. */
  readonly arguments: string[];
}

/** The clients of the package ioredis: Redis and Cluster. */
export interface IoRedisClient {
  /** Runs a script that the server has cached. */
  evalsha(sha1: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
  /** Runs a script by its text. */
  eval(script: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
  /** Adds a command to the client. It is not called, but identifies clients of ioredis. */
  defineCommand(name: string, definition: { lua: string }): void;
}

/** A client of the package redis or ioredis. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** Runs a script with one key on the primary. */
export type RunScript = (script: RedisScript, key: string, args?: readonly string[]) => Promise<unknown>;

/**
 * Recognizes a client of Redis by its methods. `instanceof` does not work, because an application can have
 * another copy of the package.
 */
export const isRedisClient = (value: unknown): value is RedisClient => isNodeRedis(value) || isIoRedis(value);

/**
 * Returns the function that runs scripts with this client.
 *
 * @throws PortalAuthError `options_invalid` if the client returns no promises
 */
export function createScriptRunner(client: RedisClient): RunScript {
  if (isLegacyMode(client))
    throw createInvalidStoreError(
      "is a client of redis in legacy mode, which returns no promises: pass a client without legacy mode",
    );
  const calls = isNodeRedis(client) ? createNodeRedisCalls(client) : createIoRedisCalls(client);
  return async function runScript(script, key, args = []) {
    try {
      return await calls.bySha1(script.sha1, key, args);
    } catch (error) {
      if (!isScriptUnknown(error)) throw error;
      // EVAL also caches the script, so the next call needs only its hash.
      return calls.byText(script.text, key, args);
    }
  };
}

interface ScriptCalls {
  bySha1(sha1: string, key: string, args: readonly string[]): Promise<unknown>;
  byText(text: string, key: string, args: readonly string[]): Promise<unknown>;
}

const createNodeRedisCalls = (client: NodeRedisClient): ScriptCalls => ({
  bySha1: (sha1, key, args) => client.evalSha(sha1, { keys: [key], arguments: [...args] }),
  byText: (text, key, args) => client.eval(text, { keys: [key], arguments: [...args] }),
});

const createIoRedisCalls = (client: IoRedisClient): ScriptCalls => ({
  bySha1: (sha1, key, args) => client.evalsha(sha1, 1, key, ...args),
  byText: (text, key, args) => client.eval(text, 1, key, ...args),
});

/** A server loses all cached scripts at a restart, a failover or SCRIPT FLUSH. */
const isScriptUnknown = (error: unknown): boolean => /^NOSCRIPT\b/.test((error as Error).message);

const isNodeRedis = (value: unknown): value is NodeRedisClient => hasMethods(value, ["eval", "evalSha"]);

function isIoRedis(value: unknown): value is IoRedisClient {
  return hasMethods(value, ["eval", "evalsha", "defineCommand"]);
}

/**
 * Version 4 has the option `legacyMode`. Later versions have `legacy()`, which returns a client without
 * `connect`.
 */
function isLegacyMode(client: RedisClient): boolean {
  const { options } = client as { options?: { legacyMode?: boolean } };
  return options?.legacyMode === true || (isNodeRedis(client) && !hasMethods(client, ["connect"]));
}

const hasMethods = (value: unknown, names: readonly string[]): boolean =>
  typeof value === "object" &&
  value !== null &&
  names.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
