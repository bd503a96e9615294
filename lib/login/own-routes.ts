import { withoutSlash } from "../without-slash.js";

/** To return to one of these would log in or out, or show a page that a login alone leads to; the others show nobody anything. */
const LEADING = ["login", "callback", "logout", "frontchannelLogout", "form"] as const;

/** Those of every portalAuth() of this process, as Express compares them: a mount's letters may be large or small. */
const known = new Set<string>();

/** Makes these routes known as ones to which no login returns. */
export function knowRoutes(routes: Readonly<Partial<Record<(typeof LEADING)[number], string | false>>>): void {
  for (const name of LEADING) {
    const route = routes[name] ?? false;
    if (route !== false) known.add(withoutSlash(route).toLowerCase());
  }
}

/**
 * Whether a path may lead to a login, a callback or a logout of whichever portalAuth(), mounted wherever. A login that
 * returned to one would log in again, and again; or log out, by what looks like a link of this site's own.
 */
export function isOwnRoute(path: string): boolean {
  const pathname = withoutSlash(path.replace(/[?#].*$/, "")).toLowerCase();
  return [...known].some((route) => pathname.endsWith(route));
}
