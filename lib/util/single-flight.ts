/** Runs at most one piece of work per name at a time. A call during that time shares its outcome. */
export interface SingleFlight<T> {
  (name: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all work that runs now has succeeded or failed. */
  waitForAll(): Promise<void>;
}

/** Creates a single flight that runs no work yet. */
export function createSingleFlight<T>(): SingleFlight<T> {
  const running = new Map<string, Promise<T>>();

  function shareOutcome(name: string, work: () => Promise<T>): Promise<T> {
    let outcome = running.get(name);
    if (!outcome) {
      outcome = work().finally(() => running.delete(name));
      running.set(name, outcome);
    }
    return outcome;
  }

  async function waitForAll(): Promise<void> {
    await Promise.allSettled(running.values());
  }

  return Object.assign(shareOutcome, { waitForAll });
}
