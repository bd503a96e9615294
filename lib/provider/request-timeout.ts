/** If a timer fires so late, this process stood still: it was stopped, or its machine was suspended. */
const STOPPED_MS = 500;
const EXTRA_READ_MS = 1000;

/**
 * Creates a signal that aborts a request after the given time.
 *
 * Node.js runs timers before it reads from sockets. If this process stood still, the time can be over
 * although the response has arrived. Aborting a refresh then would discard the only valid token. Therefore
 * the signal lets sockets be read first, and waits one more second if the process stood still.
 */
export function createRequestTimeout(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  const dueAt = performance.now() + milliseconds;
  const timeout = AbortSignal.timeout(milliseconds);
  const abort = () => controller.abort(timeout.reason);
  const readThenAbort = () => {
    if (performance.now() - dueAt < STOPPED_MS)
      setImmediate(abort); // runs after the sockets are read
    else setTimeout(abort, EXTRA_READ_MS).unref();
  };
  timeout.addEventListener("abort", readThenAbort, { once: true });
  return controller.signal;
}
