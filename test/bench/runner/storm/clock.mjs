/** The time of day in UTC, with its milliseconds. */
export const clock = (epochMilliseconds) => new Date(epochMilliseconds).toISOString().slice(11, 23);
