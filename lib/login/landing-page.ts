import { startPage } from "../http/external-url.js";
import { returnTo } from "../http/return-to.js";
import type { Settings } from "../settings/settings.js";
import { isOwnRoute } from "./own-routes.js";

/**
 * Returns where a user goes after the login: the wanted path of this site, else the start page. Never a route
 * of ours.
 */
export function landingPage(
  registered: Pick<Settings, "redirectUri" | "routes">,
  mount: string,
  wanted: unknown,
): string {
  const home = startPage(registered, mount);
  const path = returnTo(wanted, home);
  return isOwnRoute(registered, mount, path) ? home : path;
}
