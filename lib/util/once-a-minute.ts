const MINUTE_MS = 60_000;

/** Limits a report to one message per minute, so that a failure of every request does not fill the log. */
export function onceAMinute<Message extends unknown[]>(
  report: (...message: Message) => void,
): (...message: Message) => void {
  let nextAt = Number.NEGATIVE_INFINITY;
  return function reportOnceAMinute(...message) {
    const now = performance.now();
    if (now < nextAt) return;
    nextAt = now + MINUTE_MS;
    report(...message);
  };
}
