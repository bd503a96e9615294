import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPgbouncer } from "./find.mjs";
import { onFreePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";
import { notRoot } from "./postgres.mjs";
import { temporaryFolder } from "./temporary-folder.mjs";

const program = findPgbouncer();

export const noPgbouncer =
  program || process.env["CI"]
    ? ""
    : "skipped: no pgbouncer. To run it: apt-get install pgbouncer, or set PGBOUNCER_PATH";

export async function startPgbouncer(postgresPort) {
  const user = notRoot();
  const folder = temporaryFolder("pgbouncer");
  try {
    const run = async (port) => {
      writeConfiguration(folder.path, port, postgresPort);
      if (user) chownSync(folder.path, user.uid, user.gid);
      const options = { ...user, cwd: folder.path, ready: /process up: PgBouncer/, end };
      return [await launch(program ?? "pgbouncer", ["pgbouncer.ini"], options), port];
    };
    const [{ pid, runs, exited }, port] = await onFreePort(run);
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      async stop() {
        if (runs()) end(pid);
        await exited;
        folder.remove();
      },
    };
  } catch (error) {
    folder.remove();
    throw error;
  }
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
