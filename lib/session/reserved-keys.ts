import session from "express-session";
import { DATA_OWNER_KEY, REFERENCE_KEY } from "./login-reference.js";
import { FORM_KEY } from "./pending-form.js";

/** The session key of the list of keys that the onLogin hook of this login has set. */
export const LOGIN_KEYS = "portal_login_keys";

/**
 * The session keys of express-session and of this package. An application that writes to them breaks its
 * session.
 */
const RESERVED = [
  "id",
  "req",
  "cookie",
  "portal",
  FORM_KEY,
  LOGIN_KEYS,
  REFERENCE_KEY,
  DATA_OWNER_KEY,
  "__proto__",
  "constructor",
  ...Object.getOwnPropertyNames(session.Session.prototype),
];

/**
 * Returns the first of these session keys that an application must not write to, because it belongs to
 * express-session or this package. The result is undefined if there is no such key.
 */
export const findReservedKey = (keys: readonly string[]): string | undefined =>
  keys.find((key) => RESERVED.includes(key));
