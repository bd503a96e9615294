const HERE = "http://here.invalid"; // a throwaway origin: whatever leaves it is not ours
const MAX_LENGTH = 2000; // it travels in a cookie, beside other logins'

/** Where a person may be sent after the login: a path of this site, or the fallback. */
export function sanitizeReturnTo(requested: unknown, fallback = "/"): string {
  const path = typeof requested === "string" ? parseLocalPath(requested) : undefined;
  return path !== undefined && JSON.stringify(path).length <= MAX_LENGTH ? path : fallback;
}

/**
 * A path of this site; undefined for what leads elsewhere. The wish is read the way a browser will read it (WHATWG URL),
 * and what is handed out is that reading, not the wish itself: comparing first letters misses "/\evil.example",
 * "/<tab>/evil.example" and their like. The reading is compared as a whole, since parts of it mislead:
 * "blob:http://here.invalid/x" has our origin.
 */
export function parseLocalPath(requested: string): string | undefined {
  if (!URL.canParse(requested, HERE)) return undefined;
  const { href } = new URL(requested, HERE);
  const path = href.slice(HERE.length);
  const stays = href.startsWith(`${HERE}/`) && !path.startsWith("//"); // "/.//evil.example" has become "//evil.example"
  return stays ? path : undefined;
}
