import { showConfiguration } from "./configuration.js";
import { showFailures } from "./failures.js";
import { showLogins } from "./logins.js";
import { showPeople } from "./people.js";
import { showRefreshes } from "./refreshes.js";

const ASK_EVERY_MS = 1000;
const place = (id) => document.getElementById(id);

/** What this page has read: all records, by name. */
const records = new Map();
let notebook;
let seen = 0;
/** How far the server's clock is ahead of this browser's, in milliseconds. */
let ahead = 0;
let people = [];
let limits = { logins: 50, others: 200 };

/** The cookie of this browser has ended, or the app has other secrets since its last start. */
class Closed extends Error {}

const words = (error) =>
  error instanceof Closed
    ? "closed: load this page again, and then open the address that the console shows"
    : "the app does not answer; trying again";

async function ask() {
  const answer = await fetch(
    `events.json?${new URLSearchParams({ notebook: notebook ?? "", after: String(seen) })}`,
  );
  if (answer.status === 404) throw new Closed();
  if (!answer.ok) throw new Error(`events.json answered ${answer.status}`);
  const news = await answer.json();
  if (news.notebook !== notebook) {
    records.clear(); // the server was started anew
    showConfiguration(place("configuration"));
  }
  ({ notebook, people, limits } = news);
  seen = news.last;
  ahead = news.now - Date.now();
  for (const record of news.records) records.set(record.id, record);
}

function draw() {
  const newest = [...records.values()].sort((a, b) => b.n - a.n);
  const isLogin = ({ kind }) => kind === "login";
  const logins = newest.filter(isLogin).slice(0, limits.logins);
  const others = newest.filter((record) => !isLogin(record)).slice(0, limits.others);
  forgetAllBut([...logins, ...others]);
  showLogins(place("logins"), logins);
  showFailures(
    place("failures"),
    others.filter(({ kind }) => kind === "failure"),
  );
  showRefreshes(
    place("refreshes"),
    others.filter(({ kind }) => kind !== "failure"),
  );
  showPeople(place("people"), people, Date.now() + ahead);
}

/** A page that stands open for days holds no more than the server does. */
function forgetAllBut(kept) {
  records.clear();
  for (const record of kept) records.set(record.id, record);
}

function say(kind, words) {
  const live = place("live");
  if (live.textContent === words) return;
  live.className = kind;
  live.textContent = words;
}

/** Goes on when the server comes back; does nothing while nobody looks. */
async function goOn() {
  if (document.visibilityState === "visible") {
    try {
      await ask();
      draw();
      say("on", "live");
    } catch (error) {
      say("off", words(error));
    }
  }
  setTimeout(goOn, ASK_EVERY_MS);
}

history.replaceState(null, "", location.pathname); // the token is spent: it need not stay in the address
goOn();
