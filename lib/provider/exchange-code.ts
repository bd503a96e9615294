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

/** The parameters of the callback: a code or an error (RFC 6749, sections 4.1.2 and 4.1.2.1). */
export type AuthorizationResponse = { readonly state: string; readonly iss: string | undefined } & (
  | {
      readonly code: string;
      /** All other parameters, except those that protect the login. They are not signed. */
      readonly members?: Readonly<Record<string, string>>;
      readonly error?: undefined;
    }
  | {
      readonly error: string;
      /** As cleanDescription() returns it. */
      readonly error_description?: string | undefined;
      readonly code?: undefined;
    }
);

/** An authorization response with a code. */
export type CodeResponse = Extract<AuthorizationResponse, { readonly code: string }>;

/** The result of a code exchange, after all checks. */
export interface VerifiedLogin {
  readonly tokens: TokenSet;
  readonly claims: Claims;
  readonly authentication: Authentication;
}

/** The attempt that the response belongs to, and what its request contained. */
export interface LoginExpectations extends AttemptSecrets {
  /** Greatest age of the authentication, in seconds, if the request limited it. */
  readonly max_age?: number;
  /** The requested scope, if it is not the one of the option. */
  readonly scope?: string;
  /** The accepted values of `acr`, if the application requires one. */
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
 * Checks that the response comes from the provider and contains a code. The state was checked before, because
 * it identifies the attempt. RFC 9207, section 2.4; RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0,
 * section 3.1.2.6.
 *
 * @throws PortalAuthError `response_issuer_mismatch`, or the code for the provider's error
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
 * Exchanges the code for tokens, once, and verifies the ID token. Nothing of the response is used before
 * that. RFC 6749, section 4.1.3; RFC 7636, section 4.5; OpenID Connect Core 1.0, section 3.1.3.
 *
 * @param onResponse called when the provider has responded, before the response is checked
 * @throws PortalAuthError why the request or a check failed. README.md lists the checks of the ID token
 */
export async function exchangeCode(
  provider: Provider,
  code: string,
  expected: LoginExpectations,
  onResponse: () => void,
): Promise<VerifiedLogin> {
  const { redirectUri: redirect_uri, clock, clockTolerance } = provider.settings;
  const requestedAt = clock();
  // authorizationCodeGrant() cannot accept a nonce that may be present or absent. Therefore the generic grant
  // is used, and checkIdToken() compares the nonce.
  const response = await oidc
    .genericGrantRequest(provider.configuration, "authorization_code", {
      code,
      redirect_uri,
      code_verifier: expected.code_verifier,
    })
    .catch((error) => {
      const sent = [provider.settings.clientSecret, code, expected.code_verifier];
      const failure = explainFailure(error, "token", sent);
      if (failure.code === "id_token_invalid") onResponse(); // openid-client checks some claims itself
      throw failure;
    });
  onResponse();
  // RFC 6749, section 5.1: a response without scope grants everything that was requested. Only this attempt
  // knows it.
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
