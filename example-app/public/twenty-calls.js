// Twenty calls of an API that needs an access token that is still good. Each answer says which token set the call found
// and with which one it was answered: the difference is what was refreshed in between.

import { element, onClick } from "./dom.js";
import { signInAgain } from "./problem.js";
import { clock } from "./times.js";
import { showTokens } from "./token-bars.js";

const CALLS = 20;

const tally = document.querySelector("#tally");
const dots = tally.querySelector(".calls");
const words = tally.querySelector("[role=status]");
let isUnderWay = false;

// What was found of the last token says nothing of the next.
document.querySelector("[data-token=access_token]")?.addEventListener("runout", () => {
  tally.hidden = !isUnderWay;
});

onClick(document.querySelector("#call-twenty"), async () => {
  isUnderWay = true;
  tally.hidden = false; // before it speaks, or a screen reader would miss it
  words.replaceChildren(element("p", { className: "title" }, `${CALLS} calls are under way …`));
  dots.replaceChildren(...Array.from({ length: CALLS }, () => element("li", {})));
  const answers = await Promise.all([...dots.children].map(call));
  isUnderWay = false;

  const good = answers.filter(({ ok }) => ok).map(({ json }) => json);
  const problem = answers.find(({ ok }) => !ok)?.json;
  words.replaceChildren(
    ...(good.length > 0 ? result(good) : []),
    ...(problem ? trouble(problem, good.length) : []),
  );
  if (good.length > 0) showTokens(newestOf(good));
});

const newestOf = (answers) =>
  answers.reduce((newest, next) => (next.token_set > newest.token_set ? next : newest));

/** A browser has six of them on their way to an HTTP/1.1 server at a time, unless its cache lets one go after another. */
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
    return { ok: false, json: { title: "The server did not answer. Is it still running?" } };
  }
}

function result(answers) {
  const { token_set, obtained_at } = newestOf(answers);
  const found = Math.min(...answers.map(({ found_set }) => found_set));
  const refreshes = token_set - found;
  const early = answers.filter(({ found_set }) => found_set === found).length;
  const accessTokens = new Set(answers.map(({ fingerprint }) => fingerprint));
  return [
    element(
      "p",
      { className: "title" },
      `${many(CALLS, "request")}, ${many(refreshes, "refresh", "refreshes")}`,
    ),
    element(
      "dl",
      { className: "figures" },
      figure("Answers", answers.length),
      figure("Access tokens in use", accessTokens.size),
      figure("Refreshes at the portal", refreshes),
      figure("Last refresh", token_set > 1 ? clock(obtained_at) : "None yet"),
    ),
    element("p", {}, refreshes === 0 ? STILL_GOOD : shared(early, answers.length)),
  ];
}

const STILL_GOOD = "The token was still good. Wait until its bar has run out, and try again.";

function shared(early, all) {
  if (early === all) return `All ${all} met the old token, and shared the refresh.`;
  return `${early} of them met the old token and ${early === 1 ? "had it refreshed" : "shared the refresh"}; the others came after that.`;
}

function trouble(problem, answered) {
  const explanation = `${CALLS - answered} of ${CALLS} calls failed.`;
  if (problem.login) return signInAgain(problem, explanation);
  return [element("p", { className: "title" }, problem.title), element("p", {}, explanation)];
}

const figure = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)));

const many = (number, one, more = `${one}s`) => `${number} ${number === 1 ? one : more}`;
