import { expect, test, vi } from "vitest";
import { createAdapterEntryStore } from "../../lib/store/adapter-entry-store.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { RecordStore } from "../../lib/store/record-store.js";
import { createMinimalRecords } from "../support/minimal-records.js";
import { describeEntryStore } from "./record-store.contract.js";

const HOUR_MS = 3_600_000;

describeEntryStore("entries with records in memory", () => {
  let now = Date.now();
  return {
    store: createAdapterEntryStore(createMemoryStore(() => now)),
    advance(ms) {
      now += ms;
    },
  };
});

describeEntryStore("entries with the records of an adapter", () => ({
  store: createAdapterEntryStore(createMinimalRecords()),
}));

/** Makes a method fail, from this call on. */
function breakMethod(records: RecordStore, method: "create" | "remove", firstFailure: number): void {
  const original = records[method].bind(records) as (...args: unknown[]) => Promise<never>;
  let calls = 0;
  vi.spyOn(records, method).mockImplementation(async (...args: unknown[]) => {
    calls += 1;
    if (calls >= firstFailure) throw new Error("the database is down");
    return original(...args);
  });
}

test("a new lifetime of the login record applies to the whole entry", async () => {
  const store = createAdapterEntryStore(createMinimalRecords());
  await store.createEntry("a", { cart: "1" }, "login", HOUR_MS);
  await store.replace("a", 1, "refreshed", 3 * HOUR_MS);
  expect((await store.readEntry("a"))?.lifeMs).toBeGreaterThan(2 * HOUR_MS);
});

test("removes the login first, so it is gone even if the rest of the entry cannot be removed", async () => {
  const records = createMinimalRecords();
  const store = createAdapterEntryStore(records);
  await store.createEntry("a", { cart: "1" }, "login", HOUR_MS);
  breakMethod(records, "remove", 2);
  await expect(store.remove("a")).rejects.toThrow("the database is down");
  expect(await store.read("a")).toBeUndefined();
  expect(await store.readEntry("a")).toMatchObject({ app: { cart: "1" }, record: undefined });
});

test("a new entry without a login removes the old login first, even if the rest fails", async () => {
  const records = createMinimalRecords();
  const store = createAdapterEntryStore(records);
  await store.createEntry("a", { cart: "1" }, "login", HOUR_MS);
  breakMethod(records, "create", 1);
  await expect(store.createEntry("a", { cart: "2" }, undefined, HOUR_MS)).rejects.toThrow(
    "the database is down",
  );
  expect(await store.read("a")).toBeUndefined();
});

test("an entry that is removed while it is changed stays removed", async () => {
  const records = createMinimalRecords();
  const store = createAdapterEntryStore(records);
  await store.createEntry("a", { cart: "1" }, "login", HOUR_MS);
  const read = records.read.bind(records);
  vi.spyOn(records, "read").mockImplementationOnce(async (key) => {
    const found = await read(key);
    await store.remove("a");
    return found;
  });
  expect(await store.updateEntry("a", { cart: "2" }, [], HOUR_MS)).toBe(false);
  expect(await store.readEntry("a")).toBeUndefined();
});

test("fails if another write came in between fifty times", async () => {
  const records = createMinimalRecords();
  const store = createAdapterEntryStore(records);
  await store.createEntry("a", { cart: "1" }, undefined, HOUR_MS);
  const replace = vi.spyOn(records, "replace").mockResolvedValue(false);
  await expect(store.updateEntry("a", { cart: "2" }, [], undefined)).rejects.toMatchObject({
    code: "session_store_failed",
  });
  expect(replace).toHaveBeenCalledTimes(50);
});
