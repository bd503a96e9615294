import { execFileSync } from "node:child_process";
import { chownSync } from "node:fs";
import { join } from "node:path";
import { findPostgres } from "./find.mjs";
import { onFreePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";
import { notRoot } from "./not-root.mjs";
import { signalAll } from "./process-tree.mjs";
import { startInFolder } from "./temporary-folder.mjs";

const programs = findPostgres();
const program = (name) => join(programs ?? "", name);

export const noPostgres =
  programs || process.env["CI"]
    ? ""
    : "skipped: no PostgreSQL. To run it: apt-get install postgresql, " +
      "or set POSTGRES_BIN to the folder of initdb";

export const startPostgres = () => startInFolder("postgres", startIn);

async function startIn(folder) {
  const user = notRoot("postgres");
  // Only PATH is passed on: PGPORT would change the port, and LANG the language of the log that is read here.
  const options = { ...user, cwd: folder, env: { PATH: process.env["PATH"], LC_ALL: "C" } };
  if (user) chownSync(folder, user.uid, user.gid);
  initialize(options);
  const [{ pid, stop }, port] = await onFreePort(async (port) => [await launchPostgres(port, options), port]);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    port,
    pid,
    folder,
    pause: () => signalAll(pid, "SIGSTOP"),
    resume: () => signalAll(pid, "SIGCONT"),
    stop,
  };
}

/** Runs initdb synchronously: if it is interrupted, it leaves shared memory behind. */
function initialize(options) {
  const settings = [
    "--locale=C",
    "--encoding=UTF8",
    "--username=postgres",
    "--auth=trust",
    "--wal-segsize=1",
  ];
  const args = ["-D", join(options.cwd, "data"), ...settings, "--no-sync", "--no-instructions"];
  execFileSync(program("initdb"), args, { ...options, detached: true, stdio: "pipe" });
}

function launchPostgres(port, options) {
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: options.cwd,
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    authentication_timeout: 3, // seconds; at its end the server waits this long for a silent client
    dynamic_shared_memory_type: "mmap", // in the folder, which is removed
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const ready = /database system is ready to accept connections/;
  return launch(program("postgres"), ["-D", join(options.cwd, "data"), ...args], { ...options, ready, end });
}

/**
 * Starts the "immediate shutdown". It releases shared memory and writes nothing, because the data is
 * discarded.
 */
function end(pid) {
  process.kill(pid, "SIGQUIT");
  signalAll(pid, "SIGCONT"); // it may be suspended
}
