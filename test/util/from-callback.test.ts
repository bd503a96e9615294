import { expect, test } from "vitest";
import { fromCallback } from "../../lib/util/from-callback.js";

test("resolves to the value of the callback, and rejects with its error", async () => {
  expect(await fromCallback((done) => done(undefined, "found"))).toBe("found");
  await expect(fromCallback((done) => done(new Error("down")))).rejects.toThrow("down");
});

// An unhandled rejection would end the process. vitest reports it as a failure of the run.
test("rejects once if a method calls back and also rejects, or only rejects", async () => {
  const callsBack = fromCallback(async (done) => {
    done(new Error("down"));
    throw new Error("down");
  });
  await expect(callsBack).rejects.toThrow("down");
  await expect(fromCallback(() => Promise.reject(new Error("closed")))).rejects.toThrow("closed");
});
