import type { Session, SessionData } from "express-session";
import { sha256 } from "../util/sha256.js";
import { getUser, getUserListName } from "./login-index.js";
import type { LoginRecord } from "./login-record.js";

/** The session key of the reference to a login. It is only used in an application's store. */
export const REFERENCE_KEY = "portal_login";

/** The session key that names the owner of the data which keepSessionKeys keeps after the login has ended. */
export const DATA_OWNER_KEY = "portal_kept_for";

/**
 * Refers from a session to its login. The reference is valid only if the login's record names the session
 * too.
 */
interface LoginReference {
  /** The login_id of the login. */
  readonly id: string;
  /** The id of the portalAuth() that started the login: see createPortalAuthId(). */
  readonly of: string;
  /** The user whom the login belongs to: see getUserListName(). */
  readonly user: string;
  /** A hash of the id of the session that the reference was written to. */
  readonly in: string;
}

type AnySession = Session & Partial<SessionData>;
type SessionWithReference = AnySession & {
  [REFERENCE_KEY]?: LoginReference | undefined;
  [DATA_OWNER_KEY]?: string;
};

/**
 * Returns the id of a portalAuth(): the first 16 characters of a hash.
 *
 * @param identity its issuer, client and redirect URI, as one text
 */
export const createPortalAuthId = (identity: string): string => createShortHash(identity);

const createShortHash = (text: string): string => sha256(text).slice(0, 16);

/**
 * Returns the reference that a session has at `portal_login`. An application can write any value there, so
 * the result is undefined unless the login and the portalAuth() are named. Whether the reference is valid is
 * not checked.
 */
export function readReference(session: AnySession): LoginReference | undefined {
  const value = (session as SessionWithReference)[REFERENCE_KEY];
  const { id, of, user, in: sessionHash } = Object(value) as Partial<LoginReference>;
  if (typeof id !== "string" || typeof of !== "string") return undefined;
  return { id, of, user: String(user), in: String(sessionHash) };
}

/**
 * Returns whether a reference was written to the session with this id. It was not if an application has
 * copied the keys of a session to another session.
 */
export const isReferenceForSession = (sessionId: string, reference: LoginReference): boolean =>
  reference.in === createShortHash(sessionId);

/** Creates the reference from the session that a record names to the record's login. */
export const createReference = (record: LoginRecord, portalAuthId: string): LoginReference => ({
  id: record.login_id,
  of: portalAuthId,
  user: getUserListName(getUser(record)),
  in: createShortHash(record.session_id),
});

/** Sets the reference at `portal_login` in a session. The session is not saved. */
export function writeReference(session: AnySession, reference: LoginReference): void {
  (session as SessionWithReference)[REFERENCE_KEY] = reference;
}

/**
 * Returns the user whom a session's data belongs to, as named by getUserListName(). The result is undefined
 * if the session itself does not name a user.
 */
export const readDataOwner = (session: AnySession): string | undefined =>
  readReference(session)?.user ?? (session as SessionWithReference)[DATA_OWNER_KEY];

/**
 * Writes the owner of the data that stays in a session after its login has ended, to `portal_kept_for`. The
 * session is not saved.
 *
 * @param user as named by getUserListName()
 */
export function writeDataOwner(session: AnySession, user: string): void {
  (session as SessionWithReference)[DATA_OWNER_KEY] = user;
}
