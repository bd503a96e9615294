import "./times.js";

// ---- The life left in each token: the page came with the seconds, from here on they are counted.

const openedAt = Date.now(); // not a count of ticks: a laptop that slept must not believe in a dead token

const lives = [...document.querySelectorAll(".token progress")].map((bar) => ({
  bar,
  card: bar.closest(".token"),
  text: bar.closest(".token").querySelector(".left"),
  endsAt: openedAt + Number(bar.getAttribute("value")) * 1000,
}));

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

function show({ bar, card, text, endsAt }) {
  const left = Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  const state = left === 0 ? "out" : left <= 60 ? "low" : "well";
  bar.value = left;
  text.textContent = left === 0 ? "Has run out" : `${duration(left)} left`;
  // A screen reader hears about the end, not about every second before it.
  if (state === "out" && card.dataset.state && card.dataset.state !== "out") {
    document.querySelector("#news").textContent = `${bar.dataset.name}: has run out.`;
  }
  card.dataset.state = state;
}

const showAll = () => lives.forEach(show);
showAll();
setInterval(showAll, 1000);

// ---- The API, called as a page's script calls it.

const answer = document.querySelector("#answer");
const outcome = document.querySelector("#outcome");
const body = document.querySelector("#body");

const CALLS = {
  "signed-in": {
    credentials: "same-origin",
    passed: "Your session cookie went along, so the guard knew you and let the call pass.",
    refused: "The guard does not know you any more: the session has ended.",
  },
  "signed-out": {
    credentials: "omit",
    passed: "This API answers anybody.",
    refused:
      "The cookie was left out on purpose, so the guard did not know you. It does not redirect a script: it says what is wrong, and where a person can sign in.",
  },
};

for (const button of document.querySelectorAll("[data-call]")) {
  button.addEventListener("click", () => call(CALLS[button.dataset.call], button));
}

async function call({ credentials, passed, refused }, button) {
  button.disabled = true;
  answer.hidden = false; // before it speaks, or a screen reader would miss it
  try {
    const response = await fetch("/api/me", { credentials, headers: { Accept: "application/json" } });
    const json = await response.json();
    if (response.status === 401) present(response, json, signInAgain(json, refused));
    else present(response, json, [element("p", {}, response.ok ? passed : json.title)]);
  } catch {
    outcome.replaceChildren(element("p", {}, "The server did not answer. Is it still running?"));
    body.replaceChildren();
  }
  button.disabled = false;
}

/** All that it takes to handle a 401: the problem (RFC 9457) names the address of the login. */
function signInAgain(problem, explanation) {
  const login = new URL(problem.login, location.href);
  login.searchParams.set("returnTo", location.pathname);
  const link = element("a", { className: "button primary", href: login.href }, "Sign in");
  return [
    element("p", { className: "title" }, problem.title),
    element("p", {}, explanation),
    element("p", { className: "actions" }, link),
  ];
}

function present(response, json, explanation) {
  const [type] = (response.headers.get("content-type") ?? "").split(";");
  const status = element("b", {}, `${response.status} ${response.statusText}`);
  answer.dataset.outcome = response.ok ? "good" : "bad";
  outcome.replaceChildren(element("p", { className: "status" }, status, ` ${type}`), ...explanation);
  body.replaceChildren(...colored(JSON.stringify(json, null, 2)));
}

/** JSON text in pieces: names, texts and values can be told apart at a glance. */
function* colored(json) {
  let end = 0;
  for (const match of json.matchAll(/("(?:[^"\\]|\\.)*")(:?)|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g)) {
    const [token, text, colon] = match;
    yield json.slice(end, match.index);
    const className = colon ? "json-name" : text ? "json-text" : "json-value";
    yield element("span", { className }, colon ? text : token);
    if (colon) yield colon;
    end = match.index + token.length;
  }
  yield json.slice(end);
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
