/** Runs pieces of work of the same name one after the other, in this process. */
export type Queue = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Creates an empty queue. Work that fails does not stop the work that waits behind it. */
export function createQueue(): Queue {
  const lastByName = new Map<string, Promise<unknown>>();
  return function runInTurn(name, work) {
    const previous = lastByName.get(name) ?? Promise.resolve();
    const outcome = previous.then(work, work);
    lastByName.set(name, outcome);
    const removeIfLast = () => {
      if (lastByName.get(name) === outcome) lastByName.delete(name);
    };
    outcome.then(removeIfLast, removeIfLast);
    return outcome;
  };
}
