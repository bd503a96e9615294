import { logInAllUsers, logInSilently } from "../runner/visit.mjs";

const session = "plain";

/** Measures a whole login by a new browser. Only the CPU time of the application's process counts. */
export const login = {
  name: "login",
  title: "GET /login, the provider (where one of 400 users is signed in), GET /callback",
  unit: "login",
  programs: [
    { name: "hand-written", file: "hand-written.mjs", settings: { session } },
    { name: "hand-written again", file: "hand-written.mjs", settings: { session } },
    { name: "express-portal-auth", file: "ours.mjs", settings: { session }, target: 1.1 },
  ],
  size: { launches: 3, warmUp: 60, rounds: 30, requests: 40 },
  requestsPerUnit: 2,
  atOnce: 4,
  prepare: logInAllUsers,
  visit: logInSilently,
};
