import { expect, test, vi } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { describeEntryStore } from "./record-store.contract.js";

const MINUTE_MS = 60_000;

/** Creates a store whose clock the test sets. */
function startStore() {
  const clock = { now: 1_000_000 };
  return { clock, store: createMemoryStore(() => clock.now) };
}

describeEntryStore("a memory store", () => {
  const { clock, store } = startStore();
  return {
    store,
    advance(ms) {
      clock.now += ms;
    },
  };
});

test("an entry, its record and a name expire in the exact millisecond", async () => {
  const { clock, store } = startStore();
  await store.createEntry("a", { cart: "1" }, "login", MINUTE_MS);
  await store.index.add("list", "a", MINUTE_MS);
  clock.now += MINUTE_MS - 1;
  expect(await store.readEntry("a")).toEqual({
    app: { cart: "1" },
    record: { text: "login", version: 1 },
    lifeMs: 1,
  });
  expect(await store.read("a")).toEqual({ text: "login", version: 1, lifeMs: 1 });
  expect(await store.index.list("list")).toEqual(["a"]);
  clock.now += 1;
  expect(await store.readEntry("a")).toBeUndefined();
  expect(await store.read("a")).toBeUndefined();
  expect(await store.index.list("list")).toEqual([]);
});

test("the first write is reported once", async () => {
  const onFirstWrite = vi.fn();
  const store = createMemoryStore(Date.now, onFirstWrite);
  await store.readEntry("a");
  await store.updateEntry("a", { cart: "1" }, [], undefined);
  expect(onFirstWrite).not.toHaveBeenCalled();
  await store.create("a", "text", MINUTE_MS);
  await store.create("b", "text", MINUTE_MS);
  expect(onFirstWrite).toHaveBeenCalledOnce();
});

test("objects that were written or read cannot change the store", async () => {
  const { store } = startStore();
  const app: Record<string, string> = { cart: "1" };
  await store.createEntry("a", app, "login", MINUTE_MS);
  app["cart"] = "2";
  const read = await store.readEntry("a");
  expect(() => Object.assign(read?.app ?? {}, { cart: "3" })).toThrow(TypeError);
  expect(() => Object.assign(read?.record ?? {}, { text: "3" })).toThrow(TypeError);
  expect((await store.readEntry("a"))?.app).toEqual({ cart: "1" });
  await store.updateEntry("a", { cart: "4" }, [], undefined);
  expect(read?.app).toEqual({ cart: "1" });
});

// If the clock is set back, an expired entry is found again, unless it was deleted.
test("expired entries and names are deleted by the first write after a minute", async () => {
  const { clock, store } = startStore();
  const startedAt = clock.now;
  await store.create("long", "text", 10 * MINUTE_MS);
  await store.create("short", "text", 30_000);
  await store.index.add("list", "long", 10 * MINUTE_MS);
  await store.index.add("list", "short", 30_000);
  await store.index.add("short list", "short", 30_000);
  const findAll = async () => {
    const now = clock.now;
    clock.now = startedAt;
    const records = [await store.read("long"), await store.read("short")].map(Boolean);
    const names = [(await store.index.list("list")).length, (await store.index.list("short list")).length];
    clock.now = now;
    return [...records, ...names];
  };

  clock.now = startedAt + MINUTE_MS - 1;
  await store.create("early", "text", MINUTE_MS);
  expect(await findAll()).toEqual([true, true, 2, 1]);
  clock.now = startedAt + MINUTE_MS;
  await store.touch("early", MINUTE_MS);
  expect(await findAll()).toEqual([true, false, 1, 0]);
});
