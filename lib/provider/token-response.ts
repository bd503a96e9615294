import { parseJsonObject } from "../util/parse-json-object.js";
import { createNetworkError, type ProviderFetch } from "./provider-fetch.js";

/**
 * Wraps fetch so that harmless oddities in token answers (RFC 6749, section 5.1) do not end a login. openid-client refuses
 * the whole answer for them, after the code is spent.
 *
 * | in the answer | becomes | why |
 * | --- | --- | --- |
 * | any member `null` | absent | serializers write it for a value that is not set |
 * | `refresh_token: ""` | absent | Go servers write it for a value that is not set |
 * | `scope` a list of texts | joined by spaces | the same scopes, written as JSON would |
 *
 * What stays as it is: `expires_in` as digits and `token_type` in any case are understood already. A missing `token_type` is
 * refused: a token of an unknown type must not be used (RFC 6749, section 7.1). `scope: ""` stays a scope of nothing: as an
 * absent one it would mean everything that was asked for.
 */
export function withNormalizedTokenResponses(
  fetch: ProviderFetch,
  tokenEndpoint: string | undefined,
): ProviderFetch {
  // the library asks the address as a URL writes it: in lower case, without a default port
  const tokenUrl = tokenEndpoint && new URL(tokenEndpoint).href;
  return async function tolerantFetch(url, request) {
    const response = await fetch(url, request);
    if (url !== tokenUrl || response.status !== 200) return response;
    const text = await response.text().catch((error: unknown) => {
      throw createNetworkError(error, "token");
    });
    return new Response(normalizeTokenResponse(text), response);
  };
}

/** The same text where there is nothing to change, or no object in it. */
export function normalizeTokenResponse(text: string): string {
  const answer = parseJsonObject(text);
  if (!answer) return text;
  const entries = Object.entries(answer);
  const remaining = entries.filter(([name, value]) => !isAbsent(name, value)).map(normalizeScope);
  const isChanged =
    remaining.length < entries.length || remaining.some(([name, value]) => answer[name] !== value);
  return isChanged ? JSON.stringify(Object.fromEntries(remaining)) : text;
}

const isAbsent = (name: string, value: unknown): boolean =>
  value === null || (name === "refresh_token" && value === "");

/** Only a list of scope tokens (RFC 6749, section 3.3): a space inside one would make two scopes of it. */
function normalizeScope([name, value]: [string, unknown]): [string, unknown] {
  const isList = name === "scope" && Array.isArray(value) && value.every(isScopeToken);
  return [name, isList ? value.join(" ") : value];
}

const isScopeToken = (value: unknown): boolean =>
  typeof value === "string" && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(value);
