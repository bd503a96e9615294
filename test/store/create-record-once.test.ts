import { expect, test } from "vitest";
import { createRecordOnce } from "../../lib/store/create-record-once.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { RecordStore } from "../../lib/store/record-store.js";

test("only one of many callers creates a record", async () => {
  const store = createMemoryStore();
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, n) => createRecordOnce(store, "a:1", `caller ${n}`, 1000)),
  );
  expect(results.filter((isCreated) => isCreated)).toEqual([true]);
});

test("a client that repeats the command after a lost response has created the record", async () => {
  const store = createMemoryStore();
  const repeatingStore: RecordStore = {
    ...Object.fromEntries(
      ["read", "replace", "touch", "remove"].map((name) => [name, store[name as "read"].bind(store)]),
    ),
    index: store.index,
    async create(key, value, lifeMs) {
      await store.create(key, value, lifeMs);
      return store.create(key, value, lifeMs);
    },
  } as RecordStore;
  expect(await createRecordOnce(repeatingStore, "a:1", "first", 1000)).toBe(true);
  expect(await createRecordOnce(repeatingStore, "a:1", "second", 1000)).toBe(false);
});
