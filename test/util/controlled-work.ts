/** Creates work that ends when the test says so, and a log of its starts and ends. */
export function createControlledWork() {
  const log: string[] = [];
  const running = new Map<string, { resolve(value: string): void; reject(error: Error): void }>();
  return {
    log,
    work: (name: string) => () =>
      new Promise<string>((resolve, reject) => {
        log.push(`${name} starts`);
        running.set(name, { resolve, reject });
      }).finally(() => log.push(`${name} ends`)),
    resolve: (name: string) => running.get(name)?.resolve(`result of ${name}`),
    reject: (name: string) => running.get(name)?.reject(new Error(`failure of ${name}`)),
  };
}

/** Waits until all promises that need nothing from outside have settled. */
export const waitForPromises = () => new Promise((resolve) => setImmediate(resolve));
