import { expect, test, vi } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { removeWithRetry } from "../../lib/store/remove-with-retry.js";

const STORE_DOWN = new Error("the store is down");

async function start() {
  const records = createMemoryStore();
  await records.create("k", "text", 1000);
  return { records, remove: vi.spyOn(records, "remove") };
}

test("resolves to the removed record, or to undefined if there was none", async () => {
  const { records } = await start();
  expect(await removeWithRetry(records, "k")).toMatchObject({ removed: { text: "text" }, isRepeated: false });
  expect(await removeWithRetry(records, "k")).toEqual({ removed: undefined, isRepeated: false });
});

test("tries again, and reports that an earlier attempt may have removed the record", async () => {
  const { records, remove } = await start();
  remove.mockRejectedValueOnce(STORE_DOWN);
  expect(await removeWithRetry(records, "k")).toMatchObject({ removed: { text: "text" }, isRepeated: true });
  remove.mockRejectedValueOnce(STORE_DOWN);
  expect(await removeWithRetry(records, "k")).toEqual({ removed: undefined, isRepeated: true });
});

test("fails within two seconds", async () => {
  const { records, remove } = await start();
  remove.mockRejectedValue(STORE_DOWN);
  const startedAt = performance.now();
  await expect(removeWithRetry(records, "k")).rejects.toBe(STORE_DOWN);
  expect(performance.now() - startedAt).toBeLessThan(2500);
  expect(remove).toHaveBeenCalledTimes(6);
});

test("does not try again if the first attempt took longer", async () => {
  const { records, remove } = await start();
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now);
  remove.mockImplementation(async () => {
    now += 10_000;
    throw STORE_DOWN;
  });
  await expect(removeWithRetry(records, "k")).rejects.toBe(STORE_DOWN);
  vi.mocked(performance.now).mockRestore();
  expect(remove).toHaveBeenCalledTimes(1);
});
