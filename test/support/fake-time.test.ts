import { expect, test, vi } from "vitest";
import { advance, advanceDate, fakeTime, fakeTimeouts, freezeDate, settled } from "./fake-time.js";

test("advanceDate adds up, and the date stands still in between", async () => {
  const before = Date.now();
  advanceDate(60_000);
  advanceDate(60_000);
  const after = Date.now();
  expect(after - before).toBeGreaterThanOrEqual(120_000);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(Date.now()).toBe(after);
});

test("time is real again in the next test", () => {
  expect(vi.isFakeTimers()).toBe(false);
});

test("freezeDate stops the date", async () => {
  freezeDate();
  const before = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(Date.now()).toBe(before);
});

test("advanceDate rejects a date that is not fake", () => {
  fakeTimeouts();
  expect(() => advanceDate(60_000)).toThrow("advanceDate() has no effect");
});

test("fakeTimeouts replaces timeouts and leaves the date real", async () => {
  fakeTimeouts();
  const onTimeout = vi.fn();
  setTimeout(onTimeout, 3_600_000);
  const before = Date.now();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(onTimeout).toHaveBeenCalledOnce();
  expect(Date.now() - before).toBeLessThan(60_000);
});

test("settled runs timers that are due, and no others", async () => {
  fakeTime();
  const onLate = vi.fn();
  setTimeout(onLate, 50);
  await settled(new Promise((resolve) => setTimeout(resolve, 0)));
  expect(onLate).not.toHaveBeenCalled();
  await advance(100);
  expect(onLate).toHaveBeenCalledOnce();
});
