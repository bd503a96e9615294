import { getAccount, logInOnce } from "../runner/visit.mjs";

const session = "idle";

/** The same where portalAuth() mounts the session: its idle limit is made by hand as express-session offers it. */
export const ownSession = {
  name: "own-session",
  title:
    "GET /account, logged in; sessions with an idle limit: mounted by portalAuth(), or by hand with rolling",
  unit: "request",
  programs: [
    { name: "hand-written", file: "hand-written.mjs", settings: { session } },
    { name: "hand-written again", file: "hand-written.mjs", settings: { session } },
    { name: "express-portal-auth", file: "ours.mjs", settings: {}, target: 0.9 },
  ],
  size: { launches: 4, warmUp: 12, rounds: 24, requests: 400 },
  requestsPerUnit: 1,
  atOnce: 8,
  prepare: logInOnce,
  visit: getAccount,
};
