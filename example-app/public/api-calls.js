// Calls the API from a script of the page.

import { createElement, onClick } from "./dom.js";
import { createSignInPrompt } from "./problem.js";
import { showTokens } from "./token-bars.js";

const box = document.querySelector("#answer");
const outcome = document.querySelector("#outcome");
const body = document.querySelector("#body");

const CALLS = {
  "signed-in": {
    path: "/api/me",
    credentials: "same-origin",
    accepted: "The browser sent your session cookie, so the guard let the call pass.",
    rejected: "The session has ended, so the guard rejected the call.",
  },
  "signed-out": {
    path: "/api/me",
    credentials: "omit",
    accepted: "This API also responds to users who are not signed in.",
    rejected:
      "The call was sent without the cookie, so the guard rejected it. A script gets no redirect. " +
      "It gets the error and the URL of the login.",
  },
  userinfo: {
    path: "/api/userinfo",
    credentials: "same-origin",
    accepted: "The app called the provider with your access token, and refreshed it first if necessary.",
    rejected: "Your tokens cannot be refreshed any more. The provider requires a new sign-in.",
  },
};

for (const button of document.querySelectorAll("[data-call]"))
  onClick(button, () => call(CALLS[button.dataset.call]));

async function call({ path, credentials, accepted, rejected }) {
  box.hidden = false; // before its text changes, or a screen reader would not read it
  try {
    const response = await fetch(path, { credentials, headers: { Accept: "application/json" } });
    const json = await response.json();
    if (response.status === 401) show(response, json, createSignInPrompt(json, rejected));
    else show(response, json, [createElement("p", {}, response.ok ? accepted : json.title)]);
    if (json.lifetimes) showTokens(json);
  } catch {
    outcome.replaceChildren(createElement("p", {}, "The server did not respond. Is it still running?"));
    body.replaceChildren();
  }
}

function show(response, json, explanation) {
  const [type] = (response.headers.get("content-type") ?? "").split(";");
  const status = createElement("b", {}, `${response.status} ${response.statusText}`);
  box.dataset.outcome = response.ok ? "good" : "bad";
  outcome.replaceChildren(createElement("p", { className: "status" }, status, ` ${type}`), ...explanation);
  body.replaceChildren(...colorJson(JSON.stringify(json, null, 2)));
}

/** Splits JSON text into pieces with a colour for names, texts and other values. */
function* colorJson(json) {
  let end = 0;
  for (const match of json.matchAll(/("(?:[^"\\]|\\.)*")(:?)|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g)) {
    const [token, text, colon] = match;
    yield json.slice(end, match.index);
    const className = colon ? "json-name" : text ? "json-text" : "json-value";
    yield createElement("span", { className }, colon ? text : token);
    if (colon) yield colon;
    end = match.index + token.length;
  }
  yield json.slice(end);
}
