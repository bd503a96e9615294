import { bar, h, show } from "./dom.js";
import { dateTime, fromNow, span } from "./times.js";
import { CLAIMS, TIMES, TOKENS } from "./words.js";

/** Built anew when a token changes; in between only what is left of their lives. */
export function showPeople(place, people, now) {
  show(place, JSON.stringify(people), () => people.map((person) => personOf(person, people.length > 1)));
  for (const token of place.querySelectorAll(".token[data-ends]")) turn(token, now);
  for (const time of place.querySelectorAll("[data-at]"))
    time.textContent = fromNow(Number(time.dataset.at), now);
}

function personOf(person, isOneOfSeveral) {
  const { instance, sub, name, login, logout, started_at, ends_at, tokens } = person;
  const here = `returnTo=${encodeURIComponent(location.pathname)}`;
  const where = isOneOfSeveral ? `${instance}: ` : "";
  if (sub === undefined)
    return h(
      "div",
      { class: "person" },
      h(
        "div",
        { class: "line" },
        h("span", {}, `${where}Nobody is signed in.`),
        login
          ? h("a", { class: "button", href: `${login}?${here}`, "data-key": `${instance} door` }, "Sign in")
          : h("span", {}),
      ),
    );
  return h(
    "div",
    { class: "person" },
    h(
      "div",
      { class: "line" },
      h("h3", {}, where, name ?? sub),
      name === undefined ? undefined : h("code", {}, sub),
      h(
        "span",
        { class: "soft" },
        "signed in ",
        h("span", { "data-at": started_at }),
        ", ends ",
        h("span", { "data-at": ends_at }),
        " at the latest",
      ),
      logout
        ? h("a", { class: "button", href: logout, "data-key": `${instance} door` }, "Sign out")
        : h("span", {}),
    ),
    h("div", { class: "tokens" }, ...tokens.map(tokenOf)),
  );
}

function tokenOf({ name, length, header, claims, from, ends_at }) {
  const life = ends_at === undefined ? "does not say when it ends" : "";
  return h(
    "article",
    { class: "token", "data-name": name, "data-from": from, "data-ends": ends_at },
    h("div", { class: "line" }, h("h3", {}, name), h("span", { class: "soft left" }, life)),
    ends_at === undefined ? undefined : bar(`what is left of the life of the ${name}`, { from: 0, to: 1 }),
    h(
      "p",
      { class: "hint soft" },
      TOKENS[name],
      claims ? "" : ` Opaque, ${length} characters: only the portal can read it.`,
    ),
    claims ? list({ ...header, ...claims }) : undefined,
  );
}

const list = (members) =>
  h(
    "dl",
    {},
    ...Object.entries(members).map(([name, value]) =>
      h(
        "div",
        {},
        h("dt", {}, h("code", {}, name), CLAIMS[name] ?? "of your portal's own"),
        h("dd", {}, ...told(name, value)),
      ),
    ),
  );

function told(name, value) {
  if (TIMES.includes(name) && typeof value === "number")
    return [dateTime(value), " ", h("span", { class: "soft", "data-at": value })];
  return [typeof value === "string" ? value : JSON.stringify(value)];
}

const LOW = 0.2;

function turn(token, now) {
  const [from, ends] = [Number(token.dataset.from), Number(token.dataset.ends)];
  const left = Math.max(ends - now / 1000, 0);
  const share = ends > from ? left / (ends - from) : 0;
  const rect = token.querySelector(".fill");
  rect.setAttribute("width", `${Math.min(share, 1) * 100}%`);
  rect.setAttribute("class", `fill ${share < LOW ? "low" : ""}`);
  token.querySelector(".left").textContent = left > 0 ? `${span(Math.ceil(left))} left` : "has ended";
}
