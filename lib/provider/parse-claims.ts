import type { Authentication, Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { omitUndefined } from "../util/omit-undefined.js";

/** Deeper claims do not describe a user, and after some thousand levels JSON.stringify fails. */
const MAX_LEVELS = 64;

/**
 * Copies claims into an object that an application can save and copy. Members with the name `__proto__` are
 * omitted at every level. Otherwise `Object.assign({}, claims)` would set a prototype from the token.
 *
 * @throws PortalAuthError with the given code, for claims of more than 64 levels
 */
export function parseClaims(received: object, code: "id_token_invalid" | "portal_answer_invalid"): Claims {
  return copy(received, 0) as Claims;

  function copy(value: unknown, level: number): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (level > MAX_LEVELS) throw new PortalAuthError(code, { detail: `over ${MAX_LEVELS} levels deep` });
    if (Array.isArray(value)) return value.map((item) => copy(item, level + 1));
    const members = Object.entries(value).filter(([name]) => name !== "__proto__");
    return Object.fromEntries(members.map(([name, member]) => [name, copy(member, level + 1)]));
  }
}

/**
 * Returns what the claims say about the login itself. Values of a type that the specification does not allow
 * are omitted.
 *
 * @param now the time of the login, in epoch seconds
 * @param latest the latest valid auth_time, in epoch seconds. A later one is omitted, because some providers
 *   write milliseconds
 */
export function parseAuthentication(
  { auth_time, acr, amr, sid, iat }: Claims,
  now: number,
  latest = Number.POSITIVE_INFINITY,
): Authentication {
  const hasTime = isTime(auth_time) && auth_time <= latest;
  return omitUndefined({
    auth_time: hasTime ? auth_time : undefined,
    auth_age: hasTime ? computeAuthenticationAge(auth_time, iat, now) : undefined,
    acr: isNonEmptyString(acr) ? acr : undefined,
    amr: Array.isArray(amr) && amr.every(isNonEmptyString) ? amr : undefined,
    sid: isNonEmptyString(sid) ? sid : undefined,
    iat: isTime(iat) ? iat : undefined,
  });
}

/**
 * Computes how long ago the user has authenticated, in seconds: the longer time by the provider's clock and
 * by ours. Some providers date an ID token back to the authentication (`iat` = `auth_time`), and then only
 * ours is right.
 */
export const computeAuthenticationAge = (auth_time: number, iat: unknown, now: number): number =>
  Math.max(0, now - auth_time, isTime(iat) ? iat - auth_time : 0);

const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

const isNonEmptyString = (value: unknown): value is string => typeof value === "string" && value !== "";
