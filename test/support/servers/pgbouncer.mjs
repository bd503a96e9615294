import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPgbouncer } from "./find.mjs";
import { onFreePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";
import { notRoot } from "./not-root.mjs";
import { startInFolder } from "./temporary-folder.mjs";

const program = findPgbouncer();

export const noPgbouncer =
  program || process.env["CI"]
    ? ""
    : "skipped: no pgbouncer. To run it: apt-get install pgbouncer, or set PGBOUNCER_PATH";

export const startPgbouncer = (postgresPort) =>
  startInFolder("pgbouncer", (folder) => onFreePort((port) => startIn(folder, port, postgresPort)));

async function startIn(folder, port, postgresPort) {
  const user = notRoot("postgres");
  writeConfiguration(folder, port, postgresPort);
  if (user) chownSync(folder, user.uid, user.gid);
  const options = { ...user, cwd: folder, ready: /process up: PgBouncer/, end };
  const { stop } = await launch(program ?? "pgbouncer", ["pgbouncer.ini"], options);
  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop };
}

/**
 * Two connections to the server for all clients, so that consecutive statements of a client run on
 * different ones.
 */
function writeConfiguration(folder, port, postgresPort) {
  writeFileSync(join(folder, "users.txt"), '"postgres" ""\n');
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: "users.txt",
    pool_mode: "transaction",
    default_pool_size: 2,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const databases = `[databases]\n* = host=127.0.0.1 port=${postgresPort}\n`;
  writeFileSync(join(folder, "pgbouncer.ini"), `${databases}[pgbouncer]\n${lines.join("\n")}\n`);
}

const end = (pid) => process.kill(pid, "SIGKILL");
