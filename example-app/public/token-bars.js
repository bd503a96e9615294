// Shows the remaining lifetime of each token. The page contains the seconds, and this script counts them
// down. A response of the API brings new values after a refresh.

import { formatTimeOfDay } from "./times.js";

const news = document.querySelector("#news");
const startedAt = Date.now(); // compared with the clock, because timers stop while a laptop is asleep

const bars = [...document.querySelectorAll(".token")]
  .filter((card) => card.querySelector("progress"))
  .map((card) => {
    const bar = card.querySelector("progress");
    return {
      card,
      bar,
      text: card.querySelector(".left"),
      expiresAt: startedAt + Number(bar.getAttribute("value")) * 1000,
    };
  });

function formatDuration(seconds) {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function show({ card, bar, text, expiresAt }) {
  const left = Math.max(0, Math.ceil((expiresAt - Date.now()) / 1000));
  const state = left === 0 ? "expired" : left <= Math.min(60, bar.max / 4) ? "low" : "valid";
  bar.value = left;
  text.textContent = left === 0 ? "Expired" : `${formatDuration(left)} left`;
  // A screen reader reads only the expiry, not every second before it.
  if (state === "expired" && card.dataset.state && card.dataset.state !== "expired") {
    news.textContent = `${card.dataset.name}: expired.`;
    card.dispatchEvent(new Event("expire"));
  }
  card.dataset.state = state;
}

const showAll = () => bars.forEach(show);
showAll();
setInterval(showAll, 1000);

/** Shows the token facts of a response of the API. */
export function showTokens({ token_set, obtained_at, lifetimes }) {
  for (const shown of bars) {
    const lifetime = lifetimes[shown.card.dataset.token];
    if (!lifetime) continue;
    shown.bar.max = lifetime.total_seconds;
    shown.expiresAt = Date.now() + lifetime.seconds_left * 1000;
  }
  if (token_set > 1)
    document.querySelector("#since").textContent = `Last refreshed at ${formatTimeOfDay(obtained_at)}.`;
  news.textContent = "";
  showAll();
}
