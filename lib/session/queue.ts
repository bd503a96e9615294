import { AsyncLocalStorage } from "node:async_hooks";

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

/** The same for work that may ask for its own turn again: some stores write or destroy a session while they touch or write it. */
export function createReentrantQueue(): Queue {
  const inTurn = createQueue();
  const turns = new AsyncLocalStorage<{ readonly name: string; isOver: boolean }>();
  return function inTurnOrWithin(name, work) {
    const current = turns.getStore();
    // a connection that was opened in one turn may bring another request here: that turn is over then
    if (current?.name === name && !current.isOver) return work();
    return inTurn(name, async () => {
      const turn = { name, isOver: false };
      try {
        return await turns.run(turn, work);
      } finally {
        turn.isOver = true;
      }
    });
  };
}

/** Runs work of the same name once at a time: whoever comes while it is under way shares its outcome. */
export interface Join<T> {
  (name: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all that is under way now has come to an end, whichever. */
  settled(): Promise<void>;
}

export function createJoin<T>(): Join<T> {
  const running = new Map<string, Promise<T>>();
  function join(name: string, work: () => Promise<T>): Promise<T> {
    let outcome = running.get(name);
    if (!outcome) {
      outcome = work().finally(() => running.delete(name));
      running.set(name, outcome);
    }
    return outcome;
  }
  return Object.assign(join, { settled: async () => void (await Promise.allSettled(running.values())) });
}
