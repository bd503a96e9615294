import { logInEverybody, logInSilently } from "../runner/visit.mjs";

const session = "plain";

/** A whole login by a new browser. Only the app's process is measured, so the portal's work is nobody's. */
export const login = {
  name: "login",
  title:
    "GET /login, the portal (which knows the person, one of 400), GET /callback; only the app is measured",
  unit: "login",
  programs: [
    { name: "hand-written", file: "hand-written.mjs", settings: { session } },
    { name: "hand-written again", file: "hand-written.mjs", settings: { session } },
    { name: "express-portal-auth", file: "ours.mjs", settings: { session }, target: 1.1 },
  ],
  size: { launches: 3, warmUp: 60, rounds: 30, requests: 40 },
  requestsPerUnit: 2,
  atOnce: 4,
  prepare: logInEverybody,
  visit: logInSilently,
};
