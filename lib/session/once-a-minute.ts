const MINUTE_MS = 60_000;

/** Lets one message a minute pass: what fails for every request is told, and does not fill a disk. */
export function onceAMinute<Message extends unknown[]>(
  tell: (...message: Message) => void,
): (...message: Message) => void {
  let nextAt = Number.NEGATIVE_INFINITY;
  return function tellSometimes(...message) {
    const now = performance.now();
    if (now < nextAt) return;
    nextAt = now + MINUTE_MS;
    tell(...message);
  };
}
