import { beforeEach, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { EntryStore } from "../../lib/store/record-store.js";
import {
  limitEntryStore,
  limitRecordStore,
  TimeLimitedEntryStore,
  TimeLimitedRecordStore,
} from "../../lib/store/time-limited-store.js";
import { fakeTimeouts } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";

beforeEach(fakeTimeouts);

/** Every method of an entry store, and its result if all methods are called in this order. */
const METHODS: readonly [name: string, call: (store: EntryStore) => Promise<unknown>, result: unknown][] = [
  ["create", (store) => store.create("a", "text", 1000), true],
  ["read", (store) => store.read("a"), { text: "text", version: 1, lifeMs: 1000 }],
  ["replace", (store) => store.replace("a", 1, "new", 2000), true],
  ["touch", (store) => store.touch("a", 3000), true],
  ["remove", (store) => store.remove("a", 2), { text: "new", version: 2, lifeMs: 3000 }],
  ["createEntry", (store) => store.createEntry("b", { key: "1", old: "1" }, "record", 1000), undefined],
  ["updateEntry", (store) => store.updateEntry("b", { key: "2" }, ["old"], 2000), true],
  [
    "readEntry",
    (store) => store.readEntry("b"),
    { app: { key: "2" }, record: { text: "record", version: 1 }, lifeMs: 2000 },
  ],
  ["index.add", ({ index }) => index.add("list", "name", 1000), undefined],
  ["index.list", ({ index }) => index.list("list"), ["name"]],
  ["index.remove", ({ index }) => index.remove("list", ["name"]), undefined],
];

/** Creates a store whose methods all call this function. */
function createStoreOf(method: () => unknown): EntryStore {
  const index = { add: method, list: method, remove: method };
  return new Proxy({}, { get: (_target, name) => (name === "index" ? index : method) }) as EntryStore;
}

test("forwards each call, and returns its result", async () => {
  const store = new TimeLimitedEntryStore(createMemoryStore(() => 0));
  for (const [name, call, result] of METHODS) expect(await call(store), name).toEqual(result);
});

test.each(["read", "remove", "readEntry"] as const)(
  "%s resolves to undefined if an adapter returns null",
  async (name) => {
    expect(await new TimeLimitedEntryStore(createStoreOf(async () => null))[name]("a")).toBeUndefined();
  },
);

test.each(METHODS)("%s fails after ten seconds without a response", async (_name, call) => {
  const onError = vi.fn();
  const calling = call(new TimeLimitedEntryStore(createStoreOf(() => new Promise(() => {})))).catch(onError);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(onError).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  await calling;
  expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: "session_store_failed" }));
});

test.each(METHODS)("%s reports an error of the store without secrets", async (_name, call) => {
  const cause = new Error("cannot reach redis://user:pass-word@host");
  for (const method of [
    () => Promise.reject(cause),
    () => {
      throw cause;
    },
  ]) {
    const error = await call(new TimeLimitedEntryStore(createStoreOf(method))).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "session_store_failed", cause });
    expect(String(error)).toContain("cannot reach");
    expect(String(error)).not.toContain("pass-word");
  }
});

test("does not wrap an error of this package again", async () => {
  const failure = new PortalAuthError("session_store_failed", { detail: "50 other writes came in between" });
  const store = new TimeLimitedEntryStore(createStoreOf(() => Promise.reject(failure)));
  await expect(store.read("a")).rejects.toBe(failure);
});

test("clears its timer after each call", async () => {
  const store = new TimeLimitedEntryStore(createMemoryStore());
  await store.read("a");
  await new TimeLimitedEntryStore(createStoreOf(() => Promise.reject(new Error()))).read("a").catch(() => {});
  expect(vi.getTimerCount()).toBe(0);
});

test("calls the store when it is open, and later calls at once", async () => {
  const gate = createGate();
  const read = vi.fn(async () => undefined);
  const store = new TimeLimitedEntryStore(createStoreOf(read), gate.opened);
  const reading = store.read("a");
  await new Promise(setImmediate);
  expect(read).not.toHaveBeenCalled();
  gate.open();
  await reading;
  store.read("b").catch(() => {});
  expect(read).toHaveBeenCalledTimes(2);
});

test("waits at most ten seconds for a store to open, and calls it even if opening failed", async () => {
  const gate = createGate();
  const slow = new TimeLimitedEntryStore(createMemoryStore(), gate.opened);
  const failing = expect(slow.create("a", "text", 1000)).rejects.toMatchObject({
    code: "session_store_failed",
  });
  await vi.advanceTimersByTimeAsync(10_000);
  await failing;
  gate.open();
  expect(await slow.read("a")).toBeUndefined();
  const failed = new TimeLimitedEntryStore(createMemoryStore(), Promise.reject(new Error("not opened")));
  expect(await failed.read("a")).toBeUndefined();
});

test("the memory store has no time limit, unless it must be opened", () => {
  const memory = createMemoryStore();
  expect(limitEntryStore(memory, undefined)).toBe(memory);
  expect(limitEntryStore(memory, Promise.resolve())).toBeInstanceOf(TimeLimitedEntryStore);
  expect(
    limitEntryStore(
      createStoreOf(() => undefined),
      undefined,
    ),
  ).toBeInstanceOf(TimeLimitedEntryStore);
});

test("a store with a time limit, such as that of createStore(), gets no second one", () => {
  const limited = new TimeLimitedEntryStore(createMemoryStore());
  expect(limitEntryStore(limited, Promise.resolve())).toBe(limited);
  expect(limitRecordStore(limited, Promise.resolve())).toBe(limited);
  expect(limitRecordStore(createMemoryStore(), undefined)).toBeInstanceOf(TimeLimitedRecordStore);
});
