import type { Request } from "express";
import type { Session, SessionData } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getLoadedEntry } from "../store/loaded-entry.js";
import type { RecordStore } from "../store/record-store.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { omitUndefined } from "../util/omit-undefined.js";
import { getLoginState } from "./attached-login.js";
import type { LoginPolicy, LoginRefusal } from "./login-policy.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import { readReference } from "./login-reference.js";
import { getRecordKey } from "./login-storage.js";
import type { ChangeLogin } from "./logins.js";
import { getSessionHolder, type PortalAuthInstance } from "./session-holder.js";

export type { LoginPolicy } from "./login-policy.js";

/**
 * Returns the login of this request as it was loaded, or undefined if no user is signed in at this
 * portalAuth(). An expired login, and one of another portalAuth(), count as no login. Does no I/O and no
 * cryptography.
 */
export const readSession = (req: Request, policy: LoginPolicy): PortalSession | undefined =>
  getLoginState(req, policy)?.getView(policy);

/**
 * Returns why the login in the session of this request is not valid: see LoginRefusal. The result is
 * undefined if it is valid, or if there is no session or no login.
 */
export const findSessionRefusal = (req: Request, policy: LoginPolicy): LoginRefusal | undefined =>
  getLoginState(req, policy)?.getRefusal(policy);

/** Gives access to the stored login of a request. */
export interface LoginHandle {
  /** The key of the record in the store. */
  readonly key: string;
  /** Reads, changes and writes the login: see Logins.update(). */
  update(change: ChangeLogin): Promise<LoginRecord | undefined>;
}

/**
 * Returns a handle to update the stored login of this request. The request itself does not see the update:
 * see updateRequestLogin(). A login that is expired or unreadable has a handle too.
 *
 * @throws PortalAuthError `session_missing` if the request has no login
 */
export function getLoginHandle(req: Request, instance: PortalAuthInstance): LoginHandle {
  const current = getLoginState(req, instance);
  const key = current?.key;
  if (!current || key === undefined) throw new PortalAuthError("session_missing");
  const { logins } = current.storage;
  return { key, update: (change) => logins.update(key, change) };
}

/**
 * Replaces the login of this request, also at `req.session.portal`, by a newer state of its record. Writes
 * nothing to the store.
 *
 * If the request's login has another key by now, nothing changes. For example, a new login has started since
 * getLoginHandle() was called. A newer record is ignored if the application has replaced the session.
 *
 * @param key the key of the record, from getLoginHandle()
 * @param record undefined if the login has ended: it is removed from the request, and `req.session.portal`
 *   too
 */
export function updateRequestLogin(
  req: Request,
  instance: PortalAuthInstance,
  key: string,
  record: LoginRecord | undefined,
): void {
  const current = getLoginState(req, instance);
  if (current?.key !== key) return;
  if (record) current.updateRecord(record);
  else current.forget();
}

/**
 * Replaces the session and the login of this request by those of another session, so that this response sets
 * its cookie. If the request has that session already, nothing changes.
 *
 * The other session was started by another request of the same browser: after a double click, the
 * browser cancels the response that had the cookie.
 *
 * @param id the session id
 * @returns true if the request has that session now. False if the session or its login no longer exists, or
 *   the login cannot be decoded or names another session: the request is unchanged then
 * @throws PortalAuthError `session_store_failed`; the request is unchanged then
 */
export async function adoptSession(req: Request, policy: LoginPolicy, id: string): Promise<boolean> {
  const holder = getSessionHolder(req, policy);
  const current = getLoginState(req, policy);
  if (holder.sessionID === id) return true;
  if (!current) return false;
  const { storage } = current;
  const store = holder.sessionStore;
  const stored = await fromCallback<SessionData | null>((done) => store.get(id, done)).catch((error) => {
    throw wrapStoreFailure("read", error);
  });
  if (!stored) return false;
  const { originalMaxAge } = stored.cookie;
  const loginId = storage.isOurStore ? "" : readReference(stored as never)?.id;
  const found =
    loginId === undefined ? undefined : await storage.logins.read(getRecordKey(storage, id, loginId));
  const { login } = found ?? {};
  if (!found || !login || login.record.session_id !== id) return false;
  holder.sessionID = id;
  const session = store.createSession(holder, stored);
  // This response sets the cookie with its full lifetime, as the cancelled response would have.
  session.cookie.maxAge = originalMaxAge as number;
  current.adoptLogin(found.key, login, found.stored.lifeMs);
  return true;
}

/**
 * Returns the store of the login records of this request's session.
 *
 * @throws PortalAuthError `session_missing` if the request has no session of express-session
 */
export function getRecords(req: Request, instance: PortalAuthInstance): RecordStore {
  const current = getLoginState(req, instance);
  if (!current) throw new PortalAuthError("session_missing");
  return current.storage.logins.records;
}

/**
 * Returns the session that holds the logins of this portalAuth(): the application's, or our own. It is
 * undefined if it could not be loaded, or after it has ended.
 */
export const getExpressSession = (
  req: Request,
  instance: PortalAuthInstance,
): (Session & Partial<SessionData>) | undefined => getSessionHolder(req, instance).session;

/**
 * Returns the id of this request's session if it has a readable login, otherwise "". Without a login the id
 * is of no use, because express-session creates a new one for each request of a visitor.
 */
export function getSessionId(req: Request, instance: PortalAuthInstance): string {
  const { session, sessionID } = getSessionHolder(req, instance);
  return session && getLoginState(req, instance)?.record ? sessionID : "";
}

/** The remaining lifetimes of a login, in whole seconds. Unknown values are omitted. */
export interface SecondsLeft {
  /**
   * Until the login ends without another request. Omitted for a session cookie that ends with the browser.
   */
  readonly idle?: number;
  /** Until the login ends in any case. */
  readonly absolute: number;
  /** Until the access token expires. A refresh extends it. Omitted if the provider did not return it. */
  readonly token?: number;
}

/**
 * Returns the remaining lifetimes of a login, in whole seconds. `idle` is counted from the moment when the
 * session was loaded, before this request itself has extended it.
 */
export function getSecondsLeft(
  req: Request,
  policy: LoginPolicy,
  { started_at, tokens }: PortalSession,
): SecondsLeft {
  const { session } = getSessionHolder(req, policy);
  const lifeMs = getLoginState(req, policy)?.lifeMs;
  const endsWithBrowser = session && !getLoadedEntry(session) && session.cookie.originalMaxAge === null;
  const countSeconds = (until: number) => Math.max(0, Math.floor(until - policy.clock() / 1000));
  const absolute = countSeconds(started_at + policy.sessionAbsolute);
  const idle = lifeMs === undefined || endsWithBrowser ? undefined : Math.round(lifeMs / 1000);
  const token = tokens.expires_at === undefined ? undefined : countSeconds(tokens.expires_at);
  return omitUndefined({ idle, absolute, token });
}
