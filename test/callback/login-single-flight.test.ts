import { expect, test, vi } from "vitest";
import { createLoginSingleFlight } from "../../lib/callback/login-single-flight.js";
import { advanceDate, freezeDate } from "../support/fake-time.js";

const LIFETIME_MS = 10 * 60 * 1000;

test("the work runs once, and callbacks during it or right after it share its outcome", async () => {
  const once = createLoginSingleFlight<number>(LIFETIME_MS);
  const work = vi.fn(async () => 7);
  expect(await Promise.all([once("a", "code", work), once("a", "code", work)])).toEqual([7, 7]);
  expect(await once("a", "code", work)).toBe(7);
  expect(work).toHaveBeenCalledOnce();
});

test('a callback with another code gets "another code", and no work runs for it', async () => {
  const once = createLoginSingleFlight<number>(LIFETIME_MS);
  const work = vi.fn(async () => 7);
  const running = once("a", "code", work);
  expect(once("a", "another", work)).toBe("another code");
  expect(await running).toBe(7);
  expect(once("a", "another", work)).toBe("another code");
  expect(work).toHaveBeenCalledOnce();
});

test('a callback that comes ten seconds after the end of the work, or later, gets "too late"', async () => {
  freezeDate();
  const once = createLoginSingleFlight<number>(LIFETIME_MS);
  let finish: (value: number) => void = () => {};
  const work = vi.fn(() => new Promise<number>((resolve) => (finish = resolve)));
  const running = once("a", "code", work);
  advanceDate(60_000);
  const meanwhile = once("a", "code", work);
  finish(7);
  expect(await Promise.all([running, meanwhile])).toEqual([7, 7]);
  advanceDate(10_000 - 1);
  expect(await once("a", "code", work)).toBe(7);
  advanceDate(1);
  expect(once("a", "code", work)).toBe("too late");
  expect(work).toHaveBeenCalledOnce();
});

test("a failure of the work is shared too", async () => {
  const once = createLoginSingleFlight<number>(LIFETIME_MS);
  const work = vi.fn(async () => Promise.reject(new Error("no")));
  await expect(once("a", "code", work)).rejects.toThrow("no");
  await expect(once("a", "code", work)).rejects.toThrow("no");
  expect(work).toHaveBeenCalledOnce();
});

test("the outcome of a login is removed after the lifetime of an attempt", async () => {
  freezeDate();
  const once = createLoginSingleFlight<number>(LIFETIME_MS);
  const work = vi.fn(async () => 7);
  await once("a", "code", work);
  advanceDate(LIFETIME_MS - 1);
  await once("a", "code", work);
  expect(work).toHaveBeenCalledTimes(1);
  advanceDate(1);
  await once("a", "code", work);
  expect(work).toHaveBeenCalledTimes(2);
});

test("of over 10,000 runs, the oldest are removed, but never a run that has not finished", async () => {
  const once = createLoginSingleFlight<number>(LIFETIME_MS);
  const early = vi.fn(async () => 1);
  let finish: (value: number) => void = () => {};
  const slow = vi.fn(() => new Promise<number>((resolve) => (finish = resolve)));
  const running = once("slow", "code", slow);
  await once("early", "code", early);
  for (let n = 0; n < 10_000; n += 1) await once(`other ${n}`, "code", async () => n);
  const again = once("slow", "code", slow);
  await once("early", "code", early);
  expect([slow.mock.calls.length, early.mock.calls.length]).toEqual([1, 2]);
  finish(7);
  expect(await Promise.all([running, again])).toEqual([7, 7]);
});
