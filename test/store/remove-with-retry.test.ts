import { expect, test, vi } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { removeWithRetry } from "../../lib/store/remove-with-retry.js";

const AWAY = new Error("away");

async function start() {
  const records = createMemoryStore();
  await records.create("k", "text", 1000);
  return { records, removing: vi.spyOn(records, "remove") };
}

test("resolves to what was removed at the first try, or to nothing", async () => {
  const { records } = await start();
  expect(await removeWithRetry(records, "k")).toMatchObject({ removed: { text: "text" }, isRepeated: false });
  expect(await removeWithRetry(records, "k")).toEqual({ removed: undefined, isRepeated: false });
});

test("tries again, and tells that an earlier try may have removed it", async () => {
  const { records, removing } = await start();
  removing.mockRejectedValueOnce(AWAY);
  expect(await removeWithRetry(records, "k")).toMatchObject({ removed: { text: "text" }, isRepeated: true });
  removing.mockRejectedValueOnce(AWAY);
  expect(await removeWithRetry(records, "k")).toEqual({ removed: undefined, isRepeated: true });
});

test("gives up within two seconds", async () => {
  const { records, removing } = await start();
  removing.mockRejectedValue(AWAY);
  const begunAt = performance.now();
  await expect(removeWithRetry(records, "k")).rejects.toBe(AWAY);
  expect(performance.now() - begunAt).toBeLessThan(2500);
  expect(removing).toHaveBeenCalledTimes(6);
});

test("does not try again if the first try took longer", async () => {
  const { records, removing } = await start();
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now);
  removing.mockImplementation(async () => {
    now += 10_000;
    throw AWAY;
  });
  await expect(removeWithRetry(records, "k")).rejects.toBe(AWAY);
  vi.mocked(performance.now).mockRestore();
  expect(removing).toHaveBeenCalledTimes(1);
});
