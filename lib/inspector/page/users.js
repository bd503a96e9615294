import { CLAIMS, TIMES, TOKENS } from "./descriptions.js";
import { bar, h, show } from "./dom.js";
import { formatDate, formatFromNow, formatSeconds } from "./times.js";

/** Shows the signed-in users. If no token has changed, only updates the remaining lifetimes. */
export function showUsers(container, users, now) {
  show(container, JSON.stringify(users), () => users.map((user) => createUser(user, users.length > 1)));
  for (const token of container.querySelectorAll(".token[data-ends]")) updateLifetime(token, now);
  for (const time of container.querySelectorAll("[data-at]"))
    time.textContent = formatFromNow(Number(time.dataset.at), now);
}

function createUser(user, hasSeveral) {
  const prefix = hasSeveral ? `${user.instance}: ` : "";
  return user.sub === undefined ? createVisitor(user, prefix) : createSignedInUser(user, prefix);
}

function createVisitor({ instance, login }, prefix) {
  const href = `${login}?returnTo=${encodeURIComponent(location.pathname)}`;
  const line = [
    h("span", {}, `${prefix}Not signed in.`),
    login ? createButton("Sign in", href, instance) : h("span", {}),
  ];
  return h("div", { class: "user" }, h("div", { class: "line" }, ...line));
}

function createSignedInUser({ instance, sub, name, logout, started_at, ends_at, tokens }, prefix) {
  const times = [
    "signed in ",
    h("span", { "data-at": started_at }),
    ", ends ",
    h("span", { "data-at": ends_at }),
    " at the latest",
  ];
  const line = [
    h("h3", {}, prefix, name ?? sub),
    name === undefined ? undefined : h("code", {}, sub),
    h("span", { class: "soft" }, ...times),
    logout ? createButton("Sign out", logout, instance) : h("span", {}),
  ];
  return h(
    "div",
    { class: "user" },
    h("div", { class: "line" }, ...line),
    h("div", { class: "tokens" }, ...tokens.map(createToken)),
  );
}

/** Creates the link to sign in or out. Both have one key, so that the focus stays when the user signs in. */
const createButton = (label, href, instance) =>
  h("a", { class: "button", href, "data-key": `${instance} sign-in` }, label);

function createToken({ name, length, header, claims, from, ends_at }) {
  const life = ends_at === undefined ? "no known expiry" : "";
  return h(
    "article",
    { class: "token", "data-name": name, "data-from": from, "data-ends": ends_at },
    h("div", { class: "line" }, h("h3", {}, name), h("span", { class: "soft left" }, life)),
    ends_at === undefined ? undefined : bar(`remaining lifetime of the ${name}`, { from: 0, to: 1 }),
    h(
      "p",
      { class: "hint soft" },
      TOKENS[name],
      claims ? "" : ` Opaque, ${length} characters. Only the provider can read it.`,
    ),
    claims ? createList({ ...header, ...claims }) : undefined,
  );
}

const createList = (members) =>
  h(
    "dl",
    {},
    ...Object.entries(members).map(([name, value]) =>
      h(
        "div",
        {},
        h("dt", {}, h("code", {}, name), CLAIMS[name] ?? "specific to your provider"),
        h("dd", {}, ...formatClaim(name, value)),
      ),
    ),
  );

function formatClaim(name, value) {
  if (TIMES.includes(name) && typeof value === "number")
    return [formatDate(value), " ", h("span", { class: "soft", "data-at": value })];
  return [typeof value === "string" ? value : JSON.stringify(value)];
}

/** The share of the lifetime below which a bar is marked as low. */
const LOW_SHARE = 0.2;

function updateLifetime(token, now) {
  const from = Number(token.dataset.from);
  const ends = Number(token.dataset.ends);
  const left = Math.max(ends - now / 1000, 0);
  const share = ends > from ? left / (ends - from) : 0;
  const rect = token.querySelector(".fill");
  rect.setAttribute("width", `${Math.min(share, 1) * 100}%`);
  rect.setAttribute("class", `fill ${share < LOW_SHARE ? "low" : ""}`);
  token.querySelector(".left").textContent =
    left > 0 ? `${formatSeconds(Math.ceil(left))} left` : "has expired";
}
