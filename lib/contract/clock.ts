/** Returns the time in milliseconds since the epoch, like `Date.now`. */
export type Clock = () => number;
