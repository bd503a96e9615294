import { h, show } from "./dom.js";

/** Fetches the options of each portalAuth() and shows them as tables. */
export async function showConfiguration(container) {
  const response = await fetch("configuration.json");
  const configurations = response.ok ? Object.entries(await response.json()) : [];
  show(container, JSON.stringify(configurations), () =>
    configurations.length === 0
      ? h("p", { class: "empty" }, "No portalAuth() ran before this page. Mount the inspector after it.")
      : configurations.map(([instance, options]) =>
          createTable(instance, options, configurations.length > 1),
        ),
  );
}

const createTable = (instance, options, hasSeveral) =>
  h(
    "div",
    {},
    hasSeveral ? h("h3", {}, instance) : undefined,
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
      h("tbody", {}, ...options.map(createRow)),
    ),
  );

const createRow = ({ option, variable = "", value = "none", origin }) =>
  h(
    "tr",
    { class: origin === "default" || origin === "profile" ? "default" : undefined },
    h("td", {}, h("code", {}, option)),
    h("td", { class: "value" }, value),
    h("td", {}, origin),
    h("td", {}, h("code", {}, variable)),
  );
