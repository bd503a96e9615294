/** Formats a duration: "0.4 ms", "12 ms", "1.3 s", "4 min 10 s". */
export function formatDuration(milliseconds) {
  const value = Math.abs(milliseconds);
  if (value < 1) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(1)} s`;
  return formatSeconds(Math.round(value / 1000));
}

const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

/** Formats whole seconds in their two greatest units. */
export function formatSeconds(seconds) {
  let left = Math.abs(seconds);
  const parts = UNITS.flatMap(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count > 0 ? [`${count} ${unit}`] : [];
  });
  return parts.slice(0, 2).join(" ") || "0 s";
}

/** Formats epoch milliseconds as a time of day. */
export const formatTime = (milliseconds) => new Date(milliseconds).toLocaleTimeString();

/** Formats epoch seconds as date and time. */
export const formatDate = (seconds) => new Date(seconds * 1000).toLocaleString();

/** Formats a moment relative to now: "in 4 min 10 s", "3 h ago". */
export function formatFromNow(seconds, now) {
  const left = Math.round(seconds - now / 1000);
  return left >= 0 ? `in ${formatSeconds(left)}` : `${formatSeconds(left)} ago`;
}
