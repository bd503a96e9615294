import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { EntryStore, RecordStore } from "../../lib/store/record-store.js";
import { recordStoreChecks } from "../../lib/testing/index.js";

// The behaviour that every record store and every entry store must have.

/** A tested store. The contract creates one for each `describe`, and uses a new key in each test. */
export interface Subject<Store extends RecordStore> {
  readonly store: Store;
  /** A store with the same data and other connections. Default: `store`. */
  readonly other?: RecordStore;
  /**
   * Advances the store's clock by this many milliseconds. Without it the contract waits for the store's own
   * clock.
   */
  advance?(ms: number): void;
  close?(): Promise<void> | void;
}

type Create<Store extends RecordStore> = () => Subject<Store> | Promise<Subject<Store>>;

const HOUR_MS = 3_600_000;
/** The time that may pass between a write of a record and the check of its lifetime. */
const TOLERANCE_MS = 60_000;
const SHORT_MS = 40;
const WRITERS = 100;

const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));

/** Texts that a store may change, cut or reject, each with a description. */
const TEXTS: [string, string][] = [
  ["an empty text", ""],
  ["JSON", '{"a":[1,"two",null]}'],
  ["a JSON text with NUL, a lone surrogate and line breaks", JSON.stringify("\0 \ud800 \r\n")],
  ["Chinese, emoji and combining characters", "登录 👩‍👩‍👧 e\u0301 \u00e9 \u202e"],
  ["quotes, backslashes and placeholders", `' " \\ \\0 $1 %s \${a} ; --`],
  ["spaces and line breaks at both ends", " \r\n\t text \t\r\n "],
  ["a number", "1e400"],
  ["one megabyte", `${"0123456789abcdef".repeat(65_536)}.`],
];

/** Checks every {@link RecordStore}. Adapters for other databases run the same checks. */
export function describeRecordStore(name: string, create: Create<RecordStore>): void {
  describe(`${name}: records`, () => {
    let subject: Subject<RecordStore> | undefined;
    afterAll(() => subject?.close?.());
    const createAdapter = async () => {
      if (subject) return subject.other ?? subject.store;
      subject = await create();
      return subject.store;
    };
    for (const { name, run } of recordStoreChecks(createAdapter, { letPass: (ms) => subject?.advance?.(ms) }))
      test(name, run);
  });
}

/** Checks every {@link EntryStore}. It includes the checks of a record store. */
export function describeEntryStore(name: string, create: Create<EntryStore>): void {
  describeRecordStore(name, create);
  describe(`${name}: entries`, () => {
    const subject = useSubject(create);
    testEntries(subject);
    testUpdates(subject);
    testEntriesAsRecords(subject);
  });
}

interface InUse<Store extends RecordStore> {
  store(): Store;
  /** Waits until `read` resolves to undefined or to an empty list. */
  waitUntilGone(read: () => Promise<unknown>): Promise<void>;
}

function useSubject<Store extends RecordStore>(create: Create<Store>): InUse<Store> {
  let subject: Subject<Store> | undefined;
  beforeAll(async () => {
    subject = await create();
  });
  afterAll(() => subject?.close?.());
  const current = () => {
    if (!subject) throw new Error("The store exists only while the tests run.");
    return subject;
  };
  return {
    store: () => current().store,
    async waitUntilGone(read) {
      current().advance?.(SHORT_MS);
      const found = async () => {
        const value = await read();
        return Array.isArray(value) ? value.length : value;
      };
      await vi.waitFor(async () => expect(await found()).toBeFalsy(), { timeout: 10_000, interval: 20 });
    },
  };
}

const newKey = () => `contract-${randomUUID()}`;

/** Names of session keys that have a special meaning in JavaScript, in JSON or in a store. */
const SPECIAL_APP = {
  ...(JSON.parse('{"__proto__":"1"}') as Record<string, string>),
  constructor: "2",
  "": "3",
  r: "4",
  v: "5",
  "a.b:c": "6",
  "'\"\\": "7",
  购物车: '"灯"',
  "0": "8",
};

const APP = { cookie: '{"path":"/"}', cart: '["lamp"]' };

function testEntries({ store }: InUse<EntryStore>): void {
  test("reads both parts of an entry, and its lifetime", async () => {
    const key = newKey();
    expect(await store().readEntry(key)).toBeUndefined();
    await store().createEntry(key, APP, "login", HOUR_MS);
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual(APP);
    expect(entry?.record).toMatchObject({ text: "login", version: 1 });
    expectLife(entry?.lifeMs, HOUR_MS);
  });

  test("reads an entry without a record", async () => {
    const key = newKey();
    await store().createEntry(key, APP, undefined, HOUR_MS);
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual(APP);
    expect(entry?.record).toBeUndefined();
    expect(await store().read(key)).toBeUndefined();
  });

  test("distinguishes an empty record and an empty application's part from a missing one", async () => {
    const key = newKey();
    await store().createEntry(key, {}, "", HOUR_MS);
    expect(await store().readEntry(key)).toMatchObject({ app: {}, record: { text: "", version: 1 } });
    const other = newKey();
    await store().createEntry(other, {}, undefined, HOUR_MS);
    expect((await store().readEntry(other))?.app).toEqual({});
    expect(await store().updateEntry(other, { a: "1" }, [], undefined)).toBe(true);
  });

  test("a new entry replaces an old entry and its record", async () => {
    const key = newKey();
    await store().createEntry(key, { ...APP, old: "1" }, "login", HOUR_MS);
    await store().replace(key, 1, "refreshed");
    await store().createEntry(key, { cart: "[]" }, undefined, 2 * HOUR_MS);
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual({ cart: "[]" });
    expect(entry?.record).toBeUndefined();
    expectLife(entry?.lifeMs, 2 * HOUR_MS);
    await store().createEntry(key, {}, "next", HOUR_MS);
    expect(await store().read(key)).toMatchObject({ text: "next", version: 1 });
  });

  test("returns special names of session keys unchanged", async () => {
    const key = newKey();
    await store().createEntry(key, SPECIAL_APP, "login", HOUR_MS);
    expect(await readApp(store(), key)).toEqual(Object.entries(SPECIAL_APP).sort());
    const names = Object.keys(SPECIAL_APP);
    expect(await store().updateEntry(key, APP, names, undefined)).toBe(true);
    expect(await readApp(store(), key)).toEqual(Object.entries(APP).sort());
    expect(await store().updateEntry(key, SPECIAL_APP, Object.keys(APP), undefined)).toBe(true);
    expect(await readApp(store(), key)).toEqual(Object.entries(SPECIAL_APP).sort());
    expect(await store().read(key)).toMatchObject({ text: "login", version: 1 });
  });

  test.each(TEXTS)("returns %s unchanged in the application's part", async (_what, text) => {
    const key = newKey();
    const json = JSON.stringify(text);
    await store().createEntry(key, { value: json }, undefined, HOUR_MS);
    await store().updateEntry(key, { changed: json }, [], undefined);
    expect((await store().readEntry(key))?.app).toEqual({ value: json, changed: json });
  });

  test("does not change a character of a JSON text", async () => {
    const app = { number: "1.0", large: "12345678901234567890", order: '{"b":1, "a":2,"b":3}', space: "[ ]" };
    const key = newKey();
    await store().createEntry(key, app, undefined, HOUR_MS);
    expect((await store().readEntry(key))?.app).toEqual(app);
  });

  test("stores thousands of session keys", async () => {
    const app = Object.fromEntries(times(5000, (n) => [`key${n}`, String(n)]));
    const key = newKey();
    await store().createEntry(key, app, undefined, HOUR_MS);
    expect((await store().readEntry(key))?.app).toEqual(app);
    const changed = Object.fromEntries(Object.keys(app).map((name) => [name, '"changed"']));
    expect(await store().updateEntry(key, changed, [], undefined)).toBe(true);
    expect((await store().readEntry(key))?.app).toEqual(changed);
    expect(await store().updateEntry(key, {}, Object.keys(app).slice(1), undefined)).toBe(true);
    expect((await store().readEntry(key))?.app).toEqual({ key0: '"changed"' });
  });
}

function testUpdates({ store, waitUntilGone }: InUse<EntryStore>): void {
  test("changes and removes single keys, and does not change the rest of the entry", async () => {
    const key = newKey();
    await store().createEntry(key, { ...APP, gone: "1" }, "login", HOUR_MS);
    expect(await store().updateEntry(key, { cart: "[]", added: "2" }, ["gone", "unknown"], undefined)).toBe(
      true,
    );
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual({ cookie: APP.cookie, cart: "[]", added: "2" });
    expect(entry?.record).toMatchObject({ text: "login", version: 1 });
    expectLife(entry?.lifeMs, HOUR_MS);
  });

  test("changes the lifetime of an entry if a lifetime is given", async () => {
    const key = newKey();
    await store().createEntry(key, APP, "login", HOUR_MS);
    expect(await store().updateEntry(key, {}, [], 2 * HOUR_MS)).toBe(true);
    expectLife((await store().readEntry(key))?.lifeMs, 2 * HOUR_MS);
    expectLife((await store().read(key))?.lifeMs, 2 * HOUR_MS);
    expect((await store().readEntry(key))?.app).toEqual(APP);
  });

  test("loses no change of many writers to different keys", async () => {
    const key = newKey();
    await store().createEntry(key, APP, "login", HOUR_MS);
    const changes = times(WRITERS, (n) => ({ [`key${n}`]: String(n) }));
    await Promise.all([
      store().replace(key, 1, "refreshed"),
      ...changes.map((changed) => store().updateEntry(key, changed, [], undefined)),
    ]);
    expect((await store().readEntry(key))?.app).toEqual(Object.assign({}, APP, ...changes));
    expect(await store().read(key)).toMatchObject({ text: "refreshed", version: 2 });
  });

  test("does not restore an entry that was removed or has expired", async () => {
    const removed = newKey();
    await store().createEntry(removed, APP, "login", HOUR_MS);
    await store().remove(removed);
    const expired = newKey();
    await store().createEntry(expired, APP, "login", SHORT_MS);
    await waitUntilGone(() => store().readEntry(expired));
    for (const key of [removed, expired, newKey()]) {
      expect(await store().updateEntry(key, { cart: "[]" }, ["cookie"], 2 * HOUR_MS)).toBe(false);
      expect(await store().updateEntry(key, {}, [], undefined)).toBe(false);
      await expectNoRestore(store(), key);
      expect(await store().readEntry(key)).toBeUndefined();
    }
  });
}

function testEntriesAsRecords({ store }: InUse<EntryStore>): void {
  test("replaces the record of an entry, and does not change the application's part", async () => {
    const key = newKey();
    await store().createEntry(key, APP, "login", HOUR_MS);
    expect(await store().replace(key, 1, "refreshed")).toBe(true);
    expect(await store().replace(key, 1, "stale")).toBe(false);
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual(APP);
    expect(entry?.record).toMatchObject({ text: "refreshed", version: 2 });
    expectLife(entry?.lifeMs, HOUR_MS);
  });

  test("replaces no record if the entry has none", async () => {
    const key = newKey();
    await store().createEntry(key, APP, undefined, HOUR_MS);
    for (const version of [0, 1]) expect(await store().replace(key, version, "login")).toBe(false);
    expect((await store().readEntry(key))?.record).toBeUndefined();
  });

  test("creates a record in an entry without one, and does not change the application's part", async () => {
    const key = newKey();
    await store().createEntry(key, APP, undefined, HOUR_MS);
    expect(await store().create(key, "login", 2 * HOUR_MS)).toBe(true);
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual(APP);
    expect(entry?.record).toMatchObject({ text: "login", version: 1 });
    expectLife(entry?.lifeMs, 2 * HOUR_MS);
    expect(await store().create(key, "second", HOUR_MS)).toBe(false);
  });

  test.each([["with"], ["without"]])("touch extends a whole entry %s a record", async (preposition) => {
    const key = newKey();
    await store().createEntry(key, APP, preposition === "with" ? "login" : undefined, HOUR_MS);
    expect(await store().touch(key, 2 * HOUR_MS)).toBe(true);
    const entry = await store().readEntry(key);
    expect(entry?.app).toEqual(APP);
    expectLife(entry?.lifeMs, 2 * HOUR_MS);
  });

  test("remove removes a whole entry, and returns its record", async () => {
    const key = newKey();
    await store().createEntry(key, APP, "login", HOUR_MS);
    expect(await store().remove(key, 2)).toBeUndefined();
    expect((await store().readEntry(key))?.app).toEqual(APP);
    expect(await store().remove(key, 1)).toMatchObject({ text: "login", version: 1 });
    expect(await store().readEntry(key)).toBeUndefined();
  });

  test("remove removes an entry without a record, unless a version is given", async () => {
    const key = newKey();
    await store().createEntry(key, APP, undefined, HOUR_MS);
    expect(await store().remove(key, 1)).toBeUndefined();
    expect((await store().readEntry(key))?.app).toEqual(APP);
    expect(await store().remove(key)).toBeUndefined();
    expect(await store().readEntry(key)).toBeUndefined();
  });
}

const readApp = async (store: EntryStore, key: string) =>
  Object.entries((await store.readEntry(key))?.app ?? {}).sort();

function expectLife(lifeMs: number | undefined, expectedMs: number): void {
  expect(lifeMs).toBeGreaterThan(expectedMs - TOLERANCE_MS);
  expect(lifeMs).toBeLessThanOrEqual(expectedMs + 1); // The store may round a fraction of a millisecond up.
}

async function expectNoRestore(store: RecordStore, key: string): Promise<void> {
  expect(await store.touch(key, HOUR_MS)).toBe(false);
  for (const version of [0, 1]) expect(await store.replace(key, version, "restored", HOUR_MS)).toBe(false);
  expect(await store.read(key)).toBeUndefined();
}
