/** Runs work of the same name one after the other, in this process. */
export type Queue = <T>(name: string, work: () => Promise<T>) => Promise<T>;

export function createQueue(): Queue {
  const last = new Map<string, Promise<unknown>>();
  return function inTurn(name, work) {
    const done = (last.get(name) ?? Promise.resolve()).then(work, work);
    last.set(name, done);
    const forget = () => {
      if (last.get(name) === done) last.delete(name);
    };
    done.then(forget, forget);
    return done;
  };
}

/** Runs work of the same name once at a time. A call that comes while it runs shares its outcome. */
export interface SingleFlight<T> {
  (name: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all work that runs now has succeeded or failed. */
  waitForAll(): Promise<void>;
}

export function createSingleFlight<T>(): SingleFlight<T> {
  const running = new Map<string, Promise<T>>();
  function join(name: string, work: () => Promise<T>): Promise<T> {
    let outcome = running.get(name);
    if (!outcome) {
      outcome = work().finally(() => running.delete(name));
      running.set(name, outcome);
    }
    return outcome;
  }
  return Object.assign(join, { waitForAll: async () => void (await Promise.allSettled(running.values())) });
}
