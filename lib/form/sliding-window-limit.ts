/** Consumes an amount. Returns false, and consumes nothing, if less than the amount is left. */
export type ConsumeAmount = (amount: number) => boolean;

/** Creates a limit: within any period of `windowMs` milliseconds, at most `limit` is consumed. */
export function createSlidingWindowLimit(limit: number, windowMs: number): ConsumeAmount {
  const entries: { at: number; amount: number }[] = []; // oldest first
  let sum = 0;
  return function consumeAmount(amount) {
    const now = Date.now();
    const firstRecent = entries.findIndex(({ at }) => at + windowMs > now);
    for (const { amount } of entries.splice(0, firstRecent < 0 ? entries.length : firstRecent)) sum -= amount;
    if (sum + amount > limit) return false;
    entries.push({ at: now, amount });
    sum += amount;
    return true;
  };
}
