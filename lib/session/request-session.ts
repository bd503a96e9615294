import type { Request } from "express";
import type { Session, SessionData } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getLoadedEntry } from "../store/loaded-entry.js";
import type { RecordStore } from "../store/record-store.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { getRequestLogin } from "./attached-login.js";
import type { LoginPolicy, LoginRefusal } from "./login-policy.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import { readReference } from "./login-reference.js";
import { getRecordKey } from "./login-storage.js";
import type { ChangeLogin } from "./logins.js";
import { getSessionHolder, type PortalAuthInstance } from "./session-holder.js";

export type { LoginPolicy } from "./login-policy.js";

/** Returns the login of this request, or undefined if no user is signed in. No I/O, no crypto. */
export const readSession = (req: Request, policy: LoginPolicy): PortalSession | undefined =>
  getRequestLogin(req, policy)?.getView(policy);

/**
 * Returns why the login in the session of this request does not count. Undefined if it counts, or without a
 * login.
 */
export const findSessionRefusal = (req: Request, policy: LoginPolicy): LoginRefusal | undefined =>
  getRequestLogin(req, policy)?.getRefusal(policy);

/** The login of a request as the store keeps it. */
export interface LoginHandle {
  /** The key of the record. */
  readonly key: string;
  /** Reads, changes and writes the login: see Logins.update(). */
  update(change: ChangeLogin): Promise<LoginRecord | undefined>;
}

/** @throws PortalAuthError `session_missing` */
export function getLoginHandle(req: Request, rules: PortalAuthInstance): LoginHandle {
  const current = getRequestLogin(req, rules);
  const key = current?.key;
  if (!current || key === undefined) throw new PortalAuthError("session_missing");
  const { logins } = current.storage;
  return { key, update: (change) => logins.update(key, change) };
}

/** Lets the rest of this request see the login as it is stored now: undefined if it has ended. */
export function updateRequestLogin(
  req: Request,
  rules: PortalAuthInstance,
  key: string,
  record: LoginRecord | undefined,
): void {
  const current = getRequestLogin(req, rules);
  if (current?.key !== key) return;
  if (record) current.updateRecord(record);
  else current.forget();
}

/**
 * Lets this request answer with a session that another request of the same browser has begun: a double click
 * cancels the response that carried its cookie.
 *
 * @returns false if that session or its login is gone
 */
export async function adoptSession(req: Request, policy: LoginPolicy, id: string): Promise<boolean> {
  const holder = getSessionHolder(req, policy);
  const current = getRequestLogin(req, policy);
  if (holder.sessionID === id) return true;
  if (!current) return false;
  const { storage } = current;
  const store = holder.sessionStore;
  const stored = await fromCallback<SessionData | null>((done) => store.get(id, done)).catch((error) => {
    throw wrapStoreFailure("read", error);
  });
  if (!stored) return false;
  const { originalMaxAge } = stored.cookie;
  const reference = storage.isOurStore ? "" : readReference(stored as never)?.id;
  const found =
    reference === undefined ? undefined : await storage.logins.read(getRecordKey(storage, id, reference));
  const { login } = found ?? {};
  if (!found || !login || login.record.session_id !== id) return false;
  holder.sessionID = id;
  const joined = store.createSession(holder, stored);
  joined.cookie.maxAge = originalMaxAge as number; // this response carries the cookie, as the cancelled one would have
  current.adoptLogin(found.key, login, found.stored.lifeMs);
  return true;
}

/**
 * Where the login of this request is kept.
 *
 * @throws PortalAuthError `session_missing`
 */
export function getRecords(req: Request, instance: PortalAuthInstance): RecordStore {
  const current = getRequestLogin(req, instance);
  if (!current) throw new PortalAuthError("session_missing");
  return current.storage.logins.records;
}

/** The session that this portalAuth() keeps its logins in; undefined if it could not be loaded. */
export const getExpressSession = (
  req: Request,
  instance: PortalAuthInstance,
): (Session & Partial<SessionData>) | undefined => getSessionHolder(req, instance).session;

/**
 * The id of the session of a login, or "" without a login: express-session gives a visitor a new id each
 * time.
 */
export function getSessionId(req: Request, instance: PortalAuthInstance): string {
  const { session, sessionID } = getSessionHolder(req, instance);
  return session && getRequestLogin(req, instance)?.record ? sessionID : "";
}

/** How long a login goes on, in whole seconds. Unknown values are omitted. */
export interface SecondsLeft {
  /**
   * Until the login ends without another request. Unknown for an application's session that ends with the
   * browser.
   */
  readonly idle?: number;
  /** Until the login ends, whatever the user does. */
  readonly absolute: number;
  /** Of the access token, which a refresh renews. Unknown if the provider did not say. */
  readonly token?: number;
}

/**
 * Returns what was left when this request came: what it has done since to keep its session alive does not
 * count.
 */
export function getSecondsLeft(
  req: Request,
  policy: LoginPolicy,
  { started_at, tokens }: PortalSession,
): SecondsLeft {
  const { session } = getSessionHolder(req, policy);
  const lifeMs = getRequestLogin(req, policy)?.lifeMs;
  const endsWithBrowser = session && !getLoadedEntry(session) && session.cookie.originalMaxAge === null;
  const left = (epochSeconds: number) => Math.max(0, Math.floor(epochSeconds - policy.clock() / 1000));
  const absolute = left(started_at + policy.sessionAbsolute);
  return {
    ...(lifeMs !== undefined && !endsWithBrowser && { idle: Math.round(lifeMs / 1000) }),
    absolute,
    ...(tokens.expires_at !== undefined && { token: left(tokens.expires_at) }),
  };
}
