import type { Request } from "express";
import type { Settings } from "../settings/settings.js";
import { sanitizeReturnTo } from "./sanitize-return-to.js";

// The addresses under which browsers reach this application. A proxy may remove a path prefix before it
// forwards a request, so `req.baseUrl` and `req.originalUrl` may lack it. `redirectUri` has it. Host and
// X-Forwarded-* are never used.

export { sanitizeReturnTo };

type RouteSettings = Pick<Settings, "redirectUri" | "routes">;

/** The router's mount path, as its request has it (`req.baseUrl`). */
type Mount = string;

/**
 * Returns the path of redirectUri without the callback's route: the mount path as browsers see it.
 * Undefined if the router has no callback route.
 */
export function getRegisteredMount({ redirectUri, routes }: RouteSettings): string | undefined {
  const { pathname } = new URL(redirectUri);
  return routes.callback === false ? undefined : pathname.slice(0, -routes.callback.length); // it ends in that: settings.ts
}

/**
 * Returns the path prefix that a proxy removes, "" without one. It is what `redirectUri` has in front of
 * the mount path. Path segments are counted, not compared, because a mount at a pattern (`/:tenant`) has
 * another path for each request.
 */
export function getExternalPrefix(registered: RouteSettings, mount: Mount): string {
  const outside = getRegisteredMount(registered)?.split("/") ?? [""];
  const inside = mount.split("/").length - 1;
  return outside.slice(0, Math.max(1, outside.length - inside)).join("/");
}

/** Returns the start page of the application, as browsers see it: "/", or the root below the prefix. */
export const getStartPage = (registered: RouteSettings, mount: Mount): string =>
  `${getExternalPrefix(registered, mount)}/`;

/** Returns the mount path as browsers see it. */
export function getExternalMount(registered: RouteSettings, mount: Mount): string {
  const path = getExternalPrefix(registered, mount) + mount;
  const known = getRegisteredMount(registered);
  return known !== undefined && normalizePath(known) === normalizePath(path) ? known : path;
}

/**
 * Returns the link to one of the router's own routes. The mount may be a pattern, so it may hold any text.
 */
export const getRouteUrl = (registered: RouteSettings, mount: Mount, route: string): string =>
  sanitizeReturnTo(getExternalMount(registered, mount) + route, getStartPage(registered, mount));

/** Returns the address of this request as browsers see it: a path of this site, or the fallback. */
export function getRequestUrl(
  registered: RouteSettings,
  mount: Mount,
  req: Request,
  fallback?: string,
): string {
  const { originalUrl } = req;
  const isPath = originalUrl.startsWith("/"); // a client may send a whole address (RFC 9112, section 3.2.2)
  const address = isPath ? getExternalPrefix(registered, mount) + originalUrl : originalUrl;
  return sanitizeReturnTo(address, fallback ?? getStartPage(registered, mount));
}

/** Returns where the browser goes after a logout: the option's address, else the start page. */
export const getPostLogoutUrl = (settings: Settings, mount: Mount): string =>
  settings.postLogoutRedirectUri ?? new URL(getStartPage(settings, mount), settings.redirectUri).href;

/** Describes afterLogout() before the first request, which shows the mount path and so the prefix. */
export function describePostLogoutUrl({ postLogoutRedirectUri, ...registered }: Settings): string {
  if (postLogoutRedirectUri !== undefined) return postLogoutRedirectUri;
  const { href } = new URL("/", registered.redirectUri);
  const below = getRegisteredMount(registered);
  if (below === undefined || below === "") return href;
  return `${href} (if a proxy removes ${below} from the path: ${new URL(`${below}/`, href).href})`;
}

const MAX_DECODINGS = 5;

/**
 * Returns a path in the form in which two spellings of one route are equal. Express ignores case and a
 * slash at the end. Proxies decode, merge slashes and resolve dots before they forward (nginx does all
 * three), some of them more than once.
 */
export function normalizePath(path: string): string {
  let decoded = path;
  for (let times = 0; times < MAX_DECODINGS && /%[0-9a-f]{2}/i.test(decoded); times += 1)
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
      String.fromCharCode(Number(`0x${hex}`)),
    );
  const segments: string[] = [];
  for (const segment of decoded.toLowerCase().split(/[/\\]/)) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}`;
}
