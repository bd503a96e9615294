// The life left in each token: the page came with the seconds, from here on they are counted. An answer of the API
// brings newer ones when the tokens were refreshed.

import { clock } from "./times.js";

const news = document.querySelector("#news");
const startedAt = Date.now(); // not a count of ticks: a laptop that slept must not believe in a dead token

const bars = [...document.querySelectorAll(".token")]
  .filter((card) => card.querySelector("progress"))
  .map((card) => {
    const bar = card.querySelector("progress");
    return {
      card,
      bar,
      text: card.querySelector(".left"),
      endsAt: startedAt + Number(bar.getAttribute("value")) * 1000,
    };
  });

function duration(seconds) {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function show({ card, bar, text, endsAt }) {
  const left = Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  const state = left === 0 ? "out" : left <= Math.min(60, bar.max / 4) ? "low" : "well";
  bar.value = left;
  text.textContent = left === 0 ? "Has run out" : `${duration(left)} left`;
  // A screen reader hears about the end, not about every second before it.
  if (state === "out" && card.dataset.state && card.dataset.state !== "out") {
    news.textContent = `${card.dataset.name}: has run out.`;
    card.dispatchEvent(new Event("runout"));
  }
  card.dataset.state = state;
}

const showAll = () => bars.forEach(show);
showAll();
setInterval(showAll, 1000);

/** What an answer of the API says about the tokens. */
export function showTokens({ token_set, obtained_at, lives }) {
  for (const one of bars) {
    const life = lives[one.card.dataset.token];
    if (!life) continue;
    one.bar.max = life.seconds_in_all;
    one.endsAt = Date.now() + life.seconds_left * 1000;
  }
  if (token_set > 1)
    document.querySelector("#since").textContent = `Last refreshed at ${clock(obtained_at)}.`;
  news.textContent = "";
  showAll();
}
