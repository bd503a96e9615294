import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { noRedis } from "../support/servers/redis.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SECONDS = 1000;

/** Rejects if a target is missed: the command ends with 1 then. */
async function runBench(name: string, size: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["test/bench/run.mjs", name, ...size], {
    cwd: ROOT,
  }).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(error.stdout + error.stderr);
  });
  return stdout;
}

test.skipIf(noRedis)(
  `a short storm ends with one refresh for each expiry, and without a lost session or change${noRedis && ` (${noRedis})`}`,
  async () => {
    const size = ["--seconds", "10", "--sessions", "40", "--processes", "3", "--rate", "80"];
    const stdout = await runBench("refresh", size);
    const figure = (name: string) => Number(new RegExp(`^ +${name} +([\\d.]+)`, "m").exec(stdout)?.[1]);
    expect(figure("grants for each expiry")).toBeLessThanOrEqual(1.01);
    expect(figure("sessions lost")).toBe(0);
    expect(figure("session changes lost")).toBe(0);
    expect(stdout).not.toContain("missed");
    // that much happened at least
    expect(figure("requests")).toBeGreaterThan(400);
    expect(figure("refreshes")).toBeGreaterThan(80);
    expect(figure("needed no refresh")).toBeGreaterThan(20);
    expect(figure("of these joined")).toBeGreaterThan(20);
  },
  120 * SECONDS,
);

test.skipIf(noRedis)(
  `a short storm in which Redis and a process stand still revokes no login${noRedis && ` (${noRedis})`}`,
  async () => {
    const size = ["--seconds", "25", "--sessions", "30", "--processes", "3", "--rate", "30"];
    const stdout = await runBench("standstill", size);
    const figure = (name: string) => Number(new RegExp(`^ +${name} +([\\d.]+)`, "m").exec(stdout)?.[1]);
    expect(figure("sessions lost")).toBe(0);
    expect(stdout).not.toContain("missed");
    expect(stdout).toContain(" 0 again,");
    expect(figure("refreshes")).toBeGreaterThan(30);
  },
  120 * SECONDS,
);

/** Plain JavaScript without types. */
const load = (file: string) =>
  import(/* @vite-ignore */ new URL(`runner/storm/${file}`, import.meta.url).href);

describe("what a client expects of a session's changes", async () => {
  const { Changes } = await load("changes.mjs");

  test("one that was answered must be found from then on, and is missed once", () => {
    const changes = new Changes();
    const before = changes.plan(false);
    const first = changes.plan(true);
    expect(changes.confirm(first, [])).toEqual([]);
    expect(changes.confirm(before, [])).toEqual([]); // had begun before the answer
    expect(changes.confirm(changes.plan(false), [first.add])).toEqual([]);
    expect(changes.confirm(changes.plan(false), [])).toEqual([`${first.add} is missing`]);
    expect(changes.confirm(changes.plan(false), [])).toEqual([]);
  });

  test("one without an answer may be there or not", () => {
    const changes = new Changes();
    const first = changes.plan(true);
    changes.doubt(first);
    expect(changes.confirm(changes.plan(false), [first.add])).toEqual([]);
    expect(changes.confirm(changes.plan(false), [])).toEqual([]);
  });

  test("one that was found is taken back after some more, and must not come back", () => {
    const changes = new Changes();
    const there = new Set<string>();
    let taken: string[] = [];
    for (let requests = 0; taken.length === 0; requests += 1) {
      expect(requests).toBeLessThan(10);
      const plan = changes.plan(true);
      expect(changes.confirm(plan, [...there])).toEqual([]);
      taken = plan.remove;
      for (const key of taken) there.delete(key);
      there.add(plan.add);
    }
    expect(taken).toEqual(["change_1"]);
    expect(changes.confirm(changes.plan(false), [...there, "change_1"])).toEqual(["change_1 came back"]);
  });
});

describe("what the portal's ledger amounts to", async () => {
  const { Ledger } = await load("ledger.mjs");
  const KILLED = { name: "process 1", at: 10_000 };
  const entry = (by: string, at: number, presented: string | undefined, given?: string) => ({
    ...{ by, at, presented, given },
    ...{ answeredAt: at + 20, endsAt: at + 2000, status: given ? 200 : 400 },
  });
  const LOGIN = entry("process 1", 0, undefined, "A");
  const account = (...entries: object[]) => new Ledger([LOGIN, ...entries], KILLED).account();

  test("one refresh for each set that ended is as it should be", () => {
    const sum = account(entry("process 1", 2000, "A", "B"), entry("process 2", 4000, "B", "C"));
    expect(sum).toMatchObject({ grants: 2, expiries: 2, early: 0, again: 0, good: 2 });
  });

  test("a second for the same set is one too many", () => {
    const sum = account(entry("process 1", 2000, "A", "B"), entry("process 2", 2010, "A"));
    expect(sum).toMatchObject({ grants: 2, expiries: 1, again: 1, good: 1 });
  });

  test("one for a set that had not ended answers no expiry", () => {
    expect(account(entry("process 1", 400, "A", "B"))).toMatchObject({ grants: 1, expiries: 0, early: 1 });
    expect(account(entry("process 1", 600, "A", "B"))).toMatchObject({ grants: 1, expiries: 1, early: 0 });
  });

  const inTheKill = [entry("process 1", 9970, "A", "B"), entry("process 2", 15_000, "A")];

  test("what the killed process took with it is lost to the kill, and counts as no second refresh", () => {
    expect(account(...inTheKill)).toMatchObject({ grants: 1, expiries: 1, again: 0, afterKill: 1 });
    expect(new Ledger([LOGIN, ...inTheKill], KILLED).isCaughtByKill(new Set(["A"]))).toBe(true);
  });

  test.each([
    ["another process", { name: "process 2", at: 10_000 }, ["A"]],
    ["a process that was killed a while later", { name: "process 1", at: 12_000 }, ["A"]],
    ["the killed process, after which its new tokens were seen", KILLED, ["A", "B"]],
  ])("what was lost by %s is not", (_, killed, told) => {
    expect(new Ledger([LOGIN, ...inTheKill], killed).isCaughtByKill(new Set(told))).toBe(false);
  });

  test("nor is a session whose new tokens were presented later", () => {
    const later = [...inTheKill, entry("process 2", 16_000, "B")];
    expect(new Ledger([LOGIN, ...later], KILLED).isCaughtByKill(new Set(["A"]))).toBe(false);
  });
});
