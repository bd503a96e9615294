import session from "express-session";
import { FORM_KEY } from "./kept-forms.js";

/** The session key under which the keys are listed that the onLogin hook of this login has set. */
export const LOGIN_KEYS = "portal_login_keys";

/** Names that belong to express-session and to us: an application that put something there would break the session. */
const RESERVED = [
  "id",
  "req",
  "cookie",
  "portal",
  FORM_KEY,
  LOGIN_KEYS,
  "__proto__",
  "constructor",
  ...Object.getOwnPropertyNames(session.Session.prototype),
];

/** The first of these session keys that an application must not use, if there is one. */
export const reservedKey = (keys: readonly string[]): string | undefined => keys.find((key) => RESERVED.includes(key));
