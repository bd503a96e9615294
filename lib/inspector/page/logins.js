import { bar, h, show } from "./dom.js";
import { explain } from "./failures.js";
import { clockTime, duration } from "./times.js";
import { STEPS } from "./words.js";

const STATES = {
  at_portal: ["waiting", "at the portal"],
  finished: ["good", "signed in"],
  failed: ["bad", "failed"],
};

export function showLogins(place, logins) {
  show(place, JSON.stringify(logins), () =>
    logins.length === 0
      ? h("p", { class: "empty" }, "No login yet. Sign in, and see each step of it here.")
      : h("ul", { class: "rows" }, ...logins.map((login, index) => h("li", {}, ...loginOf(login, index)))),
  );
}

/** The newest stand open. */
const OPEN = 3;

function loginOf(login, index) {
  const more = [
    login.steps.length > 0 ? timelineOf(login) : undefined,
    login.failure ? explain(login.failure, login.id) : undefined,
  ];
  if (index < OPEN || login.steps.length === 0)
    return [h("div", { class: "line" }, ...lineOf(login)), ...more];
  return [h("details", { "data-key": login.id }, h("summary", { class: "line" }, ...lineOf(login)), ...more)];
}

function lineOf({ state, failure, instance, took, at }) {
  const [kind, words] = failure?.ordinary ? ["waiting", "not signed in"] : STATES[state];
  return [
    h("span", { class: `mark ${kind}` }, words),
    instance === "default" ? undefined : h("span", { class: "soft" }, instance),
    took === undefined ? undefined : h("span", { class: "soft" }, `${duration(took)} in the app`),
    h("time", { class: "soft" }, clockTime(at)),
  ];
}

/** The person's part has a bar of its own: beside minutes at the portal, milliseconds would not be seen. */
function timelineOf({ id, steps, state, since_started, took }) {
  const waited = since_started === undefined ? undefined : Math.max(since_started - took, 0);
  const whole = took || 1;
  const rows = steps.map(({ step, from, took: its }, index) => {
    const isStop = state === "failed" && index === steps.length - 1;
    const part = { from: from / whole, to: (from + its) / whole, kind: isStop ? "stopped" : "" };
    return rowOf(id, step, isStop ? `${step}: stopped here` : step, its, part);
  });
  const person =
    waited === undefined ? [] : [rowOf(id, "person", "redirect", waited, { from: 0, to: 1, kind: "person" })];
  return h("ol", { class: "timeline" }, ...person, ...rows);
}

const rowOf = (id, step, label, took, part) =>
  h(
    "li",
    { tabindex: 0, "data-key": `${id} ${step}` },
    h("span", { class: "name" }, step === "person" ? "at the portal" : step),
    bar(`${label}, ${duration(took)}`, part),
    h("span", { class: "time" }, duration(took)),
    h("span", { class: "what" }, STEPS[step]),
  );
