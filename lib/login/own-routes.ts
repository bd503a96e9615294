import { withoutSlash } from "../without-slash.js";

/** The routes of every portalAuth() of this process, as Express compares them: a mount's letters may be large or small. */
const known = new Set<string>();

/** Makes these routes known as ones to which no login returns. */
export function knowRoutes(routes: Readonly<Record<string, string | false>>): void {
  for (const route of Object.values(routes)) if (route !== false) known.add(withoutSlash(route).toLowerCase());
}

/**
 * Whether a path may lead to a login, a callback or a logout of whichever portalAuth(), mounted wherever. A login that
 * returned to one would log in again, and again; or log out, by what looks like a link of this site's own.
 */
export function isOwnRoute(path: string): boolean {
  const pathname = withoutSlash(path.replace(/[?#].*$/, "")).toLowerCase();
  return [...known].some((route) => pathname.endsWith(route));
}
