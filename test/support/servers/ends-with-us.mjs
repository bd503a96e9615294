const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const ends = new Set();

/**
 * Calls `end` when this process ends, in reverse order. `end` must be synchronous. Only a SIGKILL leaves
 * servers behind. Returns a function that cancels the call.
 */
export function endsWithUs(end) {
  if (ends.size === 0) listen();
  ends.add(end);
  return () => {
    ends.delete(end);
    if (ends.size === 0) stopListening();
  };
}

function listen() {
  process.on("exit", endAll);
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

function stopListening() {
  process.off("exit", endAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function endAll() {
  for (const end of [...ends].reverse()) end();
  ends.clear();
  stopListening();
}

/**
 * A listener keeps the process alive after a signal. Therefore the signal is sent again, unless there is
 * another listener.
 */
function onSignal(signal) {
  endAll();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
