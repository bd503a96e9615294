import type { Session, SessionData } from "express-session";
import { entryOf } from "../store/loaded-entry.js";
import { type LoginPlace, recordKey } from "./login-place.js";
import { isReferenceOf, readReference } from "./login-reference.js";
import type { DecodedLogin } from "./record-codec.js";

/** What a session and the store know of a login. */
export type SessionLogin =
  | { readonly kind: "stored"; readonly key: string; readonly login: DecodedLogin; readonly lifeMs: number }
  /** The key is undefined if the record may belong to another session. */
  | { readonly kind: "unreadable"; readonly key: string | undefined }
  | { readonly kind: "of_another_portal_auth" }
  /** The user is named as by userList(). */
  | { readonly kind: "ended"; readonly user: string };

/** Finds the login of a session. Does no I/O if a store of ours has read both. */
export function findLogin(
  place: LoginPlace,
  session: Session & Partial<SessionData>,
): SessionLogin | undefined | Promise<SessionLogin | undefined> {
  if (!place.isOurStore) return findByReference(place, session);
  const entry = entryOf(session);
  if (!entry?.record) return undefined;
  const key = recordKey(place, session.id, "");
  const login = place.logins.decode(key, entry.record.text);
  return login ? { kind: "stored", key, login, lifeMs: entry.lifeMs } : { kind: "unreadable", key };
}

async function findByReference(
  place: LoginPlace,
  session: Session & Partial<SessionData>,
): Promise<SessionLogin | undefined> {
  const reference = readReference(session);
  if (!reference) return undefined;
  if (reference.of !== place.tenant) return { kind: "of_another_portal_auth" };
  const key = recordKey(place, session.id, reference.id);
  const isOfSession = isReferenceOf(session.id, reference);
  const found = await place.logins.read(key);
  if (found?.login) return { kind: "stored", key, login: found.login, lifeMs: found.stored.lifeMs };
  if (found) return { kind: "unreadable", key: isOfSession ? key : undefined };
  return isOfSession ? { kind: "ended", user: reference.user } : undefined;
}
