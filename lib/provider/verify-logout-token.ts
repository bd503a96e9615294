import { decodeJwt, decodeProtectedHeader } from "jose";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { findWrongTime } from "./check-id-token.js";
import type { Provider } from "./discovery.js";
import { describeWrongAudience } from "./explain-failure.js";

/** Whom the portal wants to be logged out: a person, one of their sessions at the portal, or the one in the other. */
export interface LogoutToken {
  readonly sub: string | undefined;
  readonly sid: string | undefined;
  /** In epoch seconds. */
  readonly iat: number;
  readonly jti: string;
}

/** Maximum age of a logout token, in seconds, whatever its `exp` says: its `jti` is kept that long. */
export const LOGOUT_TOKEN_SECONDS = 24 * 60 * 60;

/**
 * Maximum age of a logout token without `exp`, in seconds. Drafts of the specification had no `exp`, and some providers still
 * omit it. The final text recommends that a logout token ends after at most two minutes (section 4).
 */
const SECONDS_WITHOUT_EXP = 120;

/** OpenID Connect Back-Channel Logout 1.0, section 2.4. */
const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/** No name of anything is longer; what is kept of them must stay small. */
const MAX_CHARACTERS = 255;

/**
 * The checks of OpenID Connect Back-Channel Logout 1.0, section 2.6; whether the jti has been seen before is for who keeps
 * such things. The signature comes last, as what is wrong in another way is worth no arithmetic. Anybody may send such a
 * token: nothing of it is believed before.
 *
 * @throws PortalAuthError `logout_token_invalid`, or what kept the keys from being read
 */
export async function verifyLogoutToken(provider: Provider, token: string): Promise<LogoutToken> {
  const { header, claims } = decode(token);
  const wrong = findWrongHeader(header) ?? findWrongClaim(claims, provider);
  if (wrong !== undefined) throw createInvalidError(wrong);
  await provider.verifySentToken(token).catch((error) => {
    const isItsOwn = error instanceof PortalAuthError && error.code === "id_token_signature_invalid";
    throw isItsOwn ? createInvalidError(`signature: ${error.detail}`) : error;
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
 * An ID token or an access token is of another type, where it says which (RFC 8725, section 3.11); and we understand no
 * extension (RFC 7515, section 4.1.11), least of all that of an unencoded payload, which would be another than is read here.
 */
function findWrongHeader({ typ, crit }: Members): string | undefined {
  if (crit !== undefined) return "crit";
  if (typ === undefined) return undefined;
  return typeof typ === "string" && /^((application\/)?logout\+)?jwt$/i.test(typ) ? undefined : "typ";
}

/** The first that does not hold, in the order of the specification's steps. */
function findWrongClaim(claims: Members, { issuer, settings }: Provider): string | undefined {
  const { aud, sub, sid, jti } = claims;
  const wrongIssuer = issuer.findProblem(claims);
  if (wrongIssuer !== undefined) return wrongIssuer;
  if (![aud].flat().includes(settings.clientId)) return describeWrongAudience(aud, settings.clientId);
  const time = findWrongTime({ ...claims, exp: getExpiry(claims) }, settings.clockTolerance);
  if (time !== undefined) return time;
  if (sub === undefined && sid === undefined) return "neither sub nor sid";
  if (sub !== undefined && !isIdentifier(sub)) return "claim sub";
  if (sid !== undefined && !isIdentifier(sid)) return "claim sid";
  if (!hasEvent(claims["events"])) return "claim events";
  if ("nonce" in claims) return "claim nonce";
  return isIdentifier(jti) ? undefined : "claim jti";
}

/** The end of a logout token in epoch seconds, or what stands in its place. */
function getExpiry({ iat, exp }: Members): unknown {
  if (!Number.isFinite(iat)) return exp;
  const issued = iat as number;
  if (exp === undefined) return issued + SECONDS_WITHOUT_EXP;
  return Number.isFinite(exp) ? Math.min(exp as number, issued + LOGOUT_TOKEN_SECONDS) : exp;
}

const isIdentifier = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= MAX_CHARACTERS;

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const hasEvent = (events: unknown): boolean =>
  isObject(events) && Object.hasOwn(events, EVENT) && isObject(events[EVENT]);

const createInvalidError = (detail: string) => new PortalAuthError("logout_token_invalid", { detail });
