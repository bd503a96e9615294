import * as oidc from "openid-client";
import type { Claims, TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { withTimeout } from "../util/with-timeout.js";
import { checkRefreshedIdToken, checkTimes } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { explainRefreshFailure } from "./explain-failure.js";
import { parseTokens } from "./parse-tokens.js";

/** Whose tokens are refreshed. */
export interface LoginToRefresh {
  readonly tokens: Readonly<TokenSet>;
  /** Of the login. */
  readonly claims: Pick<Claims, "sub" | "azp" | "nonce">;
}

export interface RefreshLimits {
  /** Whether the access token has expired: then a 400 that names no problem of the client is a refusal. */
  readonly isLastWord: boolean;
  /** When the verification of the ID token is given up, by `performance.now()`. */
  readonly endsAt: number;
}

export interface RefreshedTokens {
  readonly tokens: TokenSet;
  /**
   * The provider has answered, but its keys could not be fetched, or its clock or ours is wrong. The ID token is not
   * believed now, nor is the rest of the answer.
   */
  readonly unverified?: PortalAuthError;
}

/**
 * Exchanges the refresh token for new tokens. What the answer omits stays as it was: the refresh token if it does not
 * rotate, the scope if it is the same, the ID token if there is no new one. Sends the request before it returns.
 * RFC 6749, sections 6 and 5.1; OpenID Connect Core 1.0, section 12.
 *
 * @throws PortalAuthError `refresh_refused` when no later try can help; `refresh_identity_mismatch` for an ID token of
 *   another issuer or user; anything else may pass
 */
export async function refreshTokens(
  provider: Provider,
  holder: LoginToRefresh,
  limits: RefreshLimits,
): Promise<RefreshedTokens> {
  try {
    return await sendRefreshToken(provider, holder, limits);
  } catch (error) {
    throw isIdentityMismatch(error)
      ? new PortalAuthError("refresh_identity_mismatch", { detail: error.detail })
      : error;
  }
}

/** Whether an ID token names another issuer or subject. openid-client compares `iss`, checkRefreshedIdToken() both. */
const isIdentityMismatch = (error: unknown): error is PortalAuthError & { readonly detail: string } =>
  error instanceof PortalAuthError &&
  error.code === "id_token_invalid" &&
  /^claim (iss|sub|tid)\b/.test(error.detail ?? "");

async function sendRefreshToken(
  provider: Provider,
  { tokens, claims }: LoginToRefresh,
  { isLastWord, endsAt }: RefreshLimits,
): Promise<RefreshedTokens> {
  const { settings, configuration, issuer } = provider;
  const requestedAt = settings.clock();
  const response = await oidc
    .refreshTokenGrant(configuration, tokens.refresh_token as string)
    .catch((error) => {
      throw explainRefreshFailure(error, isLastWord, [settings.clientSecret, tokens.refresh_token]);
    });
  const fresh = parseTokens(response, requestedAt);
  const merged = { ...findUnchangedMembers(tokens, fresh), ...fresh };
  if (fresh.id_token === undefined) return { tokens: merged };
  const previous = {
    id_token: tokens.id_token,
    login: claims,
    access_token: fresh.access_token,
    settings,
    issuer,
  };
  const claimsNow = response.claims() as Claims;
  checkRefreshedIdToken(claimsNow, fresh.id_token, previous);
  try {
    await withTimeout(provider.verifySignature(fresh.id_token), endsAt - performance.now(), throwKeysTimeout);
    checkTimes(claimsNow, settings.clockTolerance);
  } catch (error) {
    if (!(error instanceof PortalAuthError) || error.code === "id_token_signature_invalid") throw error;
    return { tokens: merged, unverified: error };
  }
  return { tokens: merged };
}

function throwKeysTimeout(): never {
  throw new PortalAuthError("portal_timeout", { detail: "the keys for the ID token came too late" });
}

function findUnchangedMembers(old: Readonly<TokenSet>, fresh: TokenSet): Partial<TokenSet> {
  const { refresh_token, refresh_expires_at, id_token, scope } = old;
  // RFC 6749, section 6: no new one means that the old one is still good, and ends when it did
  const isSame = fresh.refresh_token === undefined || fresh.refresh_token === refresh_token;
  return {
    ...(scope !== undefined && { scope }),
    ...(id_token !== undefined && { id_token }),
    ...(refresh_token !== undefined && { refresh_token }),
    ...(refresh_expires_at !== undefined && isSame && { refresh_expires_at }),
  };
}
