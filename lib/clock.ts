/** The time, in milliseconds since the epoch, as `Date.now` tells it. */
export type Clock = () => number;

/** Now, as JWTs and token answers count it. */
export const epochSeconds = (clock: Clock = Date.now): number => Math.floor(clock() / 1000);
