import { AsyncLocalStorage } from "node:async_hooks";
import type { Lock } from "../lock.js";

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

/** The same, and under a lock where the work needs one. */
export type Turns = <T>(name: string, work: () => Promise<T>, needsLock: boolean) => Promise<T>;

interface Turn {
  readonly name: string;
  isLocked: boolean;
  isOver: boolean;
}

/**
 * Turns for work that may ask for its own turn again: some stores write or destroy a session while they touch or write
 * it. That goes on within the turn, and takes no lock a second time.
 */
export function createTurns(lock: Lock | undefined): Turns {
  const inTurn = createQueue();
  const turns = new AsyncLocalStorage<Turn>();

  function run<T>(turn: Turn, work: () => Promise<T>, needsLock: boolean): Promise<T> {
    if (!lock || !needsLock || turn.isLocked) return turns.run(turn, work);
    return lock(turn.name, async () => {
      turn.isLocked = true;
      return turns.run(turn, work).finally(() => {
        turn.isLocked = false;
      });
    });
  }

  return function inTurnOrWithin(name, work, needsLock) {
    const current = turns.getStore();
    // a connection that was opened in one turn may bring another request here: that turn is over then
    if (current?.name === name && !current.isOver) return run(current, work, needsLock);
    return inTurn(name, async () => {
      const turn = { name, isLocked: false, isOver: false };
      try {
        return await run(turn, work, needsLock);
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
