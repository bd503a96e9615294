// Times come in UTC; the reader's own clock and language are known only here.

const readers = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

for (const time of document.querySelectorAll("time")) time.textContent = readers.format(new Date(time.dateTime));
