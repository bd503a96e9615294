import type { Authentication, Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";

/** What is nested deeper than this says nothing of a person; some thousand levels, and JSON.stringify gives up later. */
const MAX_LEVELS = 64;

/**
 * What the portal says of a person, as an object that an application may keep and copy. A member `__proto__`, at whatever
 * depth, is left out: `Object.assign({}, claims)` would take it for the prototype, and with it members that nobody has sent.
 *
 * @throws PortalAuthError with this code, for claims that are nested too deep
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
 * Reads what the claims say about the login itself. Values of another type than the specification's are omitted.
 *
 * @param now the time of the login, in epoch seconds
 * @param latest an auth_time after this, in epoch seconds, is omitted: some providers write milliseconds
 */
export function parseAuthentication(
  { auth_time, acr, amr, sid, iat }: Claims,
  now: number,
  latest = Number.POSITIVE_INFINITY,
): Authentication {
  return {
    ...(isTime(auth_time) &&
      auth_time <= latest && { auth_time, auth_age: computeAuthenticationAge(auth_time, iat, now) }),
    ...(isText(acr) && { acr }),
    ...(Array.isArray(amr) && amr.every(isText) && { amr }),
    ...(isText(sid) && { sid }),
    ...(isTime(iat) && { iat }),
  };
}

/**
 * How long ago the user has authenticated, in seconds, by the provider's clock or by ours, whichever says more: a provider
 * that dates an ID token back to the authentication (`iat` = `auth_time`) makes nobody younger.
 */
export const computeAuthenticationAge = (auth_time: number, iat: unknown, now: number): number =>
  Math.max(0, now - auth_time, isTime(iat) ? iat - auth_time : 0);

const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
