// Sends twenty calls to an API that needs a valid access token. Each response contains the number of the
// token set before and after the guard. The difference is the number of refreshes.

import { createElement, onClick } from "./dom.js";
import { createSignInPrompt } from "./problem.js";
import { formatTimeOfDay } from "./times.js";
import { showTokens } from "./token-bars.js";

const CALL_COUNT = 20;

const tally = document.querySelector("#tally");
const dots = tally.querySelector(".calls");
const message = tally.querySelector("[role=status]");
let isRunning = false;

// A result about the previous token is hidden when the current token expires.
document.querySelector("[data-token=access_token]")?.addEventListener("expire", () => {
  tally.hidden = !isRunning;
});

onClick(document.querySelector("#call-twenty"), async () => {
  isRunning = true;
  tally.hidden = false; // before its text changes, or a screen reader would not read it
  message.replaceChildren(createElement("p", { className: "title" }, `${CALL_COUNT} calls are running …`));
  dots.replaceChildren(...Array.from({ length: CALL_COUNT }, () => createElement("li", {})));
  const results = await Promise.all([...dots.children].map(call));
  isRunning = false;

  const successes = results.filter(({ ok }) => ok).map(({ json }) => json);
  const problem = results.find(({ ok }) => !ok)?.json;
  message.replaceChildren(
    ...(successes.length > 0 ? createSummary(successes) : []),
    ...(problem ? createFailure(problem, successes.length) : []),
  );
  if (successes.length > 0) showTokens(findNewest(successes));
});

const findNewest = (responses) =>
  responses.reduce((newest, next) => (next.token_set > newest.token_set ? next : newest));

/**
 * Sends one call. With HTTP/1.1 a browser sends six calls at a time. `no-store` prevents that its cache sends
 * them one after another.
 */
async function call(dot) {
  try {
    const response = await fetch("/api/token-check", {
      cache: "no-store",
      headers: { Accept: "application/json" },
    });
    const json = await response.json();
    dot.dataset.outcome = response.ok ? "good" : "bad";
    return { ok: response.ok, json };
  } catch {
    dot.dataset.outcome = "bad";
    return { ok: false, json: { title: "The server did not respond. Is it still running?" } };
  }
}

function createSummary(responses) {
  const { token_set, obtained_at } = findNewest(responses);
  const firstSet = Math.min(...responses.map(({ token_set_before }) => token_set_before));
  const refreshes = token_set - firstSet;
  const early = responses.filter(({ token_set_before }) => token_set_before === firstSet).length;
  const accessTokens = new Set(responses.map(({ fingerprint }) => fingerprint));
  return [
    createElement(
      "p",
      { className: "title" },
      `${count(CALL_COUNT, "request")}, ${count(refreshes, "refresh", "refreshes")}`,
    ),
    createElement(
      "dl",
      { className: "figures" },
      createFigure("Responses", responses.length),
      createFigure("Access tokens in use", accessTokens.size),
      createFigure("Refreshes at the provider", refreshes),
      createFigure("Last refresh", token_set > 1 ? formatTimeOfDay(obtained_at) : "None yet"),
    ),
    createElement("p", {}, refreshes === 0 ? STILL_VALID : describeShared(early, responses.length)),
  ];
}

const STILL_VALID = "The token was still valid. Wait until it has expired, and try again.";

function describeShared(early, all) {
  if (early === all) return `All ${all} found the old token, and shared the refresh.`;
  const shared = early === 1 ? "caused the refresh" : "shared the refresh";
  return `${early} of them found the old token and ${shared}. The others came after it.`;
}

function createFailure(problem, succeeded) {
  const explanation = `${CALL_COUNT - succeeded} of ${CALL_COUNT} calls failed.`;
  if (problem.login) return createSignInPrompt(problem, explanation);
  return [createElement("p", { className: "title" }, problem.title), createElement("p", {}, explanation)];
}

const createFigure = (name, value) =>
  createElement("div", {}, createElement("dt", {}, name), createElement("dd", {}, String(value)));

const count = (number, singular, plural = `${singular}s`) => `${number} ${number === 1 ? singular : plural}`;
