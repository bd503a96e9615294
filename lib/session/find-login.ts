import type { Session, SessionData } from "express-session";
import { getLoadedEntry } from "../store/loaded-entry.js";
import { isReferenceForSession, readReference } from "./login-reference.js";
import { getRecordKey, type LoginStorage } from "./login-storage.js";
import type { DecodedLogin } from "./record-codec.js";

/** The result of the search for the login of a session. */
export type LoginLookup =
  /** The record was read and decoded. `lifeMs` is its remaining lifetime in milliseconds. */
  | { readonly kind: "stored"; readonly key: string; readonly login: DecodedLogin; readonly lifeMs: number }
  /** The record cannot be decoded. The key is undefined if the record may belong to another session. */
  | { readonly kind: "unreadable"; readonly key: string | undefined }
  /** Another portalAuth() started the login. */
  | { readonly kind: "of_another_portal_auth" }
  /**
   * The session refers to a login that has ended. `user` is the name of the user's list: see
   * getUserListName().
   */
  | { readonly kind: "ended"; readonly user: string };

/**
 * Finds the login of a session. In our own store the login was read with the session, so the result is
 * synchronous and there is no I/O. In the application's store the record is read via the reference in the
 * session.
 *
 * @returns undefined if the session has no login
 * @throws the failure of the store, as a rejection
 */
export function findLogin(
  storage: LoginStorage,
  session: Session & Partial<SessionData>,
): LoginLookup | undefined | Promise<LoginLookup | undefined> {
  if (!storage.isOurStore) return findByReference(storage, session);
  const entry = getLoadedEntry(session);
  if (!entry?.record) return undefined;
  const key = getRecordKey(storage, session.id, "");
  const login = storage.logins.decode(key, entry.record.text);
  return login ? { kind: "stored", key, login, lifeMs: entry.lifeMs } : { kind: "unreadable", key };
}

async function findByReference(
  storage: LoginStorage,
  session: Session & Partial<SessionData>,
): Promise<LoginLookup | undefined> {
  const reference = readReference(session);
  if (!reference) return undefined;
  if (reference.of !== storage.portalAuthId) return { kind: "of_another_portal_auth" };
  const key = getRecordKey(storage, session.id, reference.id);
  const isOfSession = isReferenceForSession(session.id, reference);
  const found = await storage.logins.read(key);
  if (found?.login) return { kind: "stored", key, login: found.login, lifeMs: found.stored.lifeMs };
  if (found) return { kind: "unreadable", key: isOfSession ? key : undefined };
  return isOfSession ? { kind: "ended", user: reference.user } : undefined;
}
