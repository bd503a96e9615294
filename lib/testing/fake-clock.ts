/** A clock for the option `clock`, which stands still until it is turned. */
export interface FakeClock {
  /** Epoch milliseconds. */
  (): number;
  /** Turns it on, or back, by so many seconds. */
  advance(seconds: number): void;
  /** Sets it: epoch milliseconds, or a Date. */
  set(to: number | Date): void;
}

/**
 * A clock for the option `clock` of portalAuth(): sessions and tokens end when a test turns it. It stands still, on a whole
 * second as tokens count time. A test portal goes by the real time, and the two agree: how long a token lives counts from
 * when it was asked for, and the times in an ID token are compared with the real time.
 *
 * @param start epoch milliseconds, or a Date; default now
 */
export function fakeClock(start: number | Date = Date.now()): FakeClock {
  let now = wholeSecond(start);
  const clock = () => now;
  return Object.assign(clock, {
    advance(seconds: number) {
      now += seconds * 1000;
    },
    set(to: number | Date) {
      now = wholeSecond(to);
    },
  });
}

const wholeSecond = (moment: number | Date): number => Math.floor(Number(moment) / 1000) * 1000;
