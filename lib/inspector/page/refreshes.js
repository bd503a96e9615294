import { REASONS } from "./descriptions.js";
import { h, show } from "./dom.js";
import { formatDuration, formatTime } from "./times.js";

/** Shows refreshes, logouts and refused sessions, the newest first. */
export function showRefreshes(container, records) {
  show(container, JSON.stringify(records), () =>
    records.length === 0
      ? h(
          "p",
          { class: "empty" },
          "No refreshes so far. When an access token expires, its refresh appears here.",
        )
      : h("ul", { class: "rows" }, ...records.map(createRecord)),
  );
}

function createRecord(record) {
  const [kind, label, more] = DESCRIBE[record.kind](record);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "line" },
      h("span", { class: `mark ${kind}` }, label),
      record.instance === "default" ? undefined : h("span", { class: "soft" }, record.instance),
      h("time", { class: "soft" }, formatTime(record.at)),
    ),
    more ? h("p", { class: "hint soft" }, more) : undefined,
  );
}

const STATES = {
  done: ["good", "access token refreshed"],
  failed: ["bad", "not refreshed"],
  under_way: ["waiting", "being refreshed"],
  elsewhere: ["good", "refreshed by another process"],
};

const DESCRIBE = {
  refresh({ state, joined, took, waited, rotated, code, ends_session }) {
    const parts = [
      took === undefined ? undefined : `took ${formatDuration(took)}`,
      joined === 0
        ? undefined
        : joined === 1
          ? "shared by 1 more request"
          : `shared by ${joined} more requests`,
      waited === undefined ? undefined : `waited ${formatDuration(waited)} for another process`,
      rotated ? "new refresh token" : undefined,
      code === undefined
        ? undefined
        : `${code}${ends_session ? ": the user must sign in again" : ": the session stays"}`,
    ];
    const [mark, label] = STATES[state];
    return [mark, label, parts.filter(Boolean).join(" · ")];
  },
  logout: ({ had_login, at_provider }) => [
    "",
    had_login ? "signed out" : "logout without a login",
    at_provider
      ? "redirected to the provider's logout"
      : "not signed out at the provider (no logout URL or no response)",
  ],
  session_refused: ({ reason }) => ["waiting", "login of a session was ignored", REASONS[reason]],
};
