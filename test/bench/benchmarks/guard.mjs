import { getAccount, logInOnce } from "../runner/visit.mjs";

const session = "plain";

/** Measures a request of a signed-in user, in an application with its own session. */
export const guard = {
  name: "guard",
  title: "GET /account of a signed-in user; all programs have the same express-session",
  unit: "request",
  programs: [
    { name: "hand-written", file: "hand-written.mjs", settings: { session } },
    { name: "hand-written again", file: "hand-written.mjs", settings: { session } },
    { name: "express-portal-auth", file: "ours.mjs", settings: { session }, target: 1.4 },
    { name: "with everything on", file: "ours.mjs", settings: { session, everything: true }, target: 1.4 },
    { name: "with createStore()", file: "ours.mjs", settings: { session, createsStore: true }, target: 1.05 },
  ],
  size: { launches: 6, warmUp: 12, rounds: 24, requests: 400 },
  requestsPerUnit: 1,
  atOnce: 8,
  prepare: logInOnce,
  visit: getAccount,
};
