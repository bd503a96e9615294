import { getAccount, logInOnce } from "../runner/visit.mjs";

const session = "like ours";

/** The same where portalAuth() mounts the session: the hand-written app mounts one with the settings of ours. */
export const ownSession = {
  name: "own-session",
  title: "GET /account, logged in; express-session is mounted by portalAuth(), by hand with the same settings",
  unit: "request",
  programs: [
    { name: "hand-written", file: "hand-written.mjs", settings: { session } },
    { name: "hand-written again", file: "hand-written.mjs", settings: { session } },
    { name: "express-portal-auth", file: "ours.mjs", settings: {} },
  ],
  size: { launches: 4, warmUp: 12, rounds: 24, requests: 400 },
  requestsPerUnit: 1,
  atOnce: 8,
  prepare: logInOnce,
  visit: getAccount,
};
