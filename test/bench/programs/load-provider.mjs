import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** The path of the test provider in this version and in older ones, with which this one can be compared. */
const PATHS = ["dist/testing/provider/local-provider.js", "dist/testing/portal/portal.js"];

/** Loads the provider of a built checkout. Returns its demo users, and a function that starts it. */
export async function loadProvider(from) {
  const found = PATHS.map((path) => `${from}/${path}`).find((path) => existsSync(path));
  if (!found) throw new Error(`no built test provider in ${from}`);
  const { startLocalProvider, startPortal, DEMO_USERS, DEMO_PEOPLE } = await import(pathToFileURL(found));
  if (startLocalProvider) return { start: startLocalProvider, users: DEMO_USERS };
  // Older versions have the option `people` instead of `users`.
  return { start: ({ users, ...options }) => startPortal({ ...options, people: users }), users: DEMO_PEOPLE };
}
