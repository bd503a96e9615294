import { getStartPage } from "../http/external-url.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import type { Settings } from "../settings/settings.js";
import { isOwnRoute } from "./is-own-route.js";

/**
 * Returns where a user goes after the login: the wanted path of this site, else the start page. Never a route
 * of ours.
 */
export function resolveReturnTo(
  registered: Pick<Settings, "redirectUri" | "routes">,
  mount: string,
  wanted: unknown,
): string {
  const home = getStartPage(registered, mount);
  const path = sanitizeReturnTo(wanted, home);
  return isOwnRoute(registered, mount, path) ? home : path;
}
