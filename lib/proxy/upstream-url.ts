import { parseLocalPath } from "../http/sanitize-return-to.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";

/** The part of a request target below the proxy's path. */
export interface RequestedPath {
  /** Empty, or begins with a slash. */
  readonly rest: string;
  /** Empty, or the query with its question mark. */
  readonly search: string;
}

/**
 * Parses a request target for the proxy at this path. Returns undefined if the target is not below the path.
 */
export function parseRequestedPath(url: string, path: string): RequestedPath | undefined {
  const queryStart = url.indexOf("?");
  const pathname = queryStart < 0 ? url : url.slice(0, queryStart);
  // A target in absolute form (RFC 9112, section 3.2.2) does not begin with the path, so it is not forwarded.
  if (pathname !== path && !pathname.startsWith(`${path}/`)) return undefined;
  return { rest: pathname.slice(path.length), search: queryStart < 0 ? "" : url.slice(queryStart) };
}

/**
 * Paths that servers read in different ways. An earlier check may have seen another path than the upstream.
 * The list is that of Spring Security's StrictHttpFirewall, and needless percent-encoding, which no client
 * produces.
 */
const AMBIGUOUS_PATHS = [
  /\/\//, // an empty segment, or another host
  /[;#]/, // parameters of a segment: "..;" is ".." for some servers
  /%(?:2f|5c|3b|3f|23)/i, // / \ ; ? # encoded
  /(?:^|\/)(?=[^/]*%20)(?:\.|%20)+(?:\/|$)/i, // ".. " is ".." for some systems, such as Windows
  /%(?:[01][\da-f]|7f)/i, // control characters
  /%25[\da-f]{2}/i, // encoded twice
  /%(?:2d|2e|5f|3\d|4[1-9a-f]|5[\da]|6[1-9a-f]|7[\dae])/i, // - . _ ~ digits and letters (RFC 3986, section 2.3)
];

/**
 * Builds the URL at the upstream: the upstream's own path, and the rest below it. Returns undefined if the
 * rest is ambiguous, is not UTF-8, or would be changed by the WHATWG URL parser (.., \, tabs, spaces).
 */
export function buildUpstreamUrl(upstream: URL, { rest, search }: RequestedPath): URL | undefined {
  const path = getBasePath(upstream) + rest || "/";
  if (AMBIGUOUS_PATHS.some((pattern) => pattern.test(rest)) || !isUtf8(rest)) return undefined;
  const target = new URL(upstream.origin + path);
  if (target.pathname !== path) return undefined;
  target.search = search;
  return target;
}

/** Returns the path of the upstream without a trailing slash; "" for a whole host. */
const getBasePath = ({ pathname }: URL): string => (pathname === "/" ? "" : withoutTrailingSlash(pathname));

function isUtf8(encoded: string): boolean {
  try {
    decodeURIComponent(encoded);
    return true;
  } catch {
    return false;
  }
}

/**
 * Rewrites the upstream's Location for the browser: to a path below the proxy's mount, or to an absolute URL
 * for targets outside the upstream's path. A relative Location can therefore never lead to a route of the
 * application. Returns undefined for an invalid URL.
 *
 * @param location the header from Node.js, which decodes it as Latin-1 although the bytes may be UTF-8
 */
export function rewriteLocation(
  location: string,
  target: URL,
  upstream: URL,
  mount: string,
): string | undefined {
  const decoded = Buffer.from(location, "latin1").toString("utf8");
  if (!URL.canParse(decoded, target.href)) return undefined;
  const { origin, pathname, search, hash, href } = new URL(decoded, target);
  const base = getBasePath(upstream);
  const isBelow = origin === upstream.origin && (pathname === base || pathname.startsWith(`${base}/`));
  return (isBelow && parseLocalPath(mount + pathname.slice(base.length) + search + hash)) || href;
}
