import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { noRedis } from "../support/servers/redis.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SECONDS = 1000;

/**
 * Runs a benchmark and returns its output. Rejects if a target is missed, because the command exits with 1.
 */
async function runBench(name: string, size: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["test/bench/run.mjs", name, ...size], {
    cwd: ROOT,
  }).catch((error: { stdout: string; stderr: string }) => {
    throw new Error(error.stdout + error.stderr);
  });
  return stdout;
}

test.skipIf(noRedis)(
  `a short storm has one refresh for each expiry and loses nothing${noRedis && ` (${noRedis})`}`,
  async () => {
    const size = ["--seconds", "10", "--sessions", "40", "--processes", "3", "--rate", "80"];
    const stdout = await runBench("refresh", size);
    expect(getFigure(stdout, "grants for each expiry")).toBeLessThanOrEqual(1.01);
    expect(getFigure(stdout, "sessions lost")).toBe(0);
    expect(getFigure(stdout, "session changes lost")).toBe(0);
    expect(stdout).not.toContain("missed");
    // These figures show that the storm had enough load.
    expect(getFigure(stdout, "requests")).toBeGreaterThan(400);
    expect(getFigure(stdout, "refreshes")).toBeGreaterThan(80);
    expect(getFigure(stdout, "needed no refresh")).toBeGreaterThan(20);
    expect(getFigure(stdout, "of these joined")).toBeGreaterThan(20);
  },
  120 * SECONDS,
);

test.skipIf(noRedis)(
  `a short storm with pauses of Redis and a process revokes no login${noRedis && ` (${noRedis})`}`,
  async () => {
    const size = ["--seconds", "25", "--sessions", "30", "--processes", "3", "--rate", "30"];
    const stdout = await runBench("standstill", size);
    expect(getFigure(stdout, "sessions lost")).toBe(0);
    expect(stdout).not.toContain("missed");
    expect(stdout).toContain(" 0 again,");
    expect(getFigure(stdout, "refreshes")).toBeGreaterThan(30);
  },
  120 * SECONDS,
);

const getFigure = (stdout: string, row: string) =>
  Number(new RegExp(`^ +${row} +([\\d.]+)`, "m").exec(stdout)?.[1]);

/** Loads a module of plain JavaScript, which has no types. */
const load = (file: string) =>
  import(/* @vite-ignore */ new URL(`runner/storm/${file}`, import.meta.url).href);

describe("a client of the storm reports a session change", async () => {
  const { Changes } = await load("changes.mjs");

  test("once as missing if a request after its response does not find it", () => {
    const changes = new Changes();
    const before = changes.plan(false);
    const first = changes.plan(true);
    expect(changes.confirm(first, [])).toEqual([]);
    expect(changes.confirm(before, [])).toEqual([]); // this request started before the response
    expect(changes.confirm(changes.plan(false), [first.add])).toEqual([]);
    expect(changes.confirm(changes.plan(false), [])).toEqual([`${first.add} is missing`]);
    expect(changes.confirm(changes.plan(false), [])).toEqual([]);
  });

  test("never if the change had no response", () => {
    const changes = new Changes();
    const first = changes.plan(true);
    changes.doubt(first);
    expect(changes.confirm(changes.plan(false), [first.add])).toEqual([]);
    expect(changes.confirm(changes.plan(false), [])).toEqual([]);
  });

  test("if it comes back after its removal", () => {
    const changes = new Changes();
    const present = new Set<string>();
    let removed: string[] = [];
    for (let requests = 0; removed.length === 0; requests += 1) {
      expect(requests).toBeLessThan(10);
      const plan = changes.plan(true);
      expect(changes.confirm(plan, [...present])).toEqual([]);
      removed = plan.remove;
      for (const key of removed) present.delete(key);
      present.add(plan.add);
    }
    expect(removed).toEqual(["change_1"]);
    expect(changes.confirm(changes.plan(false), [...present, "change_1"])).toEqual(["change_1 came back"]);
  });
});

describe("the ledger of the provider", async () => {
  const { Ledger } = await load("ledger.mjs");
  const KILLED = { name: "process 1", at: 10_000 };
  const entry = (processName: string, at: number, presented: string | undefined, issued?: string) => ({
    ...{ processName, at, presented, issued },
    ...{ respondedAt: at + 20, expiresAt: at + 2000, status: issued ? 200 : 400 },
  });
  const LOGIN = entry("process 1", 0, undefined, "A");
  const count = (...entries: object[]) => new Ledger([LOGIN, ...entries], KILLED).count();

  test("counts one refresh for each expiry", () => {
    const counts = count(entry("process 1", 2000, "A", "B"), entry("process 2", 4000, "B", "C"));
    expect(counts).toMatchObject({ grants: 2, expiries: 2, early: 0, again: 0, successful: 2 });
  });

  test("counts a second refresh of the same token set as again", () => {
    const counts = count(entry("process 1", 2000, "A", "B"), entry("process 2", 2010, "A"));
    expect(counts).toMatchObject({ grants: 2, expiries: 1, again: 1, successful: 1 });
  });

  test("counts a refresh before the expiry as early", () => {
    expect(count(entry("process 1", 400, "A", "B"))).toMatchObject({ grants: 1, expiries: 0, early: 1 });
    expect(count(entry("process 1", 600, "A", "B"))).toMatchObject({ grants: 1, expiries: 1, early: 0 });
  });

  const duringKill = [entry("process 1", 9970, "A", "B"), entry("process 2", 15_000, "A")];

  test("counts a session whose tokens went to the killed process as lost by the kill", () => {
    expect(count(...duringKill)).toMatchObject({ grants: 1, expiries: 1, again: 0, afterKill: 1 });
    expect(new Ledger([LOGIN, ...duringKill], KILLED).isLostByKill(new Set(["A"]))).toBe(true);
  });

  test.each([
    ["another process was killed", { name: "process 2", at: 10_000 }, ["A"]],
    ["the process was killed later", { name: "process 1", at: 12_000 }, ["A"]],
    ["a response has shown the new tokens", KILLED, ["A", "B"]],
  ])("does not count a session as lost by the kill if %s", (_, killed, seen) => {
    expect(new Ledger([LOGIN, ...duringKill], killed).isLostByKill(new Set(seen))).toBe(false);
  });

  test("does not count a session as lost by the kill if its new tokens were presented later", () => {
    const later = [...duringKill, entry("process 2", 16_000, "B")];
    expect(new Ledger([LOGIN, ...later], KILLED).isLostByKill(new Set(["A"]))).toBe(false);
  });
});
