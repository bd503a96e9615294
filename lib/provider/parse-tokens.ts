import type { TokenEndpointResponse } from "openid-client";
import type { TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { omitUndefined } from "../util/omit-undefined.js";

const TEN_YEARS_SECONDS = 10 * 365 * 24 * 60 * 60;

/**
 * Returns the tokens of a token response (RFC 6749, section 5.1). Only known members are copied, because a
 * response can contain any member, including `__proto__`.
 *
 * Lifetimes count from the request. The provider has started to count before its response arrived, and a
 * token must not be used for too long.
 *
 * @param requestedAt when the request was sent, in epoch milliseconds
 * @throws PortalAuthError `portal_answer_invalid` for tokens of an unsupported type
 */
export function parseTokens(response: TokenEndpointResponse, requestedAt: number): TokenSet {
  const { access_token, token_type, refresh_token, id_token, scope, expires_in } = response;
  if (token_type !== "bearer") throw new PortalAuthError("portal_answer_invalid", { detail: "token_type" });
  const toExpiry = (seconds: number) => Math.floor(requestedAt / 1000 + Math.min(seconds, TEN_YEARS_SECONDS));
  const refreshSeconds = readRefreshTokenLifetime(response);
  const hasRefreshLifetime = refresh_token !== undefined && refreshSeconds > 0;
  return omitUndefined({
    access_token,
    token_type,
    refresh_token,
    id_token,
    scope,
    expires_at: expires_in === undefined ? undefined : toExpiry(expires_in),
    refresh_expires_at: hasRefreshLifetime ? toExpiry(refreshSeconds) : undefined,
  });
}

/**
 * Returns the lifetime in seconds; 0 if it is unlimited or unknown. No specification names the member.
 * Keycloak writes the first, with 0 for an unlimited lifetime. Other providers write the second.
 */
function readRefreshTokenLifetime(response: TokenEndpointResponse): number {
  const seconds = response["refresh_expires_in"] ?? response["refresh_token_expires_in"];
  return typeof seconds === "number" && Number.isFinite(seconds) ? seconds : 0;
}
