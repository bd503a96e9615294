import { parseLocalPath } from "../http/sanitize-return-to.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";

/** What lies below the proxy's path: "" or what begins with a slash, and the query with its ?. */
export interface RequestedPath {
  readonly rest: string;
  readonly search: string;
}

/** What a request target wants of the proxy at this path; undefined where it is not the proxy's. */
export function parseRequestedPath(url: string, path: string): RequestedPath | undefined {
  const at = url.indexOf("?");
  const pathname = at < 0 ? url : url.slice(0, at);
  // an absolute address (RFC 9112, section 3.2.2) begins otherwise: it is not passed on
  if (pathname !== path && !pathname.startsWith(`${path}/`)) return undefined;
  return { rest: pathname.slice(path.length), search: at < 0 ? "" : url.slice(at) };
}

/**
 * What servers read in different ways, so that a check on the way here may have seen another path than the upstream will.
 * The list is that of Spring Security's StrictHttpFirewall, and what is encoded without need: no client does that.
 */
const AMBIGUOUS_PATHS = [
  /\/\//, // an empty part, or another host
  /[;#]/, // parameters of a part: "..;" is ".." for some
  /%(?:2f|5c|3b|3f|23)/i, // / \ ; ? # encoded
  /(?:^|\/)(?=[^/]*%20)(?:\.|%20)+(?:\/|$)/i, // ".. " is ".." for some, such as Windows
  /%(?:[01][\da-f]|7f)/i, // control characters
  /%25[\da-f]{2}/i, // encoded twice
  /%(?:2d|2e|5f|3\d|4[1-9a-f]|5[\da]|6[1-9a-f]|7[\dae])/i, // - . _ ~ digits and letters (RFC 3986, section 2.3)
];

/**
 * Where the upstream has it: its own path, and the rest below that. Undefined where the rest could lead elsewhere, or is
 * not written as it will be read: what the WHATWG URL would resolve or rewrite (.., \, tabs, spaces), what is no UTF-8.
 */
export function buildUpstreamUrl(upstream: URL, { rest, search }: RequestedPath): URL | undefined {
  const path = getBasePath(upstream) + rest || "/";
  if (AMBIGUOUS_PATHS.some((pattern) => pattern.test(rest)) || !isUtf8(rest)) return undefined;
  const target = new URL(upstream.origin + path);
  if (target.pathname !== path) return undefined;
  target.search = search;
  return target;
}

/** Of an upstream that is a whole host, nothing. */
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
 * Returns the upstream's Location for the browser: a path below the proxy's mount, or a whole address for what lies
 * elsewhere. So a relative Location outside the upstream's path never leads to a route of the application. Undefined for
 * text that is no address.
 *
 * @param location as Node.js has it, which decodes headers as Latin-1; the bytes may be UTF-8
 */
export function rewriteLocation(
  location: string,
  target: URL,
  upstream: URL,
  mount: string,
): string | undefined {
  const written = Buffer.from(location, "latin1").toString("utf8");
  if (!URL.canParse(written, target.href)) return undefined;
  const { origin, pathname, search, hash, href } = new URL(written, target);
  const base = getBasePath(upstream);
  const isBelow = origin === upstream.origin && (pathname === base || pathname.startsWith(`${base}/`));
  return (isBelow && parseLocalPath(mount + pathname.slice(base.length) + search + hash)) || href;
}
