import { describe, expect, test } from "vitest";
import { createSingleFlight } from "../../lib/util/single-flight.js";
import { createControlledWork, waitForPromises } from "./controlled-work.js";

describe("a single flight", () => {
  test("runs work once, and calls during that time share its outcome", async () => {
    const { work, resolve, log } = createControlledWork();
    const runOnce = createSingleFlight<string>();
    const outcomes = [runOnce("x", work("first")), runOnce("x", work("second")), runOnce("x", work("third"))];
    resolve("first");
    expect(await Promise.all(outcomes)).toEqual(["result of first", "result of first", "result of first"]);
    expect(log).toEqual(["first starts", "first ends"]);
  });

  test("runs work of different names at the same time", async () => {
    const { work, resolve } = createControlledWork();
    const runOnce = createSingleFlight<string>();
    const first = runOnce("x", work("first"));
    const second = runOnce("y", work("second"));
    resolve("second");
    expect(await second).toBe("result of second");
    resolve("first");
    expect(await first).toBe("result of first");
  });

  test.each(["resolve", "reject"] as const)("runs new work after earlier work ended with %s", async (end) => {
    const controlled = createControlledWork();
    const { work, resolve, log } = controlled;
    const runOnce = createSingleFlight<string>();
    const first = runOnce("x", work("first"));
    const shared = runOnce("x", work("shared"));
    controlled[end]("first");
    const outcomes = await Promise.allSettled([first, shared]);
    const status = end === "resolve" ? "fulfilled" : "rejected";
    expect(outcomes.map((outcome) => outcome.status)).toEqual([status, status]);
    const later = runOnce("x", work("later"));
    resolve("later");
    expect(await later).toBe("result of later");
    expect(log).not.toContain("shared starts");
  });

  test("waitForAll resolves when all work has succeeded or failed", async () => {
    const { work, resolve, reject } = createControlledWork();
    const runOnce = createSingleFlight<string>();
    const outcomes = Promise.allSettled([runOnce("x", work("first")), runOnce("y", work("second"))]);
    let hasWaited = false;
    const waiting = runOnce.waitForAll().then(() => {
      hasWaited = true;
    });
    reject("first");
    await waitForPromises();
    expect(hasWaited).toBe(false);
    resolve("second");
    await waiting;
    await outcomes;
    await runOnce.waitForAll(); // resolves at once, because no work runs
  });
});
