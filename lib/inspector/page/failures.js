import { h, renderCode, show } from "./dom.js";
import { formatTime } from "./times.js";

/** Shows the failures, the newest first. */
export function showFailures(container, failures) {
  show(container, JSON.stringify(failures), () =>
    failures.length === 0
      ? h("p", { class: "empty" }, "No failures so far. Each failure appears here with a hint.")
      : h("ul", { class: "rows" }, ...failures.map(createFailure)),
  );
}

function createFailure(failure) {
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
      h("time", { class: "soft" }, formatTime(last_at)),
    ),
    createExplanation(failure, failure.id),
  );
}

/** Creates the code, the hint and the detail of a failure. A click loads the usual causes. */
export function createExplanation({ code, status, hint, detail }, key) {
  const causes = h("div", {}, "…");
  const details = h(
    "details",
    { "data-key": `${key} causes` },
    h("summary", {}, "Usual causes, and how to check them"),
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

async function load(code, container) {
  if (!loaded.has(code)) {
    const response = await fetch(`explanation.json?code=${encodeURIComponent(code)}`);
    loaded.set(code, response.ok ? await response.json() : { happened: "", causes: [] });
  }
  const { happened, causes } = loaded.get(code);
  const items = causes.map(({ cause, check, fix }) =>
    h(
      "li",
      {},
      h("p", {}, ...renderCode(cause)),
      h("p", { class: "soft" }, "Check: ", ...renderCode(check)),
      h("p", {}, "Fix: ", ...renderCode(fix)),
    ),
  );
  container.replaceChildren(h("p", {}, ...renderCode(happened)), h("ol", {}, ...items));
}
