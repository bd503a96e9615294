// Warns a minute before the session ends. A request to /session does not extend the session, so an open page
// does not keep the user signed in. Any other request extends it.

import { onClick } from "./dom.js";

const POLL_INTERVAL_MS = 20_000;
const WARN_SECONDS = 60;

const box = document.querySelector("#session-end");
const message = box.querySelector("[role=alert]");
const left = box.querySelector(".left");
const button = box.querySelector("button");
let endsAt = Number.POSITIVE_INFINITY;

async function poll() {
  const response = await fetch("/session").catch(() => undefined);
  if (!response?.ok) return; // the next poll may succeed
  const { isAuthenticated, expires_in } = await response.json();
  const seconds = isAuthenticated
    ? Math.min(expires_in.idle ?? Number.POSITIVE_INFINITY, expires_in.absolute)
    : 0;
  endsAt = Date.now() + seconds * 1000;
  show();
}

function show() {
  const seconds = Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  box.hidden = seconds > WARN_SECONDS;
  // The alert changes only when the last minute starts and when it ends, so a screen reader does not read
  // each second.
  setText(message, seconds > 0 ? "Your session is about to end." : "Your session has ended.");
  setText(left, seconds > 0 ? `${seconds} s left` : "");
  setText(button, seconds > 0 ? "Stay signed in" : "Sign in again");
}

function setText(element, text) {
  if (!box.hidden && element.textContent !== text) element.textContent = text;
}

onClick(button, async () => {
  if (Date.now() >= endsAt) return location.reload(); // the guard redirects to the login, and back
  await fetch("/api/me");
  await poll();
});

document.addEventListener("visibilitychange", poll); // for example after a laptop was asleep
setInterval(poll, POLL_INTERVAL_MS);
setInterval(show, 1000);
poll();
