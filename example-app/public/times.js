// The server sends times in UTC. Only the browser knows the user's time zone and language.

const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

for (const time of document.querySelectorAll("time")) {
  const format = time.classList.contains("clock") ? timeOfDay : dateAndTime;
  time.textContent = format.format(new Date(time.dateTime));
}

/** Returns the time of day. */
export const formatTimeOfDay = (epochSeconds) => timeOfDay.format(new Date(epochSeconds * 1000));
