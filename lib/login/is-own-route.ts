import { getExternalMount, normalizePath } from "../http/external-url.js";
import type { Settings } from "../settings/settings.js";

/**
 * Routes to which no login returns: they would sign the user in again or out, or show a page that only a
 * login leads to.
 */
const LOGIN_FLOW_ROUTES = ["login", "callback", "logout", "frontchannelLogout", "form"] as const;

type RouteSettings = Pick<Settings, "redirectUri" | "routes">;

/**
 * Tells whether a path is a route of this router, as browsers see it. A login that returned to one would
 * begin again and again, or would sign the user out through what looks like a link of the site itself.
 *
 * @param mount the router's mount path, as the request has it
 * @param path a path of this site, with or without query and fragment
 */
export function isOwnRoute(registered: RouteSettings, mount: string, path: string): boolean {
  const wanted = normalizePath(path.replace(/[?#].*$/s, ""));
  const base = getExternalMount(registered, mount);
  return LOGIN_FLOW_ROUTES.some((name) => {
    const route = registered.routes[name];
    return route !== false && normalizePath(base + route) === wanted;
  });
}
