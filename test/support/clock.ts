import { fakeClock } from "../../lib/testing/fake-clock.js";

/** A clock for the option `clock`. It stands still, on a whole second as tokens count time, until a test turns it. */
export interface TestClock {
  /** In milliseconds, as `Date.now` tells it. */
  readonly clock: () => number;
  later(seconds: number): void;
}

export function createClock(): TestClock {
  const clock = fakeClock();
  return { clock, later: clock.advance };
}
