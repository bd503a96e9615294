import { isSafeUrl } from "./safe-url.js";

/** Endings of host names that exist in private networks only (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, Kubernetes). */
const INTERNAL_ENDING = /\.(internal|local|localhost|test|lan|svc|home\.arpa)$/;

/** RFC 1918. */
const PRIVATE_IPV4 = /^(10\.\d+|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+$/;

/** RFC 4193. */
const PRIVATE_IPV6 = /^\[f[cd][\da-f]{2}:/;

/**
 * Decides whether this server may send secrets to an address of the option `internalUrl`. It may be http outside of this
 * machine, but only at a host that the internet does not know: a name without dots, a private ending or a private address.
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

/** Whether requests to an address cross a network without encryption. */
export const isUnencryptedUrl = (address: string): boolean => !isSafeUrl(address);
