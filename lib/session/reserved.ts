import session from "express-session";
import { FORM_KEY } from "./kept-forms.js";

/** Names that belong to express-session and to us: an application that put something there would break the session. */
const RESERVED = [
  "id",
  "req",
  "cookie",
  "portal",
  FORM_KEY,
  "__proto__",
  "constructor",
  ...Object.getOwnPropertyNames(session.Session.prototype),
];

/** The first of these session keys that an application must not use, if there is one. */
export const reservedKey = (keys: readonly string[]): string | undefined => keys.find((key) => RESERVED.includes(key));
