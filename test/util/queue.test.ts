import { describe, expect, test } from "vitest";
import { createQueue } from "../../lib/util/queue.js";
import { createControlledWork, waitForPromises } from "./controlled-work.js";

describe("a queue", () => {
  test("runs work of one name in turn, and work of another name at the same time", async () => {
    const { work, resolve, log } = createControlledWork();
    const runInTurn = createQueue();
    const first = runInTurn("x", work("first"));
    const second = runInTurn("x", work("second"));
    const other = runInTurn("y", work("other"));
    await waitForPromises();
    expect(log).toEqual(["first starts", "other starts"]);
    resolve("other");
    resolve("first");
    expect([await other, await first]).toEqual(["result of other", "result of first"]);
    await waitForPromises();
    expect(log.slice(2)).toEqual(["other ends", "first ends", "second starts"]);
    resolve("second");
    expect(await second).toBe("result of second");
  });

  test("rejects for the caller whose work fails, and continues with the next work", async () => {
    const { work, resolve, reject } = createControlledWork();
    const runInTurn = createQueue();
    const first = runInTurn("x", work("first"));
    const second = runInTurn("x", work("second"));
    await waitForPromises();
    reject("first");
    await expect(first).rejects.toThrow("failure of first");
    await waitForPromises();
    resolve("second");
    expect(await second).toBe("result of second");
  });

  test("runs work that comes after earlier work has ended", async () => {
    const runInTurn = createQueue();
    for (const n of [1, 2, 3]) expect(await runInTurn("x", async () => n)).toBe(n);
  });
});
