import type { Request } from "express";
import { sanitizeReturnTo } from "./sanitize-return-to.js";

// The URLs under which browsers reach this application. A proxy may remove a path prefix before it forwards a
// request, so `req.baseUrl` and `req.originalUrl` may lack it. `redirectUri` contains it. The headers Host
// and X-Forwarded-* are never used.

type Route = string | false;

/** The settings that these URLs depend on. */
export interface RouteSettings {
  readonly redirectUri: string;
  /** The path of each route below the mount path; false if the route is off. */
  readonly routes: {
    readonly login: Route;
    readonly callback: Route;
    readonly logout: Route;
    readonly frontchannelLogout: Route;
    readonly form: Route;
  };
}

interface LogoutSettings extends RouteSettings {
  readonly postLogoutRedirectUri?: string | undefined;
}

/** The router's mount path, as its request has it (`req.baseUrl`). */
type Mount = string;

/**
 * Returns the path of redirectUri without the callback's route: the mount path as browsers see it. Returns
 * undefined if the router has no callback route.
 */
export function getRegisteredMount({ redirectUri, routes }: RouteSettings): string | undefined {
  const { pathname } = new URL(redirectUri);
  // lib/settings checks that redirectUri ends in the callback's route.
  return routes.callback === false ? undefined : pathname.slice(0, -routes.callback.length);
}

/**
 * Returns the path prefix that a proxy removes; "" without one. It is the part of `redirectUri` before the
 * mount path. Path segments are counted, not compared, because a mount at a pattern (`/:tenant`) has another
 * path for each request.
 */
export function getExternalPrefix(settings: RouteSettings, mount: Mount): string {
  const outside = getRegisteredMount(settings)?.split("/") ?? [""];
  const inside = mount.split("/").length - 1;
  return outside.slice(0, Math.max(1, outside.length - inside)).join("/");
}

/** Returns the start page of the application, as browsers see it: "/", or the root below the prefix. */
export const getStartPage = (settings: RouteSettings, mount: Mount): string =>
  `${getExternalPrefix(settings, mount)}/`;

/** Returns the mount path as browsers see it. */
export function getExternalMount(settings: RouteSettings, mount: Mount): string {
  const path = getExternalPrefix(settings, mount) + mount;
  const known = getRegisteredMount(settings);
  return known !== undefined && normalizePath(known) === normalizePath(path) ? known : path;
}

/**
 * Returns the URL of one of the router's own routes, as browsers see it. It is sanitized, because a mount at
 * a pattern contains text of the client.
 */
export const getRouteUrl = (settings: RouteSettings, mount: Mount, route: string): string =>
  sanitizeReturnTo(getExternalMount(settings, mount) + route, getStartPage(settings, mount));

/** Returns the URL of this request, as browsers see it: a path of this site, or the fallback. */
export function getRequestUrl(
  settings: RouteSettings,
  mount: Mount,
  req: Request,
  fallback?: string,
): string {
  const { originalUrl } = req;
  const isPath = originalUrl.startsWith("/"); // a client may send an absolute URL (RFC 9112, section 3.2.2)
  const url = isPath ? getExternalPrefix(settings, mount) + originalUrl : originalUrl;
  return sanitizeReturnTo(url, fallback ?? getStartPage(settings, mount));
}

/**
 * Returns the URL that the browser goes to after a logout: the option postLogoutRedirectUri, else the start
 * page.
 */
export const getPostLogoutUrl = (settings: LogoutSettings, mount: Mount): string =>
  settings.postLogoutRedirectUri ?? new URL(getStartPage(settings, mount), settings.redirectUri).href;

/**
 * Describes the URL of getPostLogoutUrl() for the developer. Before the first request, the mount path is
 * unknown, so the text names both possible URLs.
 */
export function describePostLogoutUrl({ postLogoutRedirectUri, ...settings }: LogoutSettings): string {
  if (postLogoutRedirectUri !== undefined) return postLogoutRedirectUri;
  const { href } = new URL("/", settings.redirectUri);
  const below = getRegisteredMount(settings);
  if (below === undefined || below === "") return href;
  return `${href} (if a proxy removes ${below} from the path: ${new URL(`${below}/`, href).href})`;
}

const MAX_DECODINGS = 5;

/**
 * Normalizes a path, so that all spellings of one route are equal. Express ignores case and a slash at the
 * end. Proxies decode, merge slashes and resolve dots before they forward (nginx does all three), some of
 * them more than once.
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
