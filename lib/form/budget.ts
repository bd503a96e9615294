/** Spends an amount, if there is still so much; false where there is not. */
export type Spend = (amount: number) => boolean;

/** So much may be spent within any such time, in milliseconds. */
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
