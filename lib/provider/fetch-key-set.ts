import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createNetworkError, isTemporaryFailure, type ProviderFetch } from "./provider-fetch.js";
import { getRetryAfter } from "./rate-limit.js";

/**
 * Fetches the provider's JWK set, and returns its keys without members that jose would reject. The
 * documentation of Tencent CIAM writes the member `Keys` in its sample and `keys` in its table (RFC 7517,
 * section 5: `keys`).
 *
 * @throws PortalAuthError `portal_failed`, `portal_answer_invalid`, or why the request failed
 */
export async function fetchKeySet(fetch: ProviderFetch, url: string, headers: Headers): Promise<object[]> {
  const response = await fetch(url, { headers });
  if (isTemporaryFailure(response.status))
    throw new PortalAuthError("portal_failed", {
      detail: `jwks_uri answered ${response.status}`,
      retryAfter: getRetryAfter(response),
    });
  const text = await response.text().catch((error) => {
    throw createNetworkError(error, "jwks_uri");
  });
  const set = response.status === 200 ? parseKeySet(text) : undefined;
  const keys = set?.keys ?? set?.Keys;
  if (!Array.isArray(keys))
    throw new PortalAuthError("portal_answer_invalid", { detail: "jwks_uri: not a JWK set" });
  return keys.filter(isKey).map(filterTextMembers);
}

type KeySet = { keys?: unknown; Keys?: unknown } | undefined;

function parseKeySet(text: string): KeySet {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** RFC 7517, section 5: unknown members of a set are ignored. jose rejects the whole set for one of them. */
const isKey = (member: unknown): member is object =>
  typeof member === "object" && member !== null && !Array.isArray(member);

/**
 * All members of a key that matter are strings or lists of strings (RFC 7517, section 4; RFC 7518, section
 * 6).
 */
const filterTextMembers = (key: object): object =>
  Object.fromEntries(
    Object.entries(key).filter(([, value]) => [value].flat().every((part) => typeof part === "string")),
  );
