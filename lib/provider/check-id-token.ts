import { createHash } from "node:crypto";
import { decodeJwt, decodeProtectedHeader } from "jose";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { Settings } from "../settings/settings.js";
import { epochSeconds } from "../util/time.js";
import { getGraceAtLogin } from "./max-age-grace.js";
import type { ProviderIssuer } from "./provider-issuer.js";

export interface IdTokenExpectations {
  readonly nonce: string;
  readonly access_token: string;
  readonly max_age?: number;
  readonly acr?: readonly string[];
  readonly settings: Pick<Settings, "nonce" | "clientId" | "clockTolerance">;
  readonly issuer: ProviderIssuer;
}

/**
 * The checks of OpenID Connect Core 1.0, section 3.1.3.7, that openid-client leaves to its caller. It has seen to
 * sub, aud and the presence of exp and iat; verifySignature to the signature.
 */
export function checkIdToken(claims: Claims, idToken: string, expected: IdTokenExpectations): void {
  const { clockTolerance, nonce: policy } = expected.settings;
  checkCommonClaims(claims, idToken, expected);
  checkTimes(claims, clockTolerance);
  // step 11
  if (!isNonceValid(policy, claims.nonce, expected.nonce)) throw new PortalAuthError("nonce_mismatch");
  checkStrength(claims, expected);
}

/** Steps 12 and 13. A portal may ignore both wishes: then it is not the login that was wanted, though it is the person. */
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
  // by the portal's clock as well, which is what guards go by: what comes in here may not be too old there
  const oldest = Math.max(age, iat - Number(auth_time));
  if (oldest > max_age + getGraceAtLogin(settings.clockTolerance))
    throw createInsufficientError(`claim auth_time: ${Math.round(oldest)} s ago`);
}

/** What was believed before. */
export interface PreviousIdToken extends Omit<IdTokenExpectations, "nonce" | "max_age" | "acr"> {
  /** Of the login, or of the last refresh that brought one. */
  readonly id_token: string | undefined;
  /** What was kept of the login's claims: a refresh may have left some out since, and the next one tell them again. */
  readonly login: Pick<Claims, "sub" | "azp" | "nonce">;
}

/**
 * The checks of OpenID Connect Core 1.0, section 12.2, for the ID token that came with a refresh: it speaks of the same
 * login. It needs no nonce; one that is there must be the old one. auth_time is not compared: portals tell a newer one
 * when the person has signed in there once more meanwhile, and guards go by what was told at the login.
 */
export function checkRefreshedIdToken(claims: Claims, idToken: string, previous: PreviousIdToken): void {
  checkCommonClaims(claims, idToken, previous);
  const { login } = previous;
  const old = decodeVerifiedToken(previous.id_token, previous.issuer);
  if (old.iss !== undefined && claims.iss !== old.iss) throw createInvalidError("claim iss");
  if (claims.sub !== (old.sub ?? login.sub) || claims.sub !== login.sub)
    throw createInvalidError("claim sub");
  if (serializeAudience(claims) !== serializeAudience({ aud: old.aud ?? previous.settings.clientId }))
    throw createInvalidError("claim aud");
  const isKnown = old.iss !== undefined;
  // one that is left out says nothing else; where there was none, none may come
  if (isKnown && claims.azp !== undefined && claims.azp !== (old.azp ?? login.azp))
    throw createInvalidError("claim azp");
  const nonce = old.nonce ?? login.nonce;
  if (claims.nonce !== undefined && nonce !== undefined && claims.nonce !== nonce)
    throw new PortalAuthError("nonce_mismatch");
}

/** The claims of a token that was verified when it arrived. A token that a hook has put in its place counts as none. */
function decodeVerifiedToken(idToken: string | undefined, issuer: ProviderIssuer): Partial<Claims> {
  try {
    const claims = idToken === undefined ? {} : decodeJwt(idToken);
    return issuer.includes(claims.iss) ? claims : {};
  } catch {
    return {};
  }
}

const serializeAudience = ({ aud = [] }: Pick<Claims, "aud">): string => JSON.stringify([aud].flat().sort());

function checkCommonClaims(
  claims: Claims,
  idToken: string,
  expected: Pick<IdTokenExpectations, "access_token" | "settings" | "issuer">,
) {
  const { clientId } = expected.settings;
  // step 2: openid-client has compared iss, and takes any tenant
  const wrongIssuer = expected.issuer.findProblem(claims);
  if (wrongIssuer !== undefined) throw createInvalidError(wrongIssuer);
  // RFC 8725, section 3.12: an access token or a logout token may have claims that would do
  const { alg = "", typ } = decodeProtectedHeader(idToken);
  if (/^(application\/)?(at|logout)\+jwt$/i.test(String(typ))) throw createInvalidError("typ");
  // section 2: a person has a name, of at most 255 characters
  if (claims.sub.length < 1 || claims.sub.length > 255) throw createInvalidError("claim sub");
  // steps 4 and 5: openid-client looks at azp only where there are several audiences
  if (claims.azp !== undefined && claims.azp !== clientId) throw createInvalidError("claim azp");
  // section 3.1.3.8
  if (claims["at_hash"] !== undefined && claims["at_hash"] !== computeAtHash(expected.access_token, alg))
    throw createInvalidError("claim at_hash");
}

/** Steps 9 and 10, and RFC 7519, section 4.1.5. openid-client has seen to it that they are numbers: so is JSON's 1e999, which is Infinity. */
export function checkTimes(claims: Claims, clockTolerance: number): void {
  const wrong = findWrongTime(claims, clockTolerance);
  if (wrong !== undefined) throw createInvalidError(wrong);
}

type Times = Partial<Record<"exp" | "nbf" | "iat", unknown>>;

/** Which of the times of a JWT does not hold, and how far it is off; undefined when all do. */
export function findWrongTime({ exp, nbf, iat }: Times, clockTolerance: number): string | undefined {
  const now = epochSeconds();
  if (!(isTime(exp) && exp > now - clockTolerance)) return `claim exp${describeOffset(now, exp)}`;
  if (typeof nbf === "number" && nbf > now + clockTolerance) return `claim nbf${describeOffset(now, nbf)}`;
  if (!(isTime(iat) && iat <= now + clockTolerance)) return `claim iat${describeOffset(now, iat)}`; // from the future
  return undefined;
}

/** How far off: a few minutes are a clock, hours a time zone, days another trouble. */
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
  return received === undefined; // none was sent
}

/** at_hash: the left half of the hash that belongs to the ID token's own algorithm. */
function computeAtHash(accessToken: string, alg: string): string | undefined {
  const size = alg.startsWith("Ed") ? "512" : alg.slice(-3); // EdDSA with Ed25519 hashes with SHA-512
  if (!/^(256|384|512)$/.test(size)) return undefined; // such a signature is refused in any case
  const hash = createHash(`sha${size}`).update(accessToken).digest();
  return hash.subarray(0, hash.length / 2).toString("base64url");
}

const createInvalidError = (detail: string) => new PortalAuthError("id_token_invalid", { detail });

const createInsufficientError = (detail: string) =>
  new PortalAuthError("insufficient_user_authentication", { detail });
