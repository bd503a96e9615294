import { createLog, createSafeWrite } from "./answer/log.js";
import type { Logger } from "./contract/logger.js";
import { PortalAuthError } from "./errors/portal-auth-error.js";
import { emitNothing } from "./events/event-emitter.js";
import { createMemoryStore } from "./store/memory-store.js";
import { describeInvalidStore, isStore, openStore } from "./store/open-store.js";
import { PortalSessionStore } from "./store/portal-session-store.js";
import { lifetimeByCookie } from "./store/session-lifetime.js";
import type { PortalStore, StoreInput } from "./store/store-option.js";
import { isStoreUrl, MEMORY_URL } from "./store/store-url.js";

/** Options of createStore(). */
export interface CreateStoreOptions {
  /** Receives problems of the connection, at most one a minute. Default: the console. */
  readonly logger?: Logger;
}

/**
 * Creates a store for the application's own express-session. It keeps a session and its login together.
 * Requests that change different keys of a session at the same time lose nothing. No slow request brings a
 * destroyed session back.
 *
 *     const store = createStore(process.env.SESSION_STORE_URL);
 *     app.use(session({ store, secret, resave: false, saveUninitialized: false }));
 *     app.use(portalAuth({ store })); // shares the connection
 *
 * createStore() reads no environment variable. It rejects undefined, the value of a variable that is not set.
 *
 * @param given one of these:
 *   - `memory:`, or the URL of a server: `redis:`, `rediss:`, `postgres:` or `postgresql:`
 *   - a client of the package redis or ioredis, or a Pool of pg
 *   - an adapter for another database
 * @throws PortalAuthError `options_invalid`
 */
export function createStore(given: StoreInput | undefined, { logger }: CreateStoreOptions = {}): PortalStore {
  if (!isStoreInput(given)) throw new PortalAuthError("options_invalid", { detail: describeProblem(given) });
  if (given === MEMORY_URL) return new PortalSessionStore(createMemoryStore());
  const { warn } = createLog(logger && createSafeWrite(logger), emitNothing);
  const { store, opened, close } = openStore(given, { warn });
  return new PortalSessionStore(store, lifetimeByCookie, { opened, close });
}

function isStoreInput(given: StoreInput | undefined): given is StoreInput {
  return typeof given === "string" ? isStoreUrl(given) : Boolean(given) && isStore(Object(given));
}

/** Describes the problem without the value, because a URL can contain a password. */
function describeProblem(given: unknown): string {
  if (typeof given === "object" && given !== null)
    return `\n  - createStore(): the argument ${describeInvalidStore(given)}`;
  const found = given === undefined ? "got undefined: is the environment variable set? Pass" : "pass";
  return `\n  - createStore(): ${found} ${NEEDED}`;
}

const NEEDED =
  "memory:, redis://…, rediss://… or postgres://… (in a password #, @ and / are written %23, %40 and %2F), " +
  "a client of redis or ioredis, a Pool of pg, or an adapter";
