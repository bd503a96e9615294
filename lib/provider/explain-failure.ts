import * as oidc from "openid-client";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { cleanDescription } from "./clean-description.js";
import { createNetworkError, getNamedError, isTemporaryFailure, type NamedError } from "./provider-fetch.js";
import { toIssuerText } from "./provider-issuer.js";
import { getRetryAfter } from "./rate-limit.js";

/** The endpoint whose request failed. */
type Endpoint = "discovery" | "token" | "refresh" | "revocation" | "userinfo";

/**
 * Converts an error of openid-client into a PortalAuthError. The library's errors have whole responses in
 * `cause`, tokens included. Only error codes, status numbers, the library's own fixed sentences and a cleaned
 * `error_description` are kept.
 *
 * @param secrets what was sent, because providers repeat it in their descriptions
 */
export function explainFailure(
  error: unknown,
  endpoint: Endpoint,
  secrets: readonly (string | undefined)[] = [],
): PortalAuthError {
  const ownError = listCauses(error).find((cause) => cause instanceof PortalAuthError);
  if (ownError) return ownError;
  const response = listCauses(error).map(getResponse).find(Boolean);
  if (response) return explainResponse(response, findNamedError(error, response), endpoint, secrets);
  const network = listCauses(error).find(isNetworkFailure);
  if (network) return createNetworkError(network, endpoint);
  const message = findLibraryMessage(error);
  if (endpoint === "discovery") return new PortalAuthError("discovery_invalid", { detail: message });
  const algorithm = describeWrongAlgorithm(error);
  if (algorithm !== undefined)
    return new PortalAuthError("id_token_signature_invalid", { detail: algorithm });
  if (endpoint !== "userinfo" && /JW[TSE]|ID Token/.test(message))
    return new PortalAuthError("id_token_invalid", { detail: describeWrongClaim(error) ?? message });
  return new PortalAuthError("portal_answer_invalid", { detail: message });
}

/** Explains a response that reports a failure. */
function explainResponse(
  response: Response,
  { error, error_description }: Partial<NamedError>,
  endpoint: Endpoint,
  secrets: readonly (string | undefined)[],
): PortalAuthError {
  const { status } = response;
  const detail =
    error === undefined
      ? `${endpoint} answered ${status}, ${describeBodyType(response)}`
      : `${endpoint} answered ${status} ${toPrintable(error)}`;
  const code = findErrorCode(response, error, endpoint);
  const providerDescription = cleanDescription(error_description, secrets);
  return new PortalAuthError(code, { detail, providerDescription, retryAfter: getRetryAfter(response) });
}

function findErrorCode(
  response: Response,
  error: string | undefined,
  endpoint: Endpoint,
): PortalAuthErrorCode {
  const { status } = response;
  if (isTemporaryFailure(status)) return "portal_failed";
  if (endpoint === "discovery") return "discovery_invalid";
  // A rejection has a WWW-Authenticate header and no body (RFC 6750, section 3).
  if (endpoint === "userinfo") return status >= 400 ? "userinfo_refused" : "portal_answer_invalid";
  if (endpoint === "refresh" && error !== undefined && FINAL_REFRESH_ERRORS.includes(error))
    return "refresh_refused";
  if (error !== undefined && Object.hasOwn(TOKEN_ERRORS, error))
    return TOKEN_ERRORS[error] ?? "token_refused";
  if (status === 401 && error === undefined && !response.body) return "client_unknown";
  if (isClientRejection(status)) return "client_refused";
  if (error === "unauthorized_client") return "grant_type_refused";
  return error === undefined ? "portal_answer_invalid" : "token_refused";
}

/**
 * If the client authenticates at the endpoint, 401 and 403 mean the client, also with a misleading error.
 * Keycloak answers a wrong secret with `401 unauthorized_client`, Auth0 with `401 access_denied`, Glewlwyd
 * with 403.
 */
const isClientRejection = (status: number): boolean => status === 401 || status === 403;

/**
 * Converts the error of a refresh into a PortalAuthError. Some providers do not answer `invalid_grant` to an
 * expired refresh token: Dex answers `400 invalid_request`, Glewlwyd 400 without a body. Once the access
 * token has expired as well, such a response ends the login.
 *
 * @param isUnclearRefusalFinal whether a 400 of unclear meaning ends the login
 */
export function explainRefreshFailure(
  error: unknown,
  isUnclearRefusalFinal: boolean,
  secrets: readonly (string | undefined)[] = [],
): PortalAuthError {
  const failure = explainFailure(error, "refresh", secrets);
  if (failure.code === "refresh_refused" || !mayRejectTheRefreshToken(error)) return failure;
  const { detail = failure.code, providerDescription } = failure;
  return new PortalAuthError(isUnclearRefusalFinal ? "refresh_refused" : "token_refused", {
    detail,
    providerDescription,
  });
}

/**
 * Errors with status 400 that do not mean the refresh token, but the client, its grant types, its scope, or
 * the provider. The last four are those of RFC 8707, RFC 9449 and RFC 8628.
 */
const NOT_ABOUT_THE_REFRESH_TOKEN = [
  "invalid_client",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "server_error",
  "temporarily_unavailable",
  "invalid_target",
  "invalid_dpop_proof",
  "use_dpop_nonce",
  "slow_down",
];

/**
 * Returns whether a 400 may mean the refresh token. An HTML page comes from a server in front of the
 * provider.
 */
function mayRejectTheRefreshToken(error: unknown): boolean {
  const response = listCauses(error).map(getResponse).find(Boolean);
  if (response?.status !== 400) return false;
  const { error: name } = findNamedError(error, response);
  if (name !== undefined) return !NOT_ABOUT_THE_REFRESH_TOKEN.includes(name);
  return !/html/i.test(response.headers.get("content-type") ?? "");
}

/**
 * The meaning of the errors of RFC 6749, section 5.2, with any status of 4xx. Auth0 sends `invalid_grant`
 * with a 403, and it means the grant. `unauthorized_client` is not in this table: with 401 it means the
 * client, and with 400 its grant types.
 */
const TOKEN_ERRORS: Record<string, PortalAuthErrorCode> = {
  invalid_client: "client_refused",
  invalid_grant: "code_refused",
  invalid_scope: "token_refused",
  unsupported_grant_type: "grant_type_refused",
  server_error: "portal_failed",
  temporarily_unavailable: "portal_failed",
};

/**
 * The errors of a refresh that no later try can solve, so the user must sign in again. The first is from RFC
 * 6749, and providers add the others. No error of the client is in the list: a wrong secret must not end
 * sessions.
 */
const FINAL_REFRESH_ERRORS = [
  "invalid_grant",
  "interaction_required",
  "login_required",
  "consent_required",
  "account_selection_required",
];

/** Finds the error that the provider has named: in the library's error, in the body, or in the challenge. */
function findNamedError(error: unknown, response: Response): Partial<NamedError> {
  const { error: name, error_description } = listCauses(error).find(isResponseBodyError) ?? {};
  if (name !== undefined) return { error: name, error_description };
  return getNamedError(response) ?? { error_description: challengeDescription(error) };
}

const isResponseBodyError = (cause: object): cause is oidc.ResponseBodyError =>
  cause instanceof oidc.ResponseBodyError;

/** Returns the `error_description` of a Bearer challenge (RFC 6750, section 3). */
function challengeDescription(error: unknown): string | undefined {
  const challenged = listCauses(error).find((cause) => cause instanceof oidc.WWWAuthenticateChallengeError);
  if (!(challenged instanceof oidc.WWWAuthenticateChallengeError)) return undefined;
  const { parameters } = challenged.cause.find(({ scheme }) => scheme === "bearer") ?? {};
  return parameters?.["error_description"];
}

function describeBodyType({ headers, body }: Response): string {
  if (!body) return "no body";
  const [type] = headers.get("content-type")?.split(";") ?? [];
  return type === undefined ? "no content type" : toPrintable(type);
}

/** A failed comparison of openid-client: of a claim, or of the algorithm in the header. */
interface Comparison {
  readonly claim?: unknown;
  readonly expected?: unknown;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: { readonly alg?: unknown };
}

/** Names the claim that failed, with both values if the developer must compare them. */
function describeWrongClaim(error: unknown): string | undefined {
  const comparison = listCauses(error).find((cause) => typeof (cause as Comparison).claim === "string") as
    | Comparison
    | undefined;
  if (!comparison) return undefined;
  const { claim, expected, claims } = comparison;
  if (claim === "iss")
    return `claim iss: received ${toIssuerText(claims?.["iss"])}, expected ${toIssuerText(expected)}`;
  return claim === "aud" ? describeWrongAudience(claims?.["aud"], expected) : `claim ${claim}`;
}

/** Names the algorithm of a token that is signed with an unexpected one. */
function describeWrongAlgorithm(error: unknown): string | undefined {
  const comparison = listCauses(error).find((cause) => "header" in cause && "expected" in cause) as
    | Comparison
    | undefined;
  if (!comparison) return undefined;
  const expected = [comparison.expected].flat().join(" or ");
  return `the token is signed with ${toPrintable(String(comparison.header?.alg))}, expected ${expected}`;
}

/**
 * Describes which clients a token is for. An attacker can send a logout token, in which `aud` may be any JSON
 * value.
 */
export function describeWrongAudience(received: unknown, expected: unknown): string {
  const clients = [received].flat().slice(0, 3);
  const names = clients.map((client) => (typeof client === "string" ? toPrintable(client) : typeof client));
  return `claim aud: received ${names.join(", ")}, expected ${toPrintable(String(expected))}`;
}

const LIBRARY_ERRORS = ["OperationProcessingError", "UnsupportedOperationError"];

/**
 * Returns the protocol library's own message. Messages of JSON.parse and others repeat what they could not
 * parse.
 */
function findLibraryMessage(error: unknown): string {
  const libraryError = listCauses(error).find(
    (cause) => cause instanceof Error && LIBRARY_ERRORS.includes(cause.name),
  );
  return libraryError ? (libraryError as Error).message : "a response that could not be read";
}

const MAX_CAUSES = 10;

/** Lists the error and its causes, outermost first. A cause can be any value. */
function listCauses(error: unknown): object[] {
  const chain: object[] = [];
  for (
    let cause = error;
    typeof cause === "object" && cause !== null && chain.length < MAX_CAUSES;
    cause = (cause as { cause?: unknown }).cause
  )
    chain.push(cause);
  return chain;
}

/** Returns the status of the response that failed. Undefined if there was no response. */
export const findStatus = (error: unknown): number | undefined =>
  listCauses(error).map(getResponse).find(Boolean)?.status;

/** Two of the library's errors have the response as a member, beside their cause. */
function getResponse(cause: object): Response | undefined {
  if (cause instanceof Response) return cause;
  const hasResponse =
    cause instanceof oidc.WWWAuthenticateChallengeError || cause instanceof oidc.ResponseBodyError;
  return hasResponse ? cause.response : undefined;
}

/**
 * The network failed while a response was read. Then fetch ends the body with a TypeError, or with the reason
 * of its signal.
 */
const isNetworkFailure = (cause: object): boolean =>
  cause instanceof Error &&
  (cause.name === "TimeoutError" || (cause instanceof TypeError && cause.message === "terminated"));

/**
 * Replaces characters that an error code cannot have (RFC 6749, section 5.2), so that no others reach a log.
 * Returns at most 60 characters.
 */
export const toPrintable = (text: string): string => text.replace(/[^\w\-./]/g, "?").slice(0, 60);
