/** A clock for the option `clock`. Its time changes only when a test changes it. */
export interface FakeClock {
  /** Returns the time in milliseconds since 1970, like `Date.now()`. */
  (): number;
  /** Advances the clock by this number of seconds. A negative number sets it back. */
  advance(seconds: number): void;
  /** Sets the clock, to a Date or to milliseconds since 1970. Fractions of a second are dropped. */
  set(to: number | Date): void;
}

/**
 * Creates a clock for the option `clock` of portalAuth(). A test advances it, and sessions and tokens expire.
 * Its time is always a whole second, because tokens count time in seconds.
 *
 * A test provider uses the real time, and both work together. The lifetime of a token counts from the app's
 * request for it. The times in an ID token are compared with the real time.
 *
 * @param start a Date, or milliseconds since 1970. Default: now
 */
export function fakeClock(start: number | Date = Date.now()): FakeClock {
  let now = toWholeSecond(start);
  const clock = () => now;
  return Object.assign(clock, {
    advance(seconds: number) {
      now += seconds * 1000;
    },
    set(to: number | Date) {
      now = toWholeSecond(to);
    },
  });
}

const toWholeSecond = (time: number | Date): number => Math.floor(Number(time) / 1000) * 1000;
