const HERE = "http://here.invalid"; // a throwaway origin: a URL with another origin leaves this site
const MAX_LENGTH = 2000; // the path is stored in a cookie, beside those of other logins

/**
 * Returns the path that the user goes to after a login: the requested path of this site, or the fallback. The
 * fallback is also used for a path over 2,000 characters.
 */
export function sanitizeReturnTo(requested: unknown, fallback = "/"): string {
  const path = typeof requested === "string" ? parseLocalPath(requested) : undefined;
  return path !== undefined && JSON.stringify(path).length <= MAX_LENGTH ? path : fallback;
}

/**
 * Parses a URL as a browser does (WHATWG URL), and returns its path, query and fragment. Returns undefined if
 * it leads to another site.
 *
 * The result is the parsed URL, not the given text. Comparing first letters would miss "/\evil.example",
 * "/<tab>/evil.example" and similar URLs. The parsed URL is compared as a whole, because its parts can
 * mislead: "blob:http://here.invalid/x" has our origin.
 */
export function parseLocalPath(requested: string): string | undefined {
  if (!URL.canParse(requested, HERE)) return undefined;
  const { href } = new URL(requested, HERE);
  const path = href.slice(HERE.length);
  // The parser turns "/.//evil.example" into "//evil.example".
  const isLocal = href.startsWith(`${HERE}/`) && !path.startsWith("//");
  return isLocal ? path : undefined;
}
