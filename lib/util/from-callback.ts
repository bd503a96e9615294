/**
 * Calls a function whose last argument is a Node.js callback, and returns its outcome as a promise. Some
 * stores have async methods. Their promises may also reject, with or without a call of `done`.
 */
export function fromCallback<T>(
  call: (done: (error?: unknown, value?: T) => void) => unknown,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const returned = call((error, value) => (error ? reject(error) : resolve(value)));
    Promise.resolve(returned).catch(reject);
  });
}
