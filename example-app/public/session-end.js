// Warns a minute before the session ends. To ask /session is no use of the session: a page that lies open keeps nobody
// signed in. Any other request is one.

import { onClick } from "./dom.js";

const ASK_EVERY_MS = 20_000;
const WARN_SECONDS = 60;

const box = document.querySelector("#session-end");
const [words, left] = [box.querySelector("[role=alert]"), box.querySelector(".left")];
const button = box.querySelector("button");
let endsAt = Number.POSITIVE_INFINITY;

async function ask() {
  const answer = await fetch("/session").catch(() => undefined);
  if (!answer?.ok) return; // nobody knows: the next time somebody may
  const { isAuthenticated, expires_in } = await answer.json();
  const seconds = isAuthenticated
    ? Math.min(expires_in.idle ?? Number.POSITIVE_INFINITY, expires_in.absolute)
    : 0;
  endsAt = Date.now() + seconds * 1000;
  show();
}

function show() {
  const seconds = Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  box.hidden = seconds > WARN_SECONDS;
  // A screen reader hears of the beginning of the last minute and of its end, not of every second between them.
  say(words, seconds > 0 ? "Your session is about to end." : "Your session has ended.");
  say(left, seconds > 0 ? `${seconds} s left` : "");
  say(button, seconds > 0 ? "Stay signed in" : "Sign in again");
}

function say(place, text) {
  if (!box.hidden && place.textContent !== text) place.textContent = text;
}

onClick(button, async () => {
  if (Date.now() >= endsAt) return location.reload(); // the guard leads to the login, and back
  await fetch("/api/me");
  await ask();
});

document.addEventListener("visibilitychange", ask); // a laptop that slept
setInterval(ask, ASK_EVERY_MS);
setInterval(show, 1000);
ask();
