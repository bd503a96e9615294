import { expect, test } from "vitest";
import { fromCallback } from "../../lib/util/from-callback.js";

test("resolves to what the callback is called with, and rejects with its error", async () => {
  expect(await fromCallback((done) => done(undefined, "found"))).toBe("found");
  await expect(fromCallback((done) => done(new Error("down")))).rejects.toThrow("down");
});

// A rejection that nobody handles would end the process; vitest fails the run for it, too.
test("handles a method that calls back and also rejects, and one that only rejects", async () => {
  const callsBack = fromCallback(async (done) => {
    done(new Error("down"));
    throw new Error("down");
  });
  await expect(callsBack).rejects.toThrow("down");
  await expect(fromCallback(() => Promise.reject(new Error("closed")))).rejects.toThrow("closed");
});
