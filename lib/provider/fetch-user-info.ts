import { decodeJwt } from "jose";
import * as oidc from "openid-client";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { epochSeconds } from "../util/time.js";
import { wrongTime } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { audienceDetail, explainFailure, statusOf } from "./explain-failure.js";
import { readClaims } from "./parse-claims.js";

const ACCEPT = "application/json, application/jwt";

/**
 * Asks the provider about the user of an access token (OpenID Connect Core 1.0, section 5.3). Undefined if the provider
 * refuses the token with a 401 (RFC 6750, section 3.1).
 *
 * @throws PortalAuthError `userinfo_missing`, `userinfo_refused`, `userinfo_invalid`, `userinfo_subject_mismatch`, or what
 *   kept the provider from answering
 */
export async function fetchUserInfo(
  provider: Provider,
  access_token: string,
  sub: string,
): Promise<Claims | undefined> {
  if (!provider.metadata.userinfo_endpoint) throw new PortalAuthError("userinfo_missing");
  const answer = await request(provider, access_token).catch((error) => {
    if (statusOf(error) === 401) return undefined;
    throw explainFailure(error, "userinfo", [access_token]);
  });
  if (!answer || answer.status === 401) return undefined;
  const claims = isJwt(answer) ? await readJwt(provider, answer) : await readJson(answer);
  // section 5.3.2: compared here, to be distinguished from an answer that cannot be read
  const { sub: received } = claims;
  if (typeof received !== "string" || received === "")
    throw new PortalAuthError("portal_answer_invalid", { detail: "userinfo: sub is missing, or no text" });
  if (received !== sub) throw new PortalAuthError("userinfo_subject_mismatch");
  return readClaims(claims, "portal_answer_invalid");
}

type UserInfo = Readonly<Record<string, unknown>>;

/** @throws what openid-client throws, or an error whose cause is the answer */
async function request({ configuration, metadata }: Provider, access_token: string): Promise<Response> {
  const address = new URL(metadata.userinfo_endpoint as string);
  const headers = new Headers({ accept: ACCEPT });
  const answer = await oidc.fetchProtectedResource(
    configuration,
    access_token,
    address,
    "GET",
    undefined,
    headers,
  );
  if (answer.status !== 200 && answer.status !== 401) throw new Error("userinfo", { cause: answer });
  return answer;
}

const isJwt = ({ headers }: Response): boolean =>
  /^\s*application\/jwt\s*(;|$)/i.test(headers.get("content-type") ?? "");

/** Whatever its content type says: some providers send JSON as text/html. */
async function readJson(answer: Response): Promise<UserInfo> {
  const claims = parseJsonObject(await textOf(answer));
  if (!claims) throw explainFailure(new Error("userinfo", { cause: answer }), "userinfo");
  return claims;
}

/** Verifies a signed answer like an ID token (section 5.3.2): signature, iss and aud if they are there, and the times. */
async function readJwt(provider: Provider, answer: Response): Promise<UserInfo> {
  const token = (await textOf(answer)).trim();
  if (token.split(".").length === 5)
    throw invalid(
      "it is encrypted (JWE), which is not supported: register no userinfo_encrypted_response_alg",
    );
  await provider.verifyUserInfo(token).catch((error) => {
    const isItsOwn = error instanceof PortalAuthError && error.code === "id_token_signature_invalid";
    throw isItsOwn ? invalid(`signature: ${error.detail}`) : error;
  });
  const claims = parseClaims(token);
  const wrong = wrongClaim(claims, provider);
  if (wrong !== undefined) throw invalid(wrong);
  return claims;
}

function parseClaims(token: string): UserInfo {
  try {
    return decodeJwt(token);
  } catch {
    throw invalid("not a JWT");
  }
}

function wrongClaim(claims: UserInfo, { issuer, settings }: Provider): string | undefined {
  const { iss, aud, exp, iat } = claims;
  const wrongIssuer = iss === undefined ? undefined : issuer.problemOf(claims);
  if (wrongIssuer !== undefined) return wrongIssuer;
  if (aud !== undefined && ![aud].flat().includes(settings.clientId))
    return audienceDetail(aud, settings.clientId);
  const now = epochSeconds();
  return wrongTime({ ...claims, exp: exp ?? now + 1, iat: iat ?? now }, settings.clockTolerance); // both are optional here
}

const textOf = (answer: Response): Promise<string> =>
  answer.text().catch((error) => {
    throw explainFailure(error, "userinfo");
  });

const invalid = (detail: string) => new PortalAuthError("userinfo_invalid", { detail });
