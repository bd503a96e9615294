import { getStartPage, type RouteSettings } from "../http/external-url.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { isOwnRoute } from "./is-own-route.js";

/**
 * Returns the page that the user goes to after the login: the requested path of this site. Any other URL, and
 * each route of this router, becomes the start page.
 *
 * @param mount the router's mount path, as the request has it
 */
export function resolveReturnTo(settings: RouteSettings, mount: string, requested: unknown): string {
  const home = getStartPage(settings, mount);
  const path = sanitizeReturnTo(requested, home);
  return isOwnRoute(settings, mount, path) ? home : path;
}
