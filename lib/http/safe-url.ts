/**
 * Returns whether requests and browsers may be sent to this URL: https, or http on the loopback of this
 * machine. `new URL()` repairs `https:/host`, `https:host` and backslashes. Other programs do not, so such
 * spellings are rejected.
 */
export function isSafeUrl(value: string): boolean {
  if (!ABSOLUTE.test(value) || !URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  if (username || password) return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}

const ABSOLUTE = /^https?:\/\/[^/\\?#\p{Cc}][^\\\p{Cc}]*$/iu;

/** Returns whether the scheme is not followed by exactly two slashes, as in `https:/host`. */
export const hasWrongSlashes = (value: string): boolean => /^https?:(?!\/\/[^/\\])/i.test(value);

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
