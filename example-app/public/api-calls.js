// The API, called as a page's script calls it.

import { element, onClick } from "./dom.js";
import { signInAgain } from "./problem.js";
import { showTokens } from "./token-bars.js";

const answer = document.querySelector("#answer");
const outcome = document.querySelector("#outcome");
const body = document.querySelector("#body");

const CALLS = {
  "signed-in": {
    path: "/api/me",
    credentials: "same-origin",
    passed: "Your session cookie went along, so the guard knew you and let the call pass.",
    refused: "The guard does not know you any more: the session has ended.",
  },
  "signed-out": {
    path: "/api/me",
    credentials: "omit",
    passed: "This API answers anybody.",
    refused:
      "The cookie was left out on purpose, so the guard did not know you. It does not redirect a script: it says what is wrong, and where a person can sign in.",
  },
  userinfo: {
    path: "/api/userinfo",
    credentials: "same-origin",
    passed: "The app asked the portal with your access token, refreshed first if it had to be.",
    refused: "Your tokens can be renewed no more: the portal wants to see you again.",
  },
};

for (const button of document.querySelectorAll("[data-call]"))
  onClick(button, () => call(CALLS[button.dataset.call]));

async function call({ path, credentials, passed, refused }) {
  answer.hidden = false; // before it speaks, or a screen reader would miss it
  try {
    const response = await fetch(path, { credentials, headers: { Accept: "application/json" } });
    const json = await response.json();
    if (response.status === 401) present(response, json, signInAgain(json, refused));
    else present(response, json, [element("p", {}, response.ok ? passed : json.title)]);
    if (json.lives) showTokens(json);
  } catch {
    outcome.replaceChildren(element("p", {}, "The server did not answer. Is it still running?"));
    body.replaceChildren();
  }
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
