import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** Where versions of this package have the provider of the tests. An older version can be measured against this one. */
const PLACES = ["dist/testing/provider/test-provider.js", "dist/testing/portal/portal.js"];

/** Loads the provider of a built checkout. Returns the function that starts it, and its users. */
export async function loadProvider(from) {
  const found = PLACES.map((path) => `${from}/${path}`).find((path) => existsSync(path));
  if (!found) throw new Error(`no built test provider in ${from}`);
  const { startLocalProvider, startPortal, DEMO_USERS, DEMO_PEOPLE } = await import(pathToFileURL(found));
  return { start: startLocalProvider ?? startPortal, users: DEMO_USERS ?? DEMO_PEOPLE };
}
