/** The time, in milliseconds since the epoch, as `Date.now` tells it. */
export type Clock = () => number;

/** The clock of this machine. Looked up anew each time: what replaces Date.now in a test counts. */
export const systemClock: Clock = () => Date.now();

/**
 * Starts to measure time. The clock of the machine can be set meanwhile, so a monotonic one measures in its place.
 * A test's clock measures by itself, as it may stand still.
 *
 * @returns a function that tells how long ago that was, in milliseconds
 */
export function startTimer(clock: Clock): () => number {
  const read = clock === systemClock ? () => performance.now() : clock;
  const startedAt = read();
  return () => read() - startedAt;
}

/** Now, as JWTs and token answers count it. */
export const epochSeconds = (clock: Clock = Date.now): number => Math.floor(clock() / 1000);
