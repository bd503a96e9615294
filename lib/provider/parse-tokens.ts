import type { TokenEndpointResponse } from "openid-client";
import type { TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";

const TEN_YEARS_SECONDS = 10 * 365 * 24 * 60 * 60;

/**
 * The tokens of an answer (RFC 6749, section 5.1). Only the members that we know: an answer may hold anything,
 * `__proto__` included.
 *
 * @param askedAt when the request was sent, in epoch milliseconds: lives are counted from there, as the portal began to
 *   count before its answer arrived, and a token that ends sooner than we believe is refused somewhere
 * @throws PortalAuthError `portal_answer_invalid` for tokens of a type that we cannot use
 */
export function parseTokens(response: TokenEndpointResponse, requestedAt: number): TokenSet {
  const { access_token, token_type, refresh_token, id_token, scope, expires_in } = response;
  if (token_type !== "bearer") throw new PortalAuthError("portal_answer_invalid", { detail: "token_type" });
  const toExpiry = (seconds: number) => Math.floor(requestedAt / 1000 + Math.min(seconds, TEN_YEARS_SECONDS));
  const refreshSeconds = readRefreshTokenLifetime(response);
  return {
    access_token,
    token_type,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(id_token !== undefined && { id_token }),
    ...(scope !== undefined && { scope }),
    ...(expires_in !== undefined && { expires_at: toExpiry(expires_in) }),
    ...(refresh_token !== undefined &&
      refreshSeconds > 0 && { refresh_expires_at: toExpiry(refreshSeconds) }),
  };
}

/** No specification names the member. Keycloak writes the first, for one without an end 0; others the second. */
function readRefreshTokenLifetime(response: TokenEndpointResponse): number {
  const seconds = response["refresh_expires_in"] ?? response["refresh_token_expires_in"];
  return typeof seconds === "number" && Number.isFinite(seconds) ? seconds : 0;
}
