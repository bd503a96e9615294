import { createRequire } from "node:module";
import { type Load, type OpenStore, storeRefused } from "./opened.js";
import { openPostgres } from "./postgres.js";
import { openRedis } from "./redis.js";

/**
 * The store that SESSION_STORE_URL names: `redis:`, `rediss:`, `postgres:` or `postgresql:`. It connects in the
 * background: a store that is down when the app starts is a store that is down, and no more.
 *
 * @param makesTable whether a table that is missing is made; default true
 *
 * @throws PortalAuthError `options_invalid` when its packages are not installed
 */
export function openStore(
  address: string,
  warn: (message: string) => void,
  { load = loadPackage, makesTable = true }: { load?: Load; makesTable?: boolean } = {},
): OpenStore {
  if (address.startsWith("redis")) return openRedis(address, warn, load);
  return openPostgres(address, warn, load, makesTable);
}

const require = createRequire(import.meta.url);

function loadPackage(name: string): unknown {
  try {
    return require(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    const packages = name.includes("redis") ? "redis connect-redis@9" : "pg connect-pg-simple";
    throw storeRefused(`needs packages that are not installed: npm install ${packages}`);
  }
}
