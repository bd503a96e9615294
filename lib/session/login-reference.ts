import type { Session, SessionData } from "express-session";
import { sha256 } from "../util/sha256.js";
import { getUser, getUserListName } from "./login-index.js";
import type { LoginRecord } from "./login-record.js";

/** The session key under which a foreign store keeps which login belongs to the session. */
export const REFERENCE_KEY = "portal_login";

/** The session key that says whose data keepSessionKeys has kept in a session after its login has ended. */
export const DATA_OWNER_KEY = "portal_kept_for";

/** Names the login of a session. It counts only if the login's record names the session, too. */
interface LoginReference {
  readonly id: string;
  /** The portalAuth() whose login it is: see tenantName(). */
  readonly of: string;
  /** Whose login it is: see userList(). */
  readonly user: string;
  /** A hash of the id of the session that it was written to. */
  readonly in: string;
}

type AnySession = Session & Partial<SessionData>;
type SessionWithReference = AnySession & {
  [REFERENCE_KEY]?: LoginReference | undefined;
  [DATA_OWNER_KEY]?: string;
};

/** A short name for the issuer, client and redirect URI of a portalAuth(). */
export const createTenantId = (belongsTo: string): string => createShortHash(belongsTo);

const createShortHash = (text: string): string => sha256(text).slice(0, 16);

/**
 * The login that a session refers to. Applications can write to their sessions, so any value may be there.
 */
export function readReference(session: AnySession): LoginReference | undefined {
  const {
    id,
    of,
    user,
    in: its,
  } = Object((session as SessionWithReference)[REFERENCE_KEY]) as Partial<LoginReference>;
  if (typeof id !== "string" || typeof of !== "string") return undefined;
  return { id, of, user: String(user), in: String(its) };
}

/**
 * Whether a reference was written to this session. Applications copy all keys of a session to the one that
 * replaces it.
 */
export const isReferenceForSession = (sessionId: string, reference: LoginReference): boolean =>
  reference.in === createShortHash(sessionId);

export const createReference = (record: LoginRecord, tenant: string): LoginReference => ({
  id: record.login_id,
  of: tenant,
  user: getUserListName(getUser(record)),
  in: createShortHash(record.session_id),
});

export function writeReference(session: AnySession, reference: LoginReference): void {
  (session as SessionWithReference)[REFERENCE_KEY] = reference;
}

/** The user whose data a session holds, as far as the session itself says so. */
export const readDataOwner = (session: AnySession): string | undefined =>
  readReference(session)?.user ?? (session as SessionWithReference)[DATA_OWNER_KEY];

/** Remembers whose data stays in a session whose login has ended. */
export function writeDataOwner(session: AnySession, user: string): void {
  (session as SessionWithReference)[DATA_OWNER_KEY] = user;
}
