import { fakeClock } from "../../lib/testing/fake-clock.js";

/**
 * Creates a clock for the option `clock`. It shows a whole second, the unit of tokens, until a test
 * advances it.
 */
export interface TestClock {
  /** The time in milliseconds, as returned by `Date.now`. */
  readonly clock: () => number;
  later(seconds: number): void;
}

export function createClock(): TestClock {
  const clock = fakeClock();
  return { clock, later: clock.advance };
}
