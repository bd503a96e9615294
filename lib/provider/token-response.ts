import { parseJsonObject } from "../util/parse-json-object.js";
import { createNetworkError, type ProviderFetch } from "./provider-fetch.js";

/**
 * Wraps fetch so that harmless deviations in token responses (RFC 6749, section 5.1) do not fail a login.
 * openid-client rejects the whole response for them, after the code has been used. The wrapper makes these
 * changes:
 *
 * - A member that is `null` is removed. Serializers write it for a value that is not set.
 * - `refresh_token: ""` is removed. Go servers write it for a value that is not set.
 * - `scope` as a list of strings is joined by spaces. It means the same scopes.
 *
 * Other members stay unchanged. openid-client accepts `expires_in` as digits and `token_type` in any case. A
 * missing `token_type` is rejected, because a token of an unknown type must not be used (RFC 6749, section
 * 7.1). `scope: ""` stays an empty scope: without the member, it would mean all requested scopes.
 */
export function withNormalizedTokenResponses(
  fetch: ProviderFetch,
  tokenEndpoint: string | undefined,
): ProviderFetch {
  // openid-client requests the normalized URL: its host in lower case, and no default port.
  const tokenUrl = tokenEndpoint && new URL(tokenEndpoint).href;
  return async function normalizingFetch(url, request) {
    const response = await fetch(url, request);
    if (url !== tokenUrl || response.status !== 200) return response;
    const text = await response.text().catch((error: unknown) => {
      throw createNetworkError(error, "token");
    });
    return new Response(normalizeTokenResponse(text), response);
  };
}

/** Returns the changed text. The same text if nothing changes, or if it is not a JSON object. */
export function normalizeTokenResponse(text: string): string {
  const response = parseJsonObject(text);
  if (!response) return text;
  const entries = Object.entries(response);
  const remaining = entries.filter(([name, value]) => !isAbsent(name, value)).map(normalizeScope);
  const isChanged =
    remaining.length < entries.length || remaining.some(([name, value]) => response[name] !== value);
  return isChanged ? JSON.stringify(Object.fromEntries(remaining)) : text;
}

const isAbsent = (name: string, value: unknown): boolean =>
  value === null || (name === "refresh_token" && value === "");

/**
 * Changes only a list of scope tokens (RFC 6749, section 3.3). A token with a space would become two scopes.
 */
function normalizeScope([name, value]: [string, unknown]): [string, unknown] {
  const isList = name === "scope" && Array.isArray(value) && value.every(isScopeToken);
  return [name, isList ? value.join(" ") : value];
}

const isScopeToken = (value: unknown): boolean =>
  typeof value === "string" && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(value);
