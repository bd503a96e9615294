import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

const DEBIAN = "/usr/lib/postgresql"; // a folder for each version, none of them in PATH

/** The path of redis-server, if this machine has it. */
export const findRedis = () => process.env["REDIS_SERVER_PATH"] || find("redis-server", path());

/** The folder of initdb, pg_ctl and postgres, if this machine has them. */
export function findPostgres() {
  const initdb = find("initdb", [...path(), ...debianVersions()]);
  return process.env["POSTGRES_BIN"] || (initdb && dirname(realpathSync(initdb)));
}

/** The path of mariadbd, if this machine has it. */
export const findMariadb = () => process.env["MARIADBD_PATH"] || find("mariadbd", [...path(), "/usr/sbin"]);

/** The path of pgbouncer, if this machine has it. Debian has it where only root's PATH leads. */
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
