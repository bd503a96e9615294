import { h, show } from "./dom.js";

export async function showConfiguration(place) {
  const answer = await fetch("configuration.json");
  const configurations = answer.ok ? Object.entries(await answer.json()) : [];
  show(place, JSON.stringify(configurations), () =>
    configurations.length === 0
      ? h("p", { class: "empty" }, "This page has met no portalAuth(): mount the inspector behind it.")
      : configurations.map(([instance, options]) => tableOf(instance, options, configurations.length > 1)),
  );
}

const tableOf = (instance, options, isOneOfSeveral) =>
  h(
    "div",
    {},
    isOneOfSeveral ? h("h3", {}, instance) : undefined,
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...["option", "value", "from", "variable"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h("tbody", {}, ...options.map(rowOf)),
    ),
  );

const rowOf = ({ option, variable = "", value = "none", origin }) =>
  h(
    "tr",
    { class: origin === "default" || origin === "profile" ? "default" : undefined },
    h("td", {}, h("code", {}, option)),
    h("td", { class: "value" }, value),
    h("td", {}, origin),
    h("td", {}, h("code", {}, variable)),
  );
