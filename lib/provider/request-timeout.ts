/** A timer that fires so late means that this process stood still: it was stopped, or its machine was suspended. */
const STOPPED_MS = 500;
const EXTRA_READ_MS = 1000;

/**
 * Creates a signal that aborts a request after so long. Node.js runs timers before it reads from sockets. If this process
 * stood still, its time can be over although the answer has arrived, and with a refresh the only good token would be thrown
 * away. So it reads what has arrived first, and gets another second if it stood still for longer.
 */
export function createRequestTimeout(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  const dueAt = performance.now() + milliseconds;
  const timeout = AbortSignal.timeout(milliseconds);
  const abort = () => controller.abort(timeout.reason);
  const readThenAbort = () => {
    if (performance.now() - dueAt < STOPPED_MS)
      setImmediate(abort); // runs after the sockets were read
    else setTimeout(abort, EXTRA_READ_MS).unref();
  };
  timeout.addEventListener("abort", readThenAbort, { once: true });
  return controller.signal;
}
