import { decodeJwt } from "jose";
import * as oidc from "openid-client";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { epochSeconds } from "../util/time.js";
import { findWrongTime } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { describeWrongAudience, explainFailure, findStatus } from "./explain-failure.js";
import { parseClaims } from "./parse-claims.js";

const ACCEPT = "application/json, application/jwt";

/**
 * Requests the claims of the user from the userinfo endpoint (OpenID Connect Core 1.0, section 5.3).
 * Undefined if the provider rejects the access token with a 401 (RFC 6750, section 3.1).
 *
 * @param sub the user that the response must be about
 * @throws PortalAuthError `userinfo_missing`, `userinfo_refused`, `userinfo_invalid`,
 *   `userinfo_subject_mismatch`, or why the request failed
 */
export async function fetchUserInfo(
  provider: Provider,
  access_token: string,
  sub: string,
): Promise<Claims | undefined> {
  if (!provider.metadata.userinfo_endpoint) throw new PortalAuthError("userinfo_missing");
  const response = await requestUserInfo(provider, access_token).catch((error) => {
    if (findStatus(error) === 401) return undefined;
    throw explainFailure(error, "userinfo", [access_token]);
  });
  if (!response || response.status === 401) return undefined;
  const claims = isJwt(response)
    ? await verifyUserInfoJwt(provider, response)
    : await parseUserInfoJson(response);
  // section 5.3.2. Compared here, because this failure needs an error code of its own.
  const { sub: received } = claims;
  if (typeof received !== "string" || received === "")
    throw new PortalAuthError("portal_answer_invalid", {
      detail: "userinfo: sub is missing or not a string",
    });
  if (received !== sub) throw new PortalAuthError("userinfo_subject_mismatch");
  return parseClaims(claims, "portal_answer_invalid");
}

type UserInfo = Readonly<Record<string, unknown>>;

/** @throws what openid-client throws, or an error whose cause is the response */
async function requestUserInfo(
  { configuration, metadata }: Provider,
  access_token: string,
): Promise<Response> {
  const url = new URL(metadata.userinfo_endpoint as string);
  const headers = new Headers({ accept: ACCEPT });
  const response = await oidc.fetchProtectedResource(
    configuration,
    access_token,
    url,
    "GET",
    undefined,
    headers,
  );
  if (response.status !== 200 && response.status !== 401) throw new Error("userinfo", { cause: response });
  return response;
}

const isJwt = ({ headers }: Response): boolean =>
  /^\s*application\/jwt\s*(;|$)/i.test(headers.get("content-type") ?? "");

/** The content type is ignored, because some providers send JSON as text/html. */
async function parseUserInfoJson(response: Response): Promise<UserInfo> {
  const claims = parseJsonObject(await readText(response));
  if (!claims) throw explainFailure(new Error("userinfo", { cause: response }), "userinfo");
  return claims;
}

/**
 * Verifies a signed response like an ID token (section 5.3.2): the signature, the times, and `iss` and `aud`
 * if they are present.
 */
async function verifyUserInfoJwt(provider: Provider, response: Response): Promise<UserInfo> {
  const token = (await readText(response)).trim();
  if (token.split(".").length === 5)
    throw createUserInfoError(
      "it is encrypted (JWE), which is not supported: register no userinfo_encrypted_response_alg",
    );
  await provider.verifyUserInfo(token).catch((error) => {
    const isWrongSignature = error instanceof PortalAuthError && error.code === "id_token_signature_invalid";
    throw isWrongSignature ? createUserInfoError(`signature: ${error.detail}`) : error;
  });
  const claims = decodeUserInfo(token);
  const problem = findWrongClaim(claims, provider);
  if (problem !== undefined) throw createUserInfoError(problem);
  return claims;
}

function decodeUserInfo(token: string): UserInfo {
  try {
    return decodeJwt(token);
  } catch {
    throw createUserInfoError("not a JWT");
  }
}

function findWrongClaim(claims: UserInfo, { issuer, settings }: Provider): string | undefined {
  const { iss, aud, exp, iat } = claims;
  const issuerProblem = iss === undefined ? undefined : issuer.findProblem(claims);
  if (issuerProblem !== undefined) return issuerProblem;
  if (aud !== undefined && ![aud].flat().includes(settings.clientId))
    return describeWrongAudience(aud, settings.clientId);
  const now = epochSeconds();
  const times = { ...claims, exp: exp ?? now + 1, iat: iat ?? now }; // both are optional here
  return findWrongTime(times, settings.clockTolerance);
}

const readText = (response: Response): Promise<string> =>
  response.text().catch((error) => {
    throw explainFailure(error, "userinfo");
  });

const createUserInfoError = (detail: string) => new PortalAuthError("userinfo_invalid", { detail });
