import type { errors } from "oidc-provider";

/** An error response of Tencent CIAM. Without `body`, the response has no body. */
export interface ProviderErrorResponse {
  readonly status: number;
  readonly body?: Record<string, string>;
  readonly challenge?: string;
}

const TOKEN_ERRORS_URI = "https://datatracker.ietf.org/doc/html/rfc6749#section-5.2";
const AUTHORIZATION_ERRORS_URI = "https://datatracker.ietf.org/doc/html/rfc6749#section-4.1.2.1";
const PKCE_ERRORS_URI = "https://datatracker.ietf.org/doc/html/rfc7636#section-4.4.1";
const BEARER_ERRORS_URI = "https://tools.ietf.org/html/rfc6750#section-3.1";

const PARAMETERS =
  /\b(code_challenge_method|code_challenge|code_verifier|grant_type|redirect_uri|refresh_token|response_mode|scope|prompt|token|code)\b/;

/** Finds the invalid parameter. Spring Authorization Server names the parameter and gives no reason. */
const findParameter = (error: errors.OIDCProviderError): string | undefined =>
  PARAMETERS.exec(error.error_description ?? "")?.[0];

const describeParameter = (parameter: string): string => `OAuth 2.0 Parameter: ${parameter}`;

/** Converts an error of the token endpoint or the revocation endpoint. */
export function toClientErrorResponse(error: errors.OIDCProviderError): ProviderErrorResponse {
  const { error: code, error_description: description = "", error_detail: detail = "" } = error;

  if (detail === "client not found" || description === "no client authentication mechanism provided")
    return { status: 401 };

  const pkceFailed = /code_verifier|code_challenge/.test(detail + description);
  if (code === "invalid_client" || detail === "client mismatch" || pkceFailed)
    return { status: 401, body: { error: "invalid_client" } };

  const parameter = code === "unsupported_grant_type" ? "grant_type" : findParameter(error);
  if (code === "invalid_grant" || parameter === "redirect_uri")
    return { status: 400, body: { error: "invalid_grant" } };
  if (parameter === undefined) return { status: 400, body: { error: code } };
  return {
    status: 400,
    body: { error: code, error_description: describeParameter(parameter), error_uri: TOKEN_ERRORS_URI },
  };
}

/** Converts an error of the UserInfo endpoint. */
export function toUserInfoErrorResponse({
  error,
  error_detail,
  statusCode,
}: errors.OIDCProviderError): ProviderErrorResponse {
  if (error_detail === "associated account not found")
    return { status: 404, body: { error: "user_not_found" } };
  // For a request without a token, oidc-provider would send 401.
  if (error === "invalid_request" || error_detail === "no access token provided")
    return { status: 400, challenge: formatBearerChallenge("invalid_request", "Access token required") };
  if (error === "insufficient_scope")
    return { status: 403, challenge: formatBearerChallenge(error, "Scope openid required") };
  return { status: statusCode, challenge: formatBearerChallenge(error, "Access token invalid") };
}

const formatBearerChallenge = (error: string, description: string): string =>
  `Bearer error="${error}", error_description="${description}", error_uri="${BEARER_ERRORS_URI}"`;

/** Returns the parameters that an authorization error response has besides `error` and `state`. */
export function toAuthorizationErrorParameters(error: errors.OIDCProviderError): Record<string, string> {
  // Spring Authorization Server names the scope as the reason for every denied login.
  const parameter = error.error === "access_denied" ? "scope" : findParameter(error);
  if (parameter === undefined) return {};
  const error_uri = parameter.startsWith("code_challenge") ? PKCE_ERRORS_URI : AUTHORIZATION_ERRORS_URI;
  return { error_description: describeParameter(parameter), error_uri };
}
