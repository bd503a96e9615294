/** Spends an amount. Returns false, and spends nothing, if less is left. */
export type ConsumeAmount = (amount: number) => boolean;

/** Creates a budget: at most this amount is spent within any period of `withinMs` milliseconds. */
export function createSlidingWindowLimit(limit: number, windowMs: number): ConsumeAmount {
  const entries: { at: number; amount: number }[] = []; // oldest first
  let sum = 0;
  return function spend(amount) {
    const now = Date.now();
    const firstRecent = entries.findIndex(({ at }) => at + windowMs > now);
    for (const { amount } of entries.splice(0, firstRecent < 0 ? entries.length : firstRecent)) sum -= amount;
    if (sum + amount > limit) return false;
    entries.push({ at: now, amount });
    sum += amount;
    return true;
  };
}
