import { chownSync } from "node:fs";
import { findMariadb } from "./find.mjs";
import { onFreePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";
import { notRoot } from "./not-root.mjs";
import { startInFolder } from "./temporary-folder.mjs";

const program = findMariadb();

export const noMariadb =
  program || process.env["CI"]
    ? ""
    : "skipped: no MariaDB. To run it: apt-get install mariadb-server-core, or set MARIADBD_PATH";

export const startMariadb = () =>
  startInFolder("mariadb", (folder) => onFreePort((port) => startIn(folder, port)));

async function startIn(folder, port) {
  const user = notRoot("mysql");
  if (user) chownSync(folder, user.uid, user.gid);
  const { pid, stop } = await launchMariadb(port, folder, user);
  return {
    url: `mysql://root@127.0.0.1:${port}`,
    port,
    pid,
    folder,
    pause: () => process.kill(pid, "SIGSTOP"),
    resume: () => process.kill(pid, "SIGCONT"),
    stop,
  };
}

function launchMariadb(port, folder, user) {
  const settings = {
    datadir: folder,
    tmpdir: folder,
    socket: `${folder}/mariadb.sock`,
    "pid-file": `${folder}/mariadb.pid`,
    port,
    "bind-address": "127.0.0.1",
    "innodb-flush-log-at-trx-commit": 0,
    "innodb-log-file-size": "8M",
    "innodb-buffer-pool-size": "32M",
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  // Without tables of users, every user has all rights, and an empty folder is enough.
  const all = ["--no-defaults", "--skip-grant-tables", ...args];
  const options = { ...user, cwd: folder, env: { PATH: process.env["PATH"], LC_ALL: "C" } };
  return launch(program ?? "mariadbd", all, { ...options, ready: /ready for connections/, end });
}

/** Kills the server without a last write: its data is discarded. SIGKILL also ends a suspended process. */
const end = (pid) => process.kill(pid, "SIGKILL");
