import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { noRedis } from "../support/servers/redis.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SECONDS = 1000;

const bench = (...args: string[]) =>
  promisify(execFile)(process.execPath, ["test/bench/run.mjs", ...args], { cwd: ROOT });

const SHORT = ["--launches", "1", "--warm-up", "1", "--rounds", "1", "--requests", "20"];

for (const [name, unit, target, missing] of [
  ["guard", "request", "1.05", ""],
  ["own-session", "request", "0.90", ""],
  ["own-session-redis", "request", "0.90", noRedis],
  ["login", "login", "1.10", ""],
] as const)
  test.skipIf(missing)(
    `the ${name} benchmark gets every answer that it asks for, and reports the ratios${missing && ` (${missing})`}`,
    async () => {
      const { stdout } = await bench(name, ...SHORT); // it ends with 1 when an answer is missing or is not the right one
      const [, title, size, head, first, again, ours, ...more] = stdout.trimEnd().split("\n");
      expect(title).toMatch(new RegExp(`^${name}: `));
      expect(size).toBe(`1 launches, 1 rounds each, 20 ${unit}s of each program a round`);
      expect(head).toMatch(new RegExp(`CPU per ${unit}, median +ratio +quartiles`));
      expect(first).toMatch(/^ {2}hand-written +\d+\.\d µs$/);
      expect(again).toMatch(/^ {2}hand-written again +\d+\.\d µs +\d\.\d{3} +\d\.\d{3} to \d\.\d{3}$/);
      expect(ours).toMatch(/^ {2}express-portal-auth +\d+\.\d µs +\d\.\d{3} +\d\.\d{3} to \d\.\d{3}/);
      expect(ours).toMatch(new RegExp(`target: at most ${target}, (met|missed)$`));
      const names = more.map((line) => line.trim().split("  ")[0]);
      expect(names).toEqual(name === "guard" ? ["with everything on"] : []);
    },
    60 * SECONDS,
  );

test.skipIf(noRedis)(
  `the logout benchmark ends every session that it has begun, and counts what a login writes${noRedis && ` (${noRedis})`}`,
  async () => {
    const { stdout } = await bench("logout", "--sessions", "20", "--rounds", "1");
    const [, title, token, person, writes, ...more] = stdout.trimEnd().split("\n");
    expect(title).toBe("logout: 20 sessions of one person on Redis, ended 1 times each way");
    for (const line of [token, person]) expect(line).toMatch(/\d ms +\d+ to \d+ +target: under 1000 ms, met$/);
    expect(writes).toMatch(/^ {2}writes of a visitor's login +3 +\{.+\}; target: at most 3, met$/);
    expect(more).toEqual([]);
  },
  60 * SECONDS,
);

test("a benchmark that does not exist is named, beside those that do", async () => {
  await expect(bench("gaurd")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "there is no benchmark gaurd, but guard, own-session, own-session-redis, login, refresh, logout",
    ),
  });
});
