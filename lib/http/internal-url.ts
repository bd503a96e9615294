import { isSafeUrl } from "./safe-url.js";

/**
 * Endings of host names that only private networks use (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`,
 * Kubernetes).
 */
const INTERNAL_ENDING = /\.(internal|local|localhost|test|lan|svc|home\.arpa)$/;

/** RFC 1918. */
const PRIVATE_IPV4 = /^(10\.\d+|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+$/;

/** RFC 4193. */
const PRIVATE_IPV6 = /^\[f[cd][\da-f]{2}:/;

/**
 * Returns whether this server may send secrets to a URL of the option `internalUrl`. It may be http, but only
 * if the host is not on the internet: a name without dots, a private ending, a private address, or this
 * machine.
 */
export function isInternalUrl(value: string): boolean {
  if (/[?#]/.test(value) || !isSafeUrl(value.replace(/^http:/i, "https:"))) return false;
  return isSafeUrl(value) || isInternalHost(new URL(value).hostname);
}

const isInternalHost = (hostname: string): boolean =>
  !/[.:]/.test(hostname) ||
  INTERNAL_ENDING.test(hostname) ||
  PRIVATE_IPV4.test(hostname) ||
  PRIVATE_IPV6.test(hostname);

/** Returns whether requests to this URL cross a network without encryption. */
export const isUnencryptedUrl = (url: string): boolean => !isSafeUrl(url);
