import { comparablePath, externalMount } from "../http/external-url.js";
import type { Settings } from "../settings/settings.js";

/**
 * Routes to which no login returns: they would sign the user in again or out, or show a page that only a
 * login leads to.
 */
const LEADING = ["login", "callback", "logout", "frontchannelLogout", "form"] as const;

type Registered = Pick<Settings, "redirectUri" | "routes">;

/**
 * Tells whether a path is a route of this router, as browsers see it. A login that returned to one would
 * begin again and again, or would sign the user out through what looks like a link of the site itself.
 *
 * @param mount the router's mount path, as the request has it
 * @param path a path of this site, with or without query and fragment
 */
export function isOwnRoute(registered: Registered, mount: string, path: string): boolean {
  const wanted = comparablePath(path.replace(/[?#].*$/s, ""));
  const base = externalMount(registered, mount);
  return LEADING.some((name) => {
    const route = registered.routes[name];
    return route !== false && comparablePath(base + route) === wanted;
  });
}
