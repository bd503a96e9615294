import { expect, test } from "vitest";
import { createRecordOnce } from "../../lib/store/create-record-once.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { RecordStore } from "../../lib/store/record-store.js";

test("only one of many callers claims a key", async () => {
  const store = createMemoryStore();
  const claimed = await Promise.all(
    Array.from({ length: 100 }, (_, at) => createRecordOnce(store, "a:1", `caller ${at}`, 1000)),
  );
  expect(claimed.filter((isOurs) => isOurs)).toEqual([true]);
});

test("a claim counts whose answer was lost, and that the client has sent again", async () => {
  const store = createMemoryStore();
  const sendsTwice: RecordStore = {
    ...Object.fromEntries(
      ["read", "replace", "touch", "remove"].map((name) => [name, store[name as "read"].bind(store)]),
    ),
    index: store.index,
    async create(key, value, lifeMs) {
      await store.create(key, value, lifeMs);
      return store.create(key, value, lifeMs);
    },
  } as RecordStore;
  expect(await createRecordOnce(sendsTwice, "a:1", "one", 1000)).toBe(true);
  expect(await createRecordOnce(sendsTwice, "a:1", "other", 1000)).toBe(false);
});
