import * as oidc from "openid-client";
import type { Authentication, Claims, TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { epochSeconds } from "../util/time.js";
import type { AttemptSecrets } from "./authorization-request.js";
import { checkIdToken } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { explainFailure, toPrintable } from "./explain-failure.js";
import { parseAuthentication, parseClaims } from "./parse-claims.js";
import { parseTokens } from "./parse-tokens.js";

/** What came to the callback: good news or bad (RFC 6749, sections 4.1.2 and 4.1.2.1). */
export type AuthorizationResponse = { readonly state: string; readonly iss: string | undefined } & (
  | {
      readonly code: string;
      /** All that came with it, except what protects the login. Nobody has signed it. */
      readonly members?: Readonly<Record<string, string>>;
      readonly error?: undefined;
    }
  | {
      readonly error: string;
      /** As cleanDescription() leaves it. */
      readonly error_description?: string | undefined;
      readonly code?: undefined;
    }
);

/** An answer that brings a code. */
export type CodeResponse = Extract<AuthorizationResponse, { readonly code: string }>;

export interface VerifiedLogin {
  readonly tokens: TokenSet;
  readonly claims: Claims;
  readonly authentication: Authentication;
}

/** The attempt that the response belongs to, and what it asked for. */
export interface LoginExpectations extends AttemptSecrets {
  /** Seconds since the person last authenticated, when the request asked for a limit. */
  readonly max_age?: number;
  /** That the request asked for, where it was another than the option's. */
  readonly scope?: string;
  /** One of these the person must have authenticated by, when the application demands it. */
  readonly acr?: readonly string[];
}

const AUTHORIZATION_ERRORS: Record<string, "login_denied" | "interaction_needed" | "portal_failed"> = {
  access_denied: "login_denied",
  login_required: "interaction_needed",
  interaction_required: "interaction_needed",
  consent_required: "interaction_needed",
  account_selection_required: "interaction_needed",
  server_error: "portal_failed",
  temporarily_unavailable: "portal_failed",
};

/**
 * Checks that the response is the portal's own and good news. The state was checked before: by it the attempt was found.
 * RFC 9207, section 2.4; RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6.
 */
export function checkAuthorizationResponse(
  { metadata, issuer }: Provider,
  response: AuthorizationResponse,
): CodeResponse {
  const announced = metadata.authorization_response_iss_parameter_supported === true;
  const isFromProvider = response.iss === undefined ? !announced : issuer.includes(response.iss);
  if (!isFromProvider) throw new PortalAuthError("response_issuer_mismatch");
  if (response.error === undefined) return response;
  const { error, error_description: providerDescription } = response;
  const known = Object.hasOwn(AUTHORIZATION_ERRORS, error) ? AUTHORIZATION_ERRORS[error] : undefined;
  throw new PortalAuthError(known ?? "authorization_refused", {
    detail: toPrintable(error),
    providerDescription,
  });
}

/**
 * Gives the code for tokens, once, and believes nothing of the answer before the ID token is verified.
 * RFC 6749, section 4.1.3; RFC 7636, section 4.5; OpenID Connect Core 1.0, section 3.1.3.
 *
 * @param onAnswer told when the portal has answered, and its answer is yet to be checked
 */
export async function exchangeCode(
  provider: Provider,
  code: string,
  expected: LoginExpectations,
  onResponse: () => void,
): Promise<VerifiedLogin> {
  const { redirectUri: redirect_uri, clock, clockTolerance } = provider.settings;
  const requestedAt = clock();
  // The general form of the grant: authorizationCodeGrant() refuses a nonce that comes back unless it is required,
  // and for a portal that may or may not return it neither answer is right. checkIdToken compares it.
  const response = await oidc
    .genericGrantRequest(provider.configuration, "authorization_code", {
      code,
      redirect_uri,
      code_verifier: expected.code_verifier,
    })
    .catch((error) => {
      const sent = [provider.settings.clientSecret, code, expected.code_verifier];
      const failure = explainFailure(error, "token", sent);
      if (failure.code === "id_token_invalid") onResponse(); // the library looks at some of its claims by itself
      throw failure;
    });
  onResponse();
  // RFC 6749, section 5.1: none in the answer means that all was granted, and of this login only the request knows what that is
  const { scope } = expected;
  const tokens = { ...(scope !== undefined && { scope }), ...parseTokens(response, requestedAt) };
  if (!response.id_token) throw new PortalAuthError("id_token_missing");
  await provider.verifySignature(response.id_token);
  const claims = parseClaims(response.claims() as Claims, "id_token_invalid");
  const { settings, issuer } = provider;
  checkIdToken(claims, response.id_token, {
    ...expected,
    access_token: response.access_token,
    settings,
    issuer,
  });
  const now = epochSeconds();
  return { tokens, claims, authentication: parseAuthentication(claims, now, now + clockTolerance) };
}
