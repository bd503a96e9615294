import { STEPS } from "./descriptions.js";
import { bar, h, show } from "./dom.js";
import { createExplanation } from "./failures.js";
import { formatDuration, formatTime } from "./times.js";

const STATES = {
  at_provider: ["waiting", "at the provider"],
  finished: ["good", "signed in"],
  failed: ["bad", "failed"],
};

/** Shows the logins, the newest first. */
export function showLogins(container, logins) {
  show(container, JSON.stringify(logins), () =>
    logins.length === 0
      ? h("p", { class: "empty" }, "No logins so far. Sign in to see each step here.")
      : h(
          "ul",
          { class: "rows" },
          ...logins.map((login, index) => h("li", {}, ...createLogin(login, index))),
        ),
  );
}

/** The number of logins that are always open. */
const OPEN_LOGINS = 3;

function createLogin(login, index) {
  const more = [
    login.steps.length > 0 ? createTimeline(login) : undefined,
    login.failure ? createExplanation(login.failure, login.id) : undefined,
  ];
  if (index < OPEN_LOGINS || login.steps.length === 0)
    return [h("div", { class: "line" }, ...createLine(login)), ...more];
  return [
    h("details", { "data-key": login.id }, h("summary", { class: "line" }, ...createLine(login)), ...more),
  ];
}

function createLine({ state, failure, instance, took, at }) {
  const [kind, label] = failure?.ordinary ? ["waiting", "not signed in"] : STATES[state];
  return [
    h("span", { class: `mark ${kind}` }, label),
    instance === "default" ? undefined : h("span", { class: "soft" }, instance),
    took === undefined ? undefined : h("span", { class: "soft" }, `${formatDuration(took)} in the app`),
    h("time", { class: "soft" }, formatTime(at)),
  ];
}

/** The time at the provider has its own bar: next to minutes, milliseconds would be invisible. */
function createTimeline({ id, steps, state, since_started, took }) {
  const waited = since_started === undefined ? undefined : Math.max(since_started - took, 0);
  const whole = took || 1;
  const rows = steps.map(({ step, from, took: stepTook }, index) => {
    const isStop = state === "failed" && index === steps.length - 1;
    const part = { from: from / whole, to: (from + stepTook) / whole, kind: isStop ? "stopped" : "" };
    return createRow(id, step, isStop ? `${step}: stopped here` : step, stepTook, part);
  });
  const user =
    waited === undefined ? [] : [createRow(id, "user", "redirect", waited, { from: 0, to: 1, kind: "user" })];
  return h("ol", { class: "timeline" }, ...user, ...rows);
}

const createRow = (id, step, label, took, part) =>
  h(
    "li",
    { tabindex: 0, "data-key": `${id} ${step}` },
    h("span", { class: "name" }, step === "user" ? "at the provider" : step),
    bar(`${label}, ${formatDuration(took)}`, part),
    h("span", { class: "time" }, formatDuration(took)),
    h("span", { class: "what" }, STEPS[step]),
  );
