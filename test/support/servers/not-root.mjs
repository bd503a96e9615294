import { readFileSync } from "node:fs";

/** Databases refuse to run as root, which is what CI runs as. Then the user whom the package brings, or nobody. */
export function notRoot(name) {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8");
  const find = (one) => new RegExp(`^${one}:[^:]*:(\\d+):(\\d+):`, "m").exec(users);
  const [, uid, gid] = find(name) ?? find("nobody") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
