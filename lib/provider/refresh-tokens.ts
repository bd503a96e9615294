import * as oidc from "openid-client";
import type { Claims, TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { omitUndefined } from "../util/omit-undefined.js";
import { withTimeout } from "../util/with-timeout.js";
import { checkRefreshedIdToken, checkTimes } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { explainRefreshFailure } from "./explain-failure.js";
import { parseTokens } from "./parse-tokens.js";

/** The login whose tokens are refreshed. */
export interface LoginToRefresh {
  readonly tokens: Readonly<TokenSet>;
  /** The claims of the login. */
  readonly claims: Pick<Claims, "sub" | "azp" | "nonce">;
}

/** Limits that depend on the caller. */
export interface RefreshLimits {
  /** Whether a 400 of unclear meaning ends the session, because the access token has expired. */
  readonly isUnclearRefusalFinal: boolean;
  /** The deadline for verifying the ID token, by `performance.now()`. */
  readonly endsAt: number;
}

/** The result of a refresh. */
export interface RefreshedTokens {
  readonly tokens: TokenSet;
  /**
   * Set if the provider has responded, but its keys could not be fetched, or its clock or ours is wrong. Then
   * neither the ID token nor the access token may be used.
   */
  readonly unverified?: PortalAuthError;
}

/**
 * Exchanges the refresh token for new tokens. Members that the response omits stay unchanged: the refresh
 * token if it does not rotate, the scope if it is the same, the ID token if there is no new one. The request
 * is sent before this function returns its promise. RFC 6749, sections 6 and 5.1; OpenID Connect Core 1.0,
 * section 12.
 *
 * @throws PortalAuthError `refresh_refused` if no later try can succeed; `refresh_identity_mismatch` for an
 *   ID token of another issuer or user; any other code may be temporary
 */
export async function refreshTokens(
  provider: Provider,
  login: LoginToRefresh,
  limits: RefreshLimits,
): Promise<RefreshedTokens> {
  try {
    return await sendRefreshToken(provider, login, limits);
  } catch (error) {
    throw isIdentityMismatch(error)
      ? new PortalAuthError("refresh_identity_mismatch", { detail: error.detail })
      : error;
  }
}

/**
 * Returns whether an ID token names another issuer or subject. openid-client compares `iss`,
 * checkRefreshedIdToken() both.
 */
const isIdentityMismatch = (error: unknown): error is PortalAuthError & { readonly detail: string } =>
  error instanceof PortalAuthError &&
  error.code === "id_token_invalid" &&
  /^claim (iss|sub|tid)\b/.test(error.detail ?? "");

async function sendRefreshToken(
  provider: Provider,
  { tokens, claims }: LoginToRefresh,
  { isUnclearRefusalFinal, endsAt }: RefreshLimits,
): Promise<RefreshedTokens> {
  const { settings, configuration, issuer } = provider;
  const requestedAt = settings.clock();
  const response = await oidc
    .refreshTokenGrant(configuration, tokens.refresh_token as string)
    .catch((error) => {
      throw explainRefreshFailure(error, isUnclearRefusalFinal, [
        settings.clientSecret,
        tokens.refresh_token,
      ]);
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
  const newClaims = response.claims() as Claims;
  checkRefreshedIdToken(newClaims, fresh.id_token, previous);
  try {
    await withTimeout(provider.verifySignature(fresh.id_token), endsAt - performance.now(), throwKeysTimeout);
    checkTimes(newClaims, settings.clockTolerance);
  } catch (error) {
    if (!(error instanceof PortalAuthError) || error.code === "id_token_signature_invalid") throw error;
    return { tokens: merged, unverified: error };
  }
  return { tokens: merged };
}

function throwKeysTimeout(): never {
  throw new PortalAuthError("portal_timeout", { detail: "the keys for the ID token did not arrive in time" });
}

function findUnchangedMembers(old: Readonly<TokenSet>, fresh: TokenSet): Partial<TokenSet> {
  const { refresh_token, refresh_expires_at, id_token, scope } = old;
  // RFC 6749, section 6: without a new refresh token, the old one stays valid until it expires
  const isSame = fresh.refresh_token === undefined || fresh.refresh_token === refresh_token;
  return omitUndefined({
    scope,
    id_token,
    refresh_token,
    refresh_expires_at: isSame ? refresh_expires_at : undefined,
  });
}
