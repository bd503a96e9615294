import type { Claims } from "../tokens.js";

/**
 * What the portal says of a person, as an object that an application may copy. A member `__proto__`, at whatever depth,
 * is left out: `Object.assign({}, claims)` would take it for the prototype, and with it members that nobody has sent.
 */
export function readClaims(told: object): Claims {
  return JSON.parse(JSON.stringify(told), (name, value) => (name === "__proto__" ? undefined : value));
}
