/** Spends an amount. Returns false, and spends nothing, if less is left. */
export type Spend = (amount: number) => boolean;

/** Creates a budget: at most this amount is spent within any period of `withinMs` milliseconds. */
export function createBudget(most: number, withinMs: number): Spend {
  const spent: { at: number; amount: number }[] = []; // oldest first
  let sum = 0;
  return function spend(amount) {
    const now = Date.now();
    const recent = spent.findIndex(({ at }) => at + withinMs > now);
    for (const { amount } of spent.splice(0, recent < 0 ? spent.length : recent)) sum -= amount;
    if (sum + amount > most) return false;
    spent.push({ at: now, amount });
    sum += amount;
    return true;
  };
}
