import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { noPostgres } from "../support/servers/postgres.mjs";
import { noRedis } from "../support/servers/redis.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SECONDS = 1000;
const missing = noRedis || noPostgres;

/**
 * The calls of the store for each kind of request, as reads + writes, with all data in stores of this
 * library.
 */
const IN_OWN_STORE = {
  "login in a new browser": "1 + 4",
  "guarded request": "1 + 0",
  "guarded request that extends the session": "2 + 2",
  refresh: "4 + 2",
  "login over a session": "3 + 6",
  logout: "1 + 2",
  "login after such a logout": "1 + 5",
};

test.skipIf(missing)(
  `no request exceeds its number of store calls, for any number of sessions${missing && ` (${missing})`}`,
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["test/bench/run.mjs", "round-trips", "--sessions", "1000"],
      { cwd: ROOT },
    ).catch((error: { stdout: string; stderr: string }) => {
      throw new Error(error.stdout + error.stderr); // it exits with 1 if a target is missed
    });
    expect(stdout).not.toContain("missed");
    const kinds = stdout.split("\n\n").slice(1).map(readKind);
    expect(kinds.map(({ title }) => title)).toEqual([
      "own session, Redis",
      "own session, Redis, with back-channel logout",
      "the application's session in createStore(), Redis",
      "the application's session in connect-redis, Redis",
      "own session, PostgreSQL",
      "the application's session in createStore(), PostgreSQL",
    ]);
    for (const { title, rows } of kinds) {
      if (/createStore|own session, \w+$/.test(title)) expect(rows).toMatchObject(IN_OWN_STORE);
      if (title.includes("connect-redis"))
        expect(rows["guarded request"]).toBe("1 + 0, the application's store 1 + 1");
    }
  },
  120 * SECONDS,
);

function readKind(block: string) {
  const [title = "", ...lines] = block.trim().split("\n");
  const rows = lines.flatMap((line) => {
    const [, row, counts] = /^ {4}(\S.*?) {2,}(.+?)(?: {3}|$)/.exec(line) ?? [];
    return row && counts ? [[row, counts.replace(/ \(\d+ commands\)/, "")] as const] : [];
  });
  return { title, rows: Object.fromEntries(rows) };
}
