import type { Clock } from "../contract/clock.js";
import type { TokenSet } from "../contract/tokens.js";

/** Returns the time of this machine. Reads Date.now anew each time, so that tests can replace it. */
export const systemClock: Clock = () => Date.now();

/**
 * Starts to measure a duration. The clock of the machine can be set meanwhile, so a monotonic clock measures
 * instead. A clock of a test is used as it is, because it may stand still.
 *
 * @returns a function that returns the elapsed time in milliseconds
 */
export function startTimer(clock: Clock): () => number {
  const read = clock === systemClock ? () => performance.now() : clock;
  const startedAt = read();
  return () => read() - startedAt;
}

/** Returns the time in whole epoch seconds, the unit of JWTs and token responses. */
export const epochSeconds = (clock: Clock = Date.now): number => Math.floor(clock() / 1000);

/** Returns whether the access token has expired. A token without `expires_at` never expires here. */
export const hasExpired = ({ expires_at }: Readonly<TokenSet>, clock: Clock): boolean =>
  expires_at !== undefined && clock() / 1000 >= expires_at;
