import { getAccount, logInOnce } from "../runner/visit.mjs";

const session = "plain";

/** What portalAuth() and requireAuth() cost a request of somebody who is logged in, in an app with its own session. */
export const guard = {
  name: "guard",
  title: "GET /account, logged in; express-session is the app's own, with the same settings in all",
  unit: "request",
  programs: [
    { name: "hand-written", file: "hand-written.mjs", settings: { session } },
    { name: "hand-written again", file: "hand-written.mjs", settings: { session } },
    { name: "express-portal-auth", file: "ours.mjs", settings: { session }, target: 1.05 },
    { name: "with everything on", file: "ours.mjs", settings: { session, everything: true }, target: 1.05 },
  ],
  size: { launches: 6, warmUp: 12, rounds: 24, requests: 400 },
  requestsPerUnit: 1,
  atOnce: 8,
  prepare: logInOnce,
  visit: getAccount,
};
