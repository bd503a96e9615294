import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/**
 * Sends a signal to a process and its children. Each process of PostgreSQL has its own process group. The
 * parent comes first: after it has stopped, it starts no more children.
 */
export function signalAll(pid, name) {
  process.kill(pid, name);
  for (const child of childrenOf(pid)) signalIfThere(child, name);
}

function signalIfThere(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function childrenOf(pid) {
  const onLinux = `/proc/${pid}/task/${pid}/children`;
  if (existsSync(onLinux)) return readFileSync(onLinux, "utf8").split(" ").filter(Boolean).map(Number);
  const all = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const pairs = all.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.filter(([, parent]) => parent === pid).map(([child]) => child);
}
