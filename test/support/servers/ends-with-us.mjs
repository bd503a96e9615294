const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const ends = new Set();

/**
 * Calls `end` when this process ends, the last begun first; so it must not wait for anything. (A SIGKILL is the one end
 * that leaves servers behind.) Returns what takes it back.
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

/** With a listener a process outlives the signal: so it is sent once more, unless somebody else listens and sees to it. */
function onSignal(signal) {
  endAll();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
