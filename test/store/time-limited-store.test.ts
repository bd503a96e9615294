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

/** Every method of an entry store, and what it resolves to if they are called in turn. */
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

/** A store of which each method does this. */
function storeThat(act: () => unknown): EntryStore {
  const index = { add: act, list: act, remove: act };
  return new Proxy({}, { get: (_target, name) => (name === "index" ? index : act) }) as EntryStore;
}

test("passes each call on, with its result", async () => {
  const store = new TimeLimitedEntryStore(createMemoryStore(() => 0));
  for (const [name, call, result] of METHODS) expect(await call(store), name).toEqual(result);
});

test.each(["read", "remove", "readEntry"] as const)(
  "%s resolves to undefined for the null of a database",
  async (name) => {
    expect(await new TimeLimitedEntryStore(storeThat(async () => null))[name]("a")).toBeUndefined();
  },
);

test.each(METHODS)("%s fails after ten seconds without an answer", async (_name, call) => {
  const outcome = vi.fn();
  const calling = call(new TimeLimitedEntryStore(storeThat(() => new Promise(() => {})))).catch(outcome);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(outcome).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  await calling;
  expect(outcome).toHaveBeenCalledWith(expect.objectContaining({ code: "session_store_failed" }));
});

test.each(METHODS)("%s reports an error of the store without secrets", async (_name, call) => {
  const cause = new Error("cannot reach redis://user:pass-word@host");
  for (const act of [
    () => Promise.reject(cause),
    () => {
      throw cause;
    },
  ]) {
    const error = await call(new TimeLimitedEntryStore(storeThat(act))).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "session_store_failed", cause });
    expect(String(error)).toContain("cannot reach");
    expect(String(error)).not.toContain("pass-word");
  }
});

test("keeps an error that says already what has failed", async () => {
  const failure = new PortalAuthError("session_store_failed", { detail: "50 other writes came in between" });
  const store = new TimeLimitedEntryStore(storeThat(() => Promise.reject(failure)));
  await expect(store.read("a")).rejects.toBe(failure);
});

test("leaves no timer behind", async () => {
  const store = new TimeLimitedEntryStore(createMemoryStore());
  await store.read("a");
  await new TimeLimitedEntryStore(storeThat(() => Promise.reject(new Error()))).read("a").catch(() => {});
  expect(vi.getTimerCount()).toBe(0);
});

test("calls the store as soon as it is open, and at once from then on", async () => {
  const gate = createGate();
  const read = vi.fn(async () => undefined);
  const store = new TimeLimitedEntryStore(storeThat(read), gate.opened);
  const reading = store.read("a");
  await new Promise(setImmediate);
  expect(read).not.toHaveBeenCalled();
  gate.open();
  await reading;
  store.read("b").catch(() => {});
  expect(read).toHaveBeenCalledTimes(2);
});

test("waits ten seconds in all for a store that does not open, and calls one that could not be opened", async () => {
  const gate = createGate();
  const late = new TimeLimitedEntryStore(createMemoryStore(), gate.opened);
  const failing = expect(late.create("a", "text", 1000)).rejects.toMatchObject({
    code: "session_store_failed",
  });
  await vi.advanceTimersByTimeAsync(10_000);
  await failing;
  gate.open();
  expect(await late.read("a")).toBeUndefined();
  const refused = new TimeLimitedEntryStore(createMemoryStore(), Promise.reject(new Error("refused")));
  expect(await refused.read("a")).toBeUndefined();
});

test("our own store in memory is called without a guard, unless it must be opened", () => {
  const memory = createMemoryStore();
  expect(limitEntryStore(memory, undefined)).toBe(memory);
  expect(limitEntryStore(memory, Promise.resolve())).toBeInstanceOf(TimeLimitedEntryStore);
  expect(
    limitEntryStore(
      storeThat(() => undefined),
      undefined,
    ),
  ).toBeInstanceOf(TimeLimitedEntryStore);
});

test("a store that is guarded already, as that of createStore(), is not guarded again", () => {
  const guarded = new TimeLimitedEntryStore(createMemoryStore());
  expect(limitEntryStore(guarded, Promise.resolve())).toBe(guarded);
  expect(limitRecordStore(guarded, Promise.resolve())).toBe(guarded);
  expect(limitRecordStore(createMemoryStore(), undefined)).toBeInstanceOf(TimeLimitedRecordStore);
});
