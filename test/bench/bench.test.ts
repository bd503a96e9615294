import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { noPostgres } from "../support/servers/postgres.mjs";
import { noRedis } from "../support/servers/redis.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SECONDS = 1000;

const bench = (...args: string[]) =>
  promisify(execFile)(process.execPath, ["test/bench/run.mjs", ...args], { cwd: ROOT });

const SHORT = ["--launches", "1", "--warm-up", "1", "--rounds", "1", "--requests", "20"];

const ALL_FEATURES = ["with everything on", "1.40"];
const CREATE_STORE = ["with createStore()", "1.05"];

for (const [name, unit, target, missing, others] of [
  ["guard", "request", "1.40", "", [ALL_FEATURES, CREATE_STORE]],
  ["guard-redis", "request", "1.40", noRedis, [CREATE_STORE]],
  ["own-session", "request", "0.90", "", []],
  ["own-session-redis", "request", "1.00", noRedis, []],
  ["login", "login", "1.10", "", []],
] as const)
  test.skipIf(missing)(
    `the ${name} benchmark gets valid responses, and reports the ratios${missing && ` (${missing})`}`,
    async () => {
      const { stdout } = await bench(name, ...SHORT); // it exits with 1 if a response is missing or wrong
      const [, title, size, head, first, again, ...ours] = stdout.trimEnd().split("\n");
      expect(title).toMatch(new RegExp(`^${name}: `));
      expect(size).toBe(`1 launches, 1 rounds each, 20 ${unit}s of each program a round`);
      expect(head).toMatch(new RegExp(`CPU per ${unit}, median +ratio +quartiles`));
      expect(first).toMatch(/^ {2}hand-written +\d+\.\d µs$/);
      expect(again).toMatch(/^ {2}hand-written again +\d+\.\d µs +\d\.\d{3} +\d\.\d{3} to \d\.\d{3}$/);
      const programs = ours.map((line) => {
        const figures = /^ {2}(\S.*?) +\d+\.\d µs +\d\.\d{3} +\d\.\d{3} to \d\.\d{3}/.source;
        const [, program, limit] =
          new RegExp(`${figures} +target: at most (\\S+), (met|missed)$`).exec(line) ?? [];
        return [program, limit];
      });
      expect(programs).toEqual([["express-portal-auth", target], ...others]);
    },
    60 * SECONDS,
  );

const missing = noRedis || noPostgres;

test.skipIf(missing)(
  `the logout benchmark ends all its sessions, and measures logins${missing && ` (${missing})`}`,
  async () => {
    const { stdout } = await bench("logout", "--sessions", "20", "--rounds", "1");
    const [, title, ...lines] = stdout.trimEnd().split("\n");
    expect(title).toBe("logout: 20 sessions of one user, ended 1 times each way");
    expect(lines).toHaveLength(8);
    for (const [index, server] of ["Redis", "PostgreSQL"].entries()) {
      const [name, token, user, login] = lines.slice(4 * index);
      expect(name).toBe(`  ${server}`);
      for (const line of [token, user])
        expect(line).toMatch(/\d ms +\d+ to \d+ +target: under 1000 ms, met$/);
      expect(login).toMatch(
        /a login at 10 and at 40 sessions +[\d.]+ and [\d.]+ ms +ratio [\d.]+ +target: at most 1.5, met$/,
      );
    }
  },
  60 * SECONDS,
);

test("an unknown benchmark gives an error with the names of all benchmarks", async () => {
  await expect(bench("gaurd")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "there is no benchmark gaurd, only guard, guard-redis, own-session, own-session-redis, login, " +
        "refresh, standstill, logout, round-trips",
    ),
  });
});
