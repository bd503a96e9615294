const HERE = "http://here.invalid"; // a throwaway origin: whatever leaves it is not ours
const MAX_LENGTH = 2000; // it travels in a cookie, beside other logins'

/**
 * Where a person may be sent after the login: a path of this site, or the fallback. The wish is read the way a browser
 * will read it (WHATWG URL), and what is handed out is that reading, not the wish itself: comparing first letters
 * misses "/\evil.example", "/<tab>/evil.example" and their like.
 */
export function returnTo(wish: unknown, fallback = "/"): string {
  if (typeof wish !== "string" || wish.length > MAX_LENGTH || !URL.canParse(wish, HERE)) return fallback;
  const { origin, pathname, search, hash } = new URL(wish, HERE);
  const stays = origin === HERE && !pathname.startsWith("//"); // "/.//evil.example" has become "//evil.example"
  const path = pathname + search + hash;
  return stays && path.length <= MAX_LENGTH ? path : fallback;
}
