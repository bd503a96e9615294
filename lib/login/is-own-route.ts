import { getExternalMount, normalizePath, type RouteSettings } from "../http/external-url.js";

/**
 * Routes that no login may return to. They would sign the user in again or out, or they show a page that only
 * a login leads to.
 */
const LOGIN_FLOW_ROUTES = ["login", "callback", "logout", "frontchannelLogout", "form"] as const;

/**
 * Returns whether a path is a login, callback or logout route of this router, as browsers see it. A login
 * that returned to one would loop, or would sign the user out.
 *
 * @param mount the router's mount path, as the request has it
 * @param path a path of this site, with or without query and fragment
 */
export function isOwnRoute(settings: RouteSettings, mount: string, path: string): boolean {
  const normalized = normalizePath(path.replace(/[?#].*$/s, ""));
  const base = getExternalMount(settings, mount);
  return LOGIN_FLOW_ROUTES.some((name) => {
    const route = settings.routes[name];
    return route !== false && normalizePath(base + route) === normalized;
  });
}
