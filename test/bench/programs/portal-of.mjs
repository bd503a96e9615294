import { existsSync } from "node:fs";

/** The test portal of a built checkout: it was a part of the example once, and old versions are measured against new ones. */
export function portalOf(from) {
  const places = ["dist/testing/portal/portal.js", "example-app/dist/portal/portal.js"].map(
    (path) => `${from}/${path}`,
  );
  const found = places.find((path) => existsSync(path));
  if (!found) throw new Error(`no built portal in ${from}`);
  return found;
}
