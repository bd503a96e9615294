import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

const DEBIAN = "/usr/lib/postgresql"; // It has a folder for each version. None of them is in PATH.

/** Returns the path of redis-server; undefined if it is not installed. */
export const findRedis = () => process.env["REDIS_SERVER_PATH"] || find("redis-server", path());

/** Returns the folder of initdb, pg_ctl and postgres; undefined if they are not installed. */
export function findPostgres() {
  const initdb = find("initdb", [...path(), ...debianVersions()]);
  return process.env["POSTGRES_BIN"] || (initdb && dirname(realpathSync(initdb)));
}

/** Returns the path of mariadbd; undefined if it is not installed. */
export const findMariadb = () => process.env["MARIADBD_PATH"] || find("mariadbd", [...path(), "/usr/sbin"]);

/**
 * Returns the path of pgbouncer; undefined if it is not installed. On Debian, only root's PATH contains its
 * folder.
 */
export const findPgbouncer = () =>
  process.env["PGBOUNCER_PATH"] || find("pgbouncer", [...path(), "/usr/sbin"]);

const path = () => (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);

const find = (program, folders) =>
  folders.map((folder) => join(folder, program)).find((file) => existsSync(file));

function debianVersions() {
  if (!existsSync(DEBIAN)) return [];
  const newestFirst = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  return newestFirst.map((version) => join(DEBIAN, version, "bin"));
}
