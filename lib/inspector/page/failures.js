import { h, show, withCode } from "./dom.js";
import { clockTime } from "./times.js";

export function showFailures(place, failures) {
  show(place, JSON.stringify(failures), () =>
    failures.length === 0
      ? h("p", { class: "empty" }, "None so far. What fails stands here, with what to do.")
      : h("ul", { class: "rows" }, ...failures.map(failureOf)),
  );
}

function failureOf(failure) {
  const { count, last_at, request_ids } = failure;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "line" },
      h(
        "span",
        { class: "soft" },
        count > 1 ? `${count} times` : "once",
        request_ids[0] ? ` · request ${request_ids[0]}` : "",
      ),
      h("time", { class: "soft" }, clockTime(last_at)),
    ),
    explain(failure, failure.id),
  );
}

/** The code, what to do, what was seen, and behind a click the usual causes. */
export function explain({ code, status, hint, detail }, key) {
  const causes = h("div", {}, "…");
  const details = h(
    "details",
    { "data-key": `${key} causes` },
    h("summary", {}, "Usual causes, and how to tell them apart"),
    causes,
  );
  details.addEventListener("toggle", () => details.open && load(code, causes));
  return h(
    "div",
    {},
    h("p", { class: "hint" }, h("code", { class: "mark bad" }, code), ` (${status})`),
    h("p", { class: "hint" }, hint),
    detail ? h("p", { class: "hint soft" }, detail) : undefined,
    details,
  );
}

const loaded = new Map();

async function load(code, place) {
  if (!loaded.has(code)) {
    const answer = await fetch(`explanation.json?code=${encodeURIComponent(code)}`);
    loaded.set(code, answer.ok ? await answer.json() : { happened: "", causes: [] });
  }
  const { happened, causes } = loaded.get(code);
  const items = causes.map(({ cause, tell, fix }) =>
    h(
      "li",
      {},
      h("p", {}, ...withCode(cause)),
      h("p", { class: "soft" }, "How to tell: ", ...withCode(tell)),
      h("p", {}, "The fix: ", ...withCode(fix)),
    ),
  );
  place.replaceChildren(h("p", {}, ...withCode(happened)), h("ol", {}, ...items));
}
