import { getAccount, logInOnce } from "../runner/visit.mjs";

const session = "idle";

/**
 * Measures a request where portalAuth() mounts the session. By hand, express-session has a similar idle
 * timeout.
 */
export const ownSession = {
  name: "own-session",
  title: "GET /account of a signed-in user; sessions have an idle timeout, by portalAuth() or by rolling",
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
