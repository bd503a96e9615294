/** Calls a function whose last argument is a Node.js callback, and returns its outcome as a promise. */
export function promised<T>(call: (done: (error?: unknown, value?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
}
