import type { SessionData } from "express-session";
import { beforeEach, expect, test, vi } from "vitest";
import { MemoryStore } from "../../lib/session/memory-store.js";

const data = (endsInSeconds: number | undefined, more: object = {}): SessionData =>
  ({
    cookie: {
      originalMaxAge: 1,
      expires: endsInSeconds === undefined ? null : new Date(Date.now() + endsInSeconds * 1000),
    },
    ...more,
  }) as SessionData;

const get = (store: MemoryStore, id: string) =>
  new Promise<SessionData | null | undefined>((resolve) => store.get(id, (_error, found) => resolve(found)));
const set = (store: MemoryStore, id: string, value: SessionData) =>
  new Promise<void>((done) => store.set(id, value, () => done()));
const size = (store: MemoryStore) =>
  new Promise<number>((resolve) => store.length((_error, length) => resolve(length)));
const later = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  return () => vi.useRealTimers();
});

test("what was set is found, as a copy", async () => {
  const store = new MemoryStore();
  const value = data(60, { visits: 1 });
  await set(store, "a", value);
  Object.assign(value, { visits: 2 });
  expect(await get(store, "a")).toMatchObject({ visits: 1 });
  expect(await get(store, "a")).not.toBe(await get(store, "a"));
});

test("what has expired is not found, and what was destroyed is gone", async () => {
  const store = new MemoryStore();
  await set(store, "a", data(60));
  await set(store, "b", data(60));
  store.destroy("b");
  expect(await get(store, "b")).toBeNull();
  later(59);
  expect(await get(store, "a")).not.toBeNull();
  later(1);
  expect(await get(store, "a")).toBeNull();
});

test("what has expired is forgotten, not only hidden", async () => {
  const store = new MemoryStore();
  for (let n = 0; n < 100; n += 1) await set(store, `old-${n}`, data(30));
  later(61);
  await set(store, "new", data(30));
  expect(await size(store)).toBe(1);
});

test("is looked for at most once a minute: not by every write", async () => {
  const store = new MemoryStore();
  await set(store, "first", data(1000));
  await set(store, "short", data(5));
  later(59);
  await set(store, "second", data(1000));
  expect(await size(store)).toBe(3);
  later(1);
  await set(store, "third", data(1000));
  expect(await size(store)).toBe(3);
  expect(await get(store, "first")).not.toBeNull();
});

test("what ends at this moment has ended", async () => {
  const store = new MemoryStore();
  await set(store, "short", data(60));
  later(60);
  await set(store, "other", data(1000));
  expect(await size(store)).toBe(1);
});

test("what is destroyed or set may do without a callback", async () => {
  const store = new MemoryStore();
  store.set("a", data(60));
  expect(await get(store, "a")).not.toBeNull();
  store.destroy("a");
  expect(await get(store, "a")).toBeNull();
});

test("a session without an expiry is kept for a day", async () => {
  const store = new MemoryStore();
  await set(store, "a", data(undefined));
  later(24 * 60 * 60 - 1);
  expect(await get(store, "a")).not.toBeNull();
  later(2);
  expect(await get(store, "a")).toBeNull();
});
