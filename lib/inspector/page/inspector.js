import { showConfiguration } from "./configuration.js";
import { showFailures } from "./failures.js";
import { showLogins } from "./logins.js";
import { showRefreshes } from "./refreshes.js";
import { showUsers } from "./users.js";

const POLL_MS = 1000;
const getSection = (id) => document.getElementById(id);

/** All records that this page has loaded, by id. */
const records = new Map();
let logId;
let lastSequence = 0;
/** The difference between the server's clock and this browser's, in milliseconds. */
let clockOffset = 0;
let users = [];
let limits = { logins: 50, others: 200 };

/** The server does not know this browser: its cookie has expired, or the secrets of the app have changed. */
class AccessLost extends Error {}

const describeError = (error) =>
  error instanceof AccessLost
    ? "closed: reload this page, and then open the URL that the console shows"
    : "the app does not respond; trying again";

async function loadRecords() {
  const query = new URLSearchParams({ log_id: logId ?? "", after: String(lastSequence) });
  const response = await fetch(`events.json?${query}`);
  if (response.status === 404) throw new AccessLost();
  if (!response.ok) throw new Error(`events.json answered ${response.status}`);
  const update = await response.json();
  if (update.log_id !== logId) {
    records.clear(); // the server was restarted
    showConfiguration(getSection("configuration"));
  }
  logId = update.log_id;
  users = update.users;
  limits = update.limits;
  lastSequence = update.last;
  clockOffset = update.now - Date.now();
  for (const record of update.records) records.set(record.id, record);
}

function showAll() {
  const newest = [...records.values()].sort((a, b) => b.sequence - a.sequence);
  const isLogin = ({ kind }) => kind === "login";
  const logins = newest.filter(isLogin).slice(0, limits.logins);
  const others = newest.filter((record) => !isLogin(record)).slice(0, limits.others);
  retainOnly([...logins, ...others]);
  showLogins(getSection("logins"), logins);
  showFailures(
    getSection("failures"),
    others.filter(({ kind }) => kind === "failure"),
  );
  showRefreshes(
    getSection("refreshes"),
    others.filter(({ kind }) => kind !== "failure"),
  );
  showUsers(getSection("users"), users, Date.now() + clockOffset);
}

/** Removes all other records. A page that is open for days holds no more than the server. */
function retainOnly(retained) {
  records.clear();
  for (const record of retained) records.set(record.id, record);
}

function showStatus(kind, text) {
  const status = getSection("live");
  if (status.textContent === text) return;
  status.className = kind;
  status.textContent = text;
}

/** Polls the server while the page is visible. Continues when the server is back after a failure. */
async function poll() {
  if (document.visibilityState === "visible") {
    try {
      await loadRecords();
      showAll();
      showStatus("on", "live");
    } catch (error) {
      showStatus("off", describeError(error));
    }
  }
  setTimeout(poll, POLL_MS);
}

// The token is already used, so it need not stay in the address bar.
history.replaceState(null, "", location.pathname);
poll();
