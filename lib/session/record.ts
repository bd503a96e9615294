import { createHash } from "node:crypto";
import type { Clock } from "../clock.js";
import { cookieUntil } from "./lifetime.js";

/** No session has such an id: express-session's own are of 32 letters, and none of a browser's is believed unsigned. */
const PREFIX = "portal-auth-";

/** What is kept in a session store beside the sessions: to the store it is one, which nobody's cookie names. */
export type RecordKind = "person" | "sid" | "jti" | "form";

/** Under which id a record is kept; of what names it the store tells nothing. */
export const recordId = (kind: RecordKind, ...named: readonly string[]): string =>
  `${PREFIX}${kind}-${createHash("sha256").update(JSON.stringify(named)).digest("base64url")}`;

export const isRecord = (id: string): boolean => id.startsWith(PREFIX);

/** A record that the store forgets by itself, after so many milliseconds from now. */
export function recordFor<Content extends object>(clock: Clock, lifeMs: number, content: Content) {
  const cookie = cookieUntil({ originalMaxAge: lifeMs }, clock() + lifeMs); // some stores read the one, some the other
  return { ...content, cookie };
}
