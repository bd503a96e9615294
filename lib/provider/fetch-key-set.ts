import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createNetworkError, isTemporaryFailure, type ProviderFetch } from "./provider-fetch.js";
import { getRetryAfter } from "./rate-limit.js";

/**
 * Reads the provider's JWK set and keeps the members that can be understood. The documentation of Tencent CIAM spells the
 * member `Keys` in its sample and `keys` in its table (RFC 7517, section 5: `keys`).
 */
export async function fetchKeySet(fetch: ProviderFetch, url: string, headers: Headers): Promise<object[]> {
  const response = await fetch(url, { headers });
  if (isTemporaryFailure(response.status))
    throw new PortalAuthError("portal_failed", {
      detail: `the keys answered ${response.status}`,
      retryAfter: getRetryAfter(response),
    });
  const text = await response.text().catch((error) => {
    throw createNetworkError(error, "the keys");
  });
  const set = response.status === 200 ? parseKeySet(text) : undefined;
  const keys = set?.keys ?? set?.Keys;
  if (!Array.isArray(keys))
    throw new PortalAuthError("portal_answer_invalid", { detail: "the keys are not a JWK set" });
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

/** RFC 7517, section 5: unknown members of a set are ignored. jose refuses the whole set for one of them. */
const isKey = (member: unknown): member is object =>
  typeof member === "object" && member !== null && !Array.isArray(member);

/** All members of a key that matter are texts or lists of texts (RFC 7517, section 4; RFC 7518, section 6). */
const filterTextMembers = (key: object): object =>
  Object.fromEntries(
    Object.entries(key).filter(([, value]) => [value].flat().every((part) => typeof part === "string")),
  );
