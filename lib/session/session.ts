import type { Request } from "express";
import type { Session, SessionData } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { entryOf } from "../store/loaded-entry.js";
import type { RecordStore } from "../store/records.js";
import { storeFailed } from "../store/store-failed.js";
import { promised } from "../util/promised.js";
import { loginOf } from "./attached-login.js";
import { holderOf, type Instance } from "./holder.js";
import { recordKey } from "./login-place.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import { readReference } from "./login-reference.js";
import type { ChangeLogin } from "./logins.js";
import type { Refusal, SessionRules } from "./session-rules.js";

export type { SessionRules } from "./session-rules.js";

/** Returns the login of this request, or undefined if no user is signed in. No I/O, no crypto. */
export const readSession = (req: Request, rules: SessionRules): PortalSession | undefined =>
  loginOf(req, rules)?.read(rules);

/**
 * Returns why the login in the session of this request does not count. Undefined if it counts, or without a
 * login.
 */
export const whyRefused = (req: Request, rules: SessionRules): Refusal | undefined =>
  loginOf(req, rules)?.refusal(rules);

/** The login of a request as the store keeps it. */
export interface StoredLogin {
  /** The key of the record. */
  readonly key: string;
  /** Reads, changes and writes the login: see Logins.update(). */
  update(change: ChangeLogin): Promise<LoginRecord | undefined>;
}

/** @throws PortalAuthError `session_missing` */
export function storedLogin(on: Request, rules: Instance): StoredLogin {
  const current = loginOf(on, rules);
  const key = current?.key;
  if (!current || key === undefined) throw new PortalAuthError("session_missing");
  const { logins } = current.place;
  return { key, update: (change) => logins.update(key, change) };
}

/** Lets the rest of this request see the login as it is stored now: undefined if it has ended. */
export function updateSession(
  on: Request,
  rules: Instance,
  key: string,
  record: LoginRecord | undefined,
): void {
  const current = loginOf(on, rules);
  if (current?.key !== key) return;
  if (record) current.renew(record);
  else current.forget();
}

/**
 * Lets this request answer with a session that another request of the same browser has begun: a double click
 * cancels the response that carried its cookie.
 *
 * @returns false if that session or its login is gone
 */
export async function joinSession(on: Request, rules: SessionRules, id: string): Promise<boolean> {
  const holder = holderOf(on, rules);
  const current = loginOf(on, rules);
  if (holder.sessionID === id) return true;
  if (!current) return false;
  const { place } = current;
  const store = holder.sessionStore;
  const stored = await promised<SessionData | null>((done) => store.get(id, done)).catch((error) => {
    throw storeFailed("read", error);
  });
  if (!stored) return false;
  const { originalMaxAge } = stored.cookie;
  const reference = place.isOurStore ? "" : readReference(stored as never)?.id;
  const found =
    reference === undefined ? undefined : await place.logins.read(recordKey(place, id, reference));
  const { login } = found ?? {};
  if (!found || !login || login.record.session_id !== id) return false;
  holder.sessionID = id;
  const joined = store.createSession(holder, stored);
  joined.cookie.maxAge = originalMaxAge as number; // this response carries the cookie, as the cancelled one would have
  current.join(found.key, login, found.stored.lifeMs);
  return true;
}

/**
 * Where the login of this request is kept.
 *
 * @throws PortalAuthError `session_missing`
 */
export function recordsOf(on: Request, instance: Instance): RecordStore {
  const current = loginOf(on, instance);
  if (!current) throw new PortalAuthError("session_missing");
  return current.place.logins.records;
}

/** The session that this portalAuth() keeps its logins in; undefined if it could not be loaded. */
export const sessionHere = (req: Request, instance: Instance): (Session & Partial<SessionData>) | undefined =>
  holderOf(req, instance).session;

/**
 * The id of the session of a login, or "" without a login: express-session gives a visitor a new id each
 * time.
 */
export function sessionId(on: Request, instance: Instance): string {
  const { session, sessionID } = holderOf(on, instance);
  return session && loginOf(on, instance)?.record ? sessionID : "";
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
export function secondsLeft(
  on: Request,
  rules: SessionRules,
  { started_at, tokens }: PortalSession,
): SecondsLeft {
  const { session } = holderOf(on, rules);
  const lifeMs = loginOf(on, rules)?.lifeMs;
  const endsWithBrowser = session && !entryOf(session) && session.cookie.originalMaxAge === null;
  const left = (epochSeconds: number) => Math.max(0, Math.floor(epochSeconds - rules.clock() / 1000));
  const absolute = left(started_at + rules.sessionAbsolute);
  return {
    ...(lifeMs !== undefined && !endsWithBrowser && { idle: Math.round(lifeMs / 1000) }),
    absolute,
    ...(tokens.expires_at !== undefined && { token: left(tokens.expires_at) }),
  };
}
