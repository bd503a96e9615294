const BATCH_SIZE = 50;

/**
 * Does some work for each item, for at most 50 items at the same time. Resolves to all results, in order.
 *
 * @throws the first error of a batch, after all work of that batch has ended
 */
export async function inBatches<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += BATCH_SIZE) {
    const batch = items.slice(start, start + BATCH_SIZE).map(work);
    await Promise.allSettled(batch);
    results.push(...(await Promise.all(batch)));
  }
  return results;
}
