import { decodeJwt, decodeProtectedHeader } from "jose";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { findWrongTime } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { describeWrongAudience } from "./explain-failure.js";

/** A user to sign out, one of their sessions at the provider, or a user with one session. */
export interface LogoutToken {
  readonly sub: string | undefined;
  readonly sid: string | undefined;
  /** In epoch seconds. */
  readonly iat: number;
  readonly jti: string;
}

/** Maximum age of a logout token, in seconds, also if its `exp` is later. Its `jti` is kept for so long. */
export const LOGOUT_TOKEN_SECONDS = 24 * 60 * 60;

/**
 * Maximum age of a logout token without `exp`, in seconds. Drafts of the specification had no `exp`, and some
 * providers still omit it. The final text recommends a lifetime of at most two minutes (section 4).
 */
const SECONDS_WITHOUT_EXP = 120;

/** OpenID Connect Back-Channel Logout 1.0, section 2.4. */
const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/** The specifications limit identifiers to so many characters. The saved ones must stay small. */
const MAX_CHARACTERS = 255;

/**
 * Verifies a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). The caller checks whether
 * its `jti` was used before. The signature is verified last, because it takes the most time. Any sender can
 * post such a token.
 *
 * @throws PortalAuthError `logout_token_invalid`, or why the keys could not be fetched
 */
export async function verifyLogoutToken(provider: Provider, token: string): Promise<LogoutToken> {
  const { header, claims } = decode(token);
  const problem = findWrongHeader(header) ?? findWrongClaim(claims, provider);
  if (problem !== undefined) throw createInvalidError(problem);
  await provider.verifyUntrustedToken(token).catch((error) => {
    const isWrongSignature = error instanceof PortalAuthError && error.code === "id_token_signature_invalid";
    throw isWrongSignature ? createInvalidError(`signature: ${error.detail}`) : error;
  });
  const { sub, sid, iat, jti } = claims;
  return { sub, sid, iat, jti } as LogoutToken;
}

type Members = Readonly<Record<string, unknown>>;

function decode(token: string): { header: Members; claims: Members } {
  try {
    return { header: decodeProtectedHeader(token) as Members, claims: decodeJwt(token) as Members };
  } catch {
    throw createInvalidError("not a signed JWT");
  }
}

/**
 * An ID token or an access token can name its own type (RFC 8725, section 3.11), and is rejected. No
 * extension is supported (RFC 7515, section 4.1.11). With an unencoded payload, other claims would be signed
 * than are read here.
 */
function findWrongHeader({ typ, crit }: Members): string | undefined {
  if (crit !== undefined) return "crit";
  if (typ === undefined) return undefined;
  return typeof typ === "string" && /^((application\/)?logout\+)?jwt$/i.test(typ) ? undefined : "typ";
}

/** Returns the first claim that is wrong, in the order of the specification's steps. */
function findWrongClaim(claims: Members, { issuer, settings }: Provider): string | undefined {
  const { aud, sub, sid, jti } = claims;
  const issuerProblem = issuer.findProblem(claims);
  if (issuerProblem !== undefined) return issuerProblem;
  if (![aud].flat().includes(settings.clientId)) return describeWrongAudience(aud, settings.clientId);
  const timeProblem = findWrongTime({ ...claims, exp: getExpiry(claims) }, settings.clockTolerance);
  if (timeProblem !== undefined) return timeProblem;
  if (sub === undefined && sid === undefined) return "neither sub nor sid";
  if (sub !== undefined && !isIdentifier(sub)) return "claim sub";
  if (sid !== undefined && !isIdentifier(sid)) return "claim sid";
  if (!hasEvent(claims["events"])) return "claim events";
  if ("nonce" in claims) return "claim nonce";
  return isIdentifier(jti) ? undefined : "claim jti";
}

/** Returns when a logout token expires, in epoch seconds. An invalid `exp` is returned unchanged. */
function getExpiry({ iat, exp }: Members): unknown {
  if (!Number.isFinite(iat)) return exp;
  const issuedAt = iat as number;
  if (exp === undefined) return issuedAt + SECONDS_WITHOUT_EXP;
  return Number.isFinite(exp) ? Math.min(exp as number, issuedAt + LOGOUT_TOKEN_SECONDS) : exp;
}

const isIdentifier = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= MAX_CHARACTERS;

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const hasEvent = (events: unknown): boolean =>
  isObject(events) && Object.hasOwn(events, EVENT) && isObject(events[EVENT]);

const createInvalidError = (detail: string) => new PortalAuthError("logout_token_invalid", { detail });
