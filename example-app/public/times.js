// Times come in UTC; the reader's own clock and language are known only here.

const readers = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const readersClock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

for (const time of document.querySelectorAll("time")) {
  const format = time.classList.contains("clock") ? readersClock : readers;
  time.textContent = format.format(new Date(time.dateTime));
}

/** The time of day, of epoch seconds. */
export const clock = (seconds) => readersClock.format(new Date(seconds * 1000));
