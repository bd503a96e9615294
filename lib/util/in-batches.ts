const AT_ONCE = 50;

/**
 * Does some work for each item, for at most 50 items at the same time. Resolves to all results, in order.
 *
 * @throws what the work has thrown for one of the items, once the work for the others of its batch has ended
 */
export async function inBatches<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const batch = items.slice(at, at + AT_ONCE).map(work);
    await Promise.allSettled(batch);
    results.push(...(await Promise.all(batch)));
  }
  return results;
}
