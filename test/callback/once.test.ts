import { expect, test, vi } from "vitest";
import { createOnce } from "../../lib/callback/once.js";

test("work is done once: who comes meanwhile or later shares its outcome", async () => {
  const once = createOnce<number>();
  const work = vi.fn(async () => 7);
  expect(await Promise.all([once("a", work), once("a", work)])).toEqual([7, 7]);
  expect(await once("a", work)).toBe(7);
  expect(work).toHaveBeenCalledOnce();
});

test("a failure is shared as well", async () => {
  const once = createOnce<number>();
  const work = vi.fn(async () => Promise.reject(new Error("no")));
  await expect(once("a", work)).rejects.toThrow("no");
  await expect(once("a", work)).rejects.toThrow("no");
  expect(work).toHaveBeenCalledOnce();
});

test("an outcome is forgotten after ten minutes", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const once = createOnce<number>();
  const work = vi.fn(async () => 7);
  await once("a", work);
  vi.setSystemTime(Date.now() + 10 * 60 * 1000 - 1);
  await once("a", work);
  expect(work).toHaveBeenCalledTimes(1);
  vi.setSystemTime(Date.now() + 1);
  await once("a", work);
  expect(work).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});

test("of very many the oldest are forgotten, but never what is still under way", async () => {
  const once = createOnce<number>();
  const early = vi.fn(async () => 1);
  let finish: (value: number) => void = () => {};
  const slow = vi.fn(() => new Promise<number>((resolve) => (finish = resolve)));
  const running = once("slow", slow);
  await once("early", early);
  for (let n = 0; n < 10_000; n += 1) await once(`other ${n}`, async () => n);
  const again = once("slow", slow);
  await once("early", early);
  expect([slow.mock.calls.length, early.mock.calls.length]).toEqual([1, 2]);
  finish(7);
  expect(await Promise.all([running, again])).toEqual([7, 7]);
});
