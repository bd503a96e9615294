import { onTestFinished, vi } from "vitest";

// Each of these fakes lasts until the test ends, or until the test calls vi.useRealTimers().

/**
 * Advances the date by this many milliseconds. After that, the date changes only when it is advanced again.
 */
export function advanceDate(milliseconds: number): void {
  const now = Date.now() + milliseconds;
  if (vi.isFakeTimers()) vi.setSystemTime(now);
  else fake({ toFake: ["Date"], now });
  if (Date.now() !== now)
    throw new Error("advanceDate() has no effect: other timers are fake, the date is real");
}

/** Stops the date. `advanceDate` advances it. */
export const freezeDate = (): void => advanceDate(0);

/** Replaces setTimeout and clearTimeout. The date, intervals and setImmediate stay real. */
export const fakeTimeouts = (): void => fake({ toFake: ["setTimeout", "clearTimeout"] });

/** Replaces the date, performance.now and all timers. */
export const fakeTime = (): void => fake({});

/** Replaces only the timers and clocks that `options` list. */
export function fake(options: Parameters<typeof vi.useFakeTimers>[0]): void {
  vi.useFakeTimers(options);
  onTestFinished(() => void vi.useRealTimers());
}

const realImmediate = setImmediate;

/**
 * Advances fake time in steps of 50 ms, so that work of a store that begins in one step ends before the next.
 */
export async function advance(milliseconds: number): Promise<void> {
  for (let elapsed = 0; elapsed < milliseconds; elapsed += 50) {
    await vi.advanceTimersByTimeAsync(Math.min(50, milliseconds - elapsed));
    await new Promise((resolve) => realImmediate(resolve));
  }
}

/** Runs fake timers that are due, and no others, until the work is done. Returns its result. */
export async function settled<T>(work: Promise<T>): Promise<T> {
  let isSettled = false;
  const onSettled = () => {
    isSettled = true;
  };
  work.then(onSettled, onSettled);
  while (!isSettled) await vi.advanceTimersByTimeAsync(0);
  return work;
}
