/** A clock for the option `clock`. It stands still, on a whole second as tokens count time, until a test turns it. */
export interface TestClock {
  /** In milliseconds, as `Date.now` tells it. */
  readonly clock: () => number;
  later(seconds: number): void;
}

export function createClock(): TestClock {
  let now = Math.floor(Date.now() / 1000) * 1000;
  return {
    clock: () => now,
    later(seconds) {
      now += seconds * 1000;
    },
  };
}
