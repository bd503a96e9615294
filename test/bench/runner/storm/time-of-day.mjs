/** Formats a time as the time of day in UTC, with milliseconds. */
export const formatTime = (epochMilliseconds) => new Date(epochMilliseconds).toISOString().slice(11, 23);
