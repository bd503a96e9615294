import { createHash } from "node:crypto";
import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { Settings } from "../settings/settings.js";
import { epochSeconds } from "../util/time.js";
import { getGraceAtLogin } from "./max-age-grace.js";
import type { ProviderIssuer } from "./provider-issuer.js";

/** The values that the ID token of a login must match. */
export interface IdTokenExpectations {
  readonly nonce: string;
  readonly access_token: string;
  readonly max_age?: number;
  readonly acr?: readonly string[];
  readonly settings: Pick<Settings, "nonce" | "clientId" | "clockTolerance">;
  readonly issuer: ProviderIssuer;
}

/**
 * Checks the claims of a login's ID token (OpenID Connect Core 1.0, section 3.1.3.7) that openid-client does
 * not check. openid-client has checked `aud`, the presence of `sub`, `exp` and `iat`, and their types.
 * verifySignature has checked the signature. README.md lists all checks in their order.
 *
 * @throws PortalAuthError `id_token_invalid`, `nonce_mismatch` or `insufficient_user_authentication`
 */
export function checkIdToken(claims: Claims, idToken: string, expected: IdTokenExpectations): void {
  const { clockTolerance, nonce: policy } = expected.settings;
  checkCommonClaims(claims, idToken, expected);
  checkTimes(claims, clockTolerance);
  // step 11
  if (!isNonceValid(policy, claims.nonce, expected.nonce)) throw new PortalAuthError("nonce_mismatch");
  checkStrength(claims, expected);
}

/**
 * Steps 12 and 13. A provider may ignore `acr_values` and `max_age`. Then the user is known, but the login is
 * weaker or older than required.
 */
function checkStrength(
  { auth_time, acr, iat = 0 }: Claims,
  { max_age, acr: requested, settings }: IdTokenExpectations,
): void {
  if (requested && !(typeof acr === "string" && requested.includes(acr)))
    throw createInsufficientError(`claim acr: none of ${requested.join(" ")}`);
  if (max_age === undefined) return;
  if (auth_time === undefined) throw createInsufficientError("claim auth_time missing");
  const age = typeof auth_time === "number" ? epochSeconds() - auth_time : Number.NaN;
  if (!(age >= -settings.clockTolerance)) throw createInvalidError("claim auth_time");
  // Guards compare the age by the provider's clock as well. A login that passes here must pass there.
  const greatestAge = Math.max(age, iat - Number(auth_time));
  if (greatestAge > max_age + getGraceAtLogin(settings.clockTolerance))
    throw createInsufficientError(`claim auth_time: ${Math.round(greatestAge)} s ago`);
}

/** The ID token that was accepted before, and the login it belongs to. */
export interface PreviousIdToken extends Omit<IdTokenExpectations, "nonce" | "max_age" | "acr"> {
  /** The one of the login, or of the last refresh that returned one. */
  readonly id_token: string | undefined;
  /** The saved claims of the login. The previous ID token may omit some that the new one contains. */
  readonly login: Pick<Claims, "sub" | "azp" | "nonce">;
}

/**
 * Checks the ID token of a refresh (OpenID Connect Core 1.0, section 12.2). It must be about the same login.
 * It needs no nonce, but a nonce must be the old one. The caller checks the signature and then the times with
 * checkTimes().
 *
 * `auth_time` is not compared. If the user has signed in again at the provider meanwhile, providers return a
 * newer one. Guards use the one of the login.
 *
 * @throws PortalAuthError `id_token_invalid` or `nonce_mismatch`
 */
export function checkRefreshedIdToken(claims: Claims, idToken: string, previous: PreviousIdToken): void {
  checkCommonClaims(claims, idToken, previous);
  const { login } = previous;
  const old = decodeAcceptedToken(previous.id_token, previous.issuer);
  if (old.iss !== undefined && claims.iss !== old.iss) throw createInvalidError("claim iss");
  if (claims.sub !== (old.sub ?? login.sub) || claims.sub !== login.sub)
    throw createInvalidError("claim sub");
  if (serializeAudience(claims) !== serializeAudience({ aud: old.aud ?? previous.settings.clientId }))
    throw createInvalidError("claim aud");
  const isOldTokenKnown = old.iss !== undefined;
  // The new token may omit azp. If the old token had none, the new token must not have one.
  if (isOldTokenKnown && claims.azp !== undefined && claims.azp !== (old.azp ?? login.azp))
    throw createInvalidError("claim azp");
  const nonce = old.nonce ?? login.nonce;
  if (claims.nonce !== undefined && nonce !== undefined && claims.nonce !== nonce)
    throw new PortalAuthError("nonce_mismatch");
}

/**
 * Returns the claims of a token that was verified when it arrived. A hook may have replaced it. The claims of
 * a token with another issuer are not used.
 */
function decodeAcceptedToken(idToken: string | undefined, issuer: ProviderIssuer): Partial<Claims> {
  try {
    const claims = idToken === undefined ? {} : decodeJwt(idToken);
    return issuer.includes(claims.iss) ? claims : {};
  } catch {
    return {};
  }
}

const serializeAudience = ({ aud = [] }: Pick<Claims, "aud">): string => JSON.stringify([aud].flat().sort());

/** The checks that the ID tokens of a login and of a refresh share. */
function checkCommonClaims(
  claims: Claims,
  idToken: string,
  expected: Pick<IdTokenExpectations, "access_token" | "settings" | "issuer">,
) {
  const { clientId } = expected.settings;
  // step 2: openid-client has compared iss, but accepts every tenant
  const issuerProblem = expected.issuer.findProblem(claims);
  if (issuerProblem !== undefined) throw createInvalidError(issuerProblem);
  // RFC 8725, section 3.12: the claims of an access token or a logout token could pass the other checks
  const { alg = "", typ } = decodeProtectedHeader(idToken);
  if (/^(application\/)?(at|logout)\+jwt$/i.test(String(typ))) throw createInvalidError("typ");
  // section 2: sub has 1 to 255 characters
  if (claims.sub.length < 1 || claims.sub.length > 255) throw createInvalidError("claim sub");
  // steps 4 and 5: openid-client checks azp only if there are several audiences
  if (claims.azp !== undefined && claims.azp !== clientId) throw createInvalidError("claim azp");
  // section 3.1.3.8
  if (claims["at_hash"] !== undefined && claims["at_hash"] !== computeAtHash(expected.access_token, alg))
    throw createInvalidError("claim at_hash");
}

/**
 * Checks the times of an ID token: steps 9 and 10, and RFC 7519, section 4.1.5. openid-client has checked
 * that they are numbers. JSON's 1e999 is a number as well: Infinity.
 *
 * @throws PortalAuthError `id_token_invalid`
 */
export function checkTimes(claims: Claims, clockTolerance: number): void {
  const problem = findWrongTime(claims, clockTolerance);
  if (problem !== undefined) throw createInvalidError(problem);
}

type Times = Partial<Record<"exp" | "nbf" | "iat", unknown>>;

/** Returns which time of a JWT is wrong, and by how much. Undefined if all are right. */
export function findWrongTime({ exp, nbf, iat }: Times, clockTolerance: number): string | undefined {
  const now = epochSeconds();
  if (!(isTime(exp) && exp > now - clockTolerance)) return `claim exp${describeOffset(now, exp)}`;
  if (typeof nbf === "number" && nbf > now + clockTolerance) return `claim nbf${describeOffset(now, nbf)}`;
  if (!(isTime(iat) && iat <= now + clockTolerance)) return `claim iat${describeOffset(now, iat)}`;
  return undefined;
}

/** The difference shows the cause: minutes mean a wrong clock, hours mean a wrong time zone. */
function describeOffset(now: number, time: unknown): string {
  if (!isTime(time)) return "";
  const ahead = Math.round(time - now);
  return ahead > 0
    ? `: ${ahead} s ahead of this machine's clock`
    : `: ${-ahead} s ago by this machine's clock`;
}

const isTime = (value: unknown): value is number => Number.isFinite(value);

function isNonceValid(policy: Settings["nonce"], received: unknown, sent: string): boolean {
  if (policy === "required") return received === sent;
  if (policy === "optional") return received === undefined || received === sent;
  return received === undefined; // the request had no nonce
}

/**
 * Computes at_hash: the left half of the access token's hash, with the hash function of the ID token's
 * algorithm.
 */
function computeAtHash(accessToken: string, alg: string): string | undefined {
  const size = alg.startsWith("Ed") ? "512" : alg.slice(-3); // EdDSA with Ed25519 hashes with SHA-512
  if (!/^(256|384|512)$/.test(size)) return undefined; // verifySignature rejects such an algorithm
  const hash = createHash(`sha${size}`).update(accessToken).digest();
  return hash.subarray(0, hash.length / 2).toString("base64url");
}

const createInvalidError = (detail: string) => new PortalAuthError("id_token_invalid", { detail });

const createInsufficientError = (detail: string) =>
  new PortalAuthError("insufficient_user_authentication", { detail });
