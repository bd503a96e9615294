import { h, show } from "./dom.js";
import { clockTime, duration } from "./times.js";
import { REASONS } from "./words.js";

export function showRefreshes(place, records) {
  show(place, JSON.stringify(records), () =>
    records.length === 0
      ? h(
          "p",
          { class: "empty" },
          "None yet. When an access token ends, its refresh stands here, with how many requests shared it.",
        )
      : h("ul", { class: "rows" }, ...records.map(recordOf)),
  );
}

function recordOf(record) {
  const [kind, words, more] = TELL[record.kind](record);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "line" },
      h("span", { class: `mark ${kind}` }, words),
      record.instance === "default" ? undefined : h("span", { class: "soft" }, record.instance),
      h("time", { class: "soft" }, clockTime(record.at)),
    ),
    more ? h("p", { class: "hint soft" }, more) : undefined,
  );
}

const STATES = {
  done: ["good", "access token renewed"],
  failed: ["bad", "not renewed"],
  under_way: ["waiting", "being renewed"],
  elsewhere: ["good", "renewed by another process"],
};

const TELL = {
  refresh({ state, joined, took, waited, rotated, code, ends_session }) {
    const parts = [
      took === undefined ? undefined : `took ${duration(took)}`,
      joined === 0 ? undefined : joined === 1 ? "1 request joined it" : `${joined} requests joined it`,
      waited === undefined ? undefined : `waited ${duration(waited)} for another process`,
      rotated ? "a new refresh token came" : undefined,
      code === undefined
        ? undefined
        : `${code}${ends_session ? ": the person must sign in again" : ": the session stays"}`,
    ];
    const [mark, words] = STATES[state];
    return [mark, words, parts.filter(Boolean).join(" · ")];
  },
  logout: ({ had_login, at_portal }) => [
    "",
    had_login ? "signed out" : "a logout without a login",
    at_portal ? "and on to the portal's logout" : "the portal was not told: no logout address, or no answer",
  ],
  session_refused: ({ reason }) => ["waiting", "a session's login did not count", REASONS[reason]],
};
