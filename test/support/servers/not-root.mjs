import { readFileSync } from "node:fs";

/**
 * Returns options that start a database as another user, because databases do not run as root, the user of
 * CI.
 */
export function notRoot(name) {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8");
  const find = (userName) => new RegExp(`^${userName}:[^:]*:(\\d+):(\\d+):`, "m").exec(users);
  const [, uid, gid] = find(name) ?? find("nobody") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
