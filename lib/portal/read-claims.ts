import { PortalAuthError } from "../errors.js";
import type { Authentication, Claims } from "../tokens.js";

/** What is nested deeper than this says nothing of a person; some thousand levels, and JSON.stringify gives up later. */
const MOST_LEVELS = 64;

/**
 * What the portal says of a person, as an object that an application may keep and copy. A member `__proto__`, at whatever
 * depth, is left out: `Object.assign({}, claims)` would take it for the prototype, and with it members that nobody has sent.
 *
 * @throws PortalAuthError with this code, for claims that are nested too deep
 */
export function readClaims(told: object, code: "id_token_invalid" | "portal_answer_invalid"): Claims {
  return copy(told, 0) as Claims;

  function copy(value: unknown, level: number): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (level > MOST_LEVELS) throw new PortalAuthError(code, { detail: `over ${MOST_LEVELS} levels deep` });
    if (Array.isArray(value)) return value.map((item) => copy(item, level + 1));
    const members = Object.entries(value).filter(([name]) => name !== "__proto__");
    return Object.fromEntries(members.map(([name, member]) => [name, copy(member, level + 1)]));
  }
}

/**
 * What they say of the login itself, as far as it is of the type that the specification gives it.
 *
 * @param latest an auth_time after this, in epoch seconds, tells nothing: some portals write milliseconds
 */
export function readAuthentication(
  { auth_time, acr, amr, sid, iat }: Claims,
  latest = Number.POSITIVE_INFINITY,
): Authentication {
  return {
    ...(typeof auth_time === "number" && Number.isFinite(auth_time) && auth_time <= latest && { auth_time }),
    ...(isText(acr) && { acr }),
    ...(Array.isArray(amr) && amr.every(isText) && { amr }),
    ...(isText(sid) && { sid }),
    ...(Number.isFinite(iat) && { iat }),
  };
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
