import { randomBytes } from "node:crypto";
import type { Request } from "express";
import type { Session, SessionData } from "express-session";
import type { Authentication, Claims, TokenSet } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { generateSession } from "../store/generate-session.js";
import { addNewRecord } from "../store/loaded-entry.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { epochSeconds } from "../util/time.js";
import { getLoginState } from "./attached-login.js";
import { getUserListName } from "./login-index.js";
import { isOfOtherPortalAuth, isOfSameClient, type LoginPolicy } from "./login-policy.js";
import { type LoginRecord, type PortalSession, shortenUserAgent } from "./login-record.js";
import { createReference, readDataOwner, writeReference } from "./login-reference.js";
import type { LoginState } from "./login-state.js";
import { getRecordKey, type LoginStorage } from "./login-storage.js";
import { FORM_KEY, type PendingForm } from "./pending-form.js";
import { findReservedKey, LOGIN_KEYS } from "./reserved-keys.js";
import { getSessionHolder } from "./session-holder.js";

type AnySession = Session & Partial<SessionData>;

export interface BeginSessionOptions {
  readonly policy: LoginPolicy;
  readonly tokens: TokenSet;
  readonly claims: Claims;
  readonly authentication: Authentication;
  /**
   * Returns the time since the token request, in milliseconds. A logout that came after the token request
   * ends this login.
   */
  readonly getRequestAgeMs: () => number;
  /** Additional session keys, from the onLogin hook. */
  readonly extra: Partial<SessionData>;
  /** Keys of the old session that are copied to the new one. */
  readonly keepKeys: readonly string[];
  /**
   * Whether all keys of the old session are copied, except those that onLogin has set. This needs a valid
   * login of the same user in the old session. Default false.
   */
  readonly shouldKeepAll?: boolean;
  /** A form that is sent after this login. */
  readonly form?: PendingForm | undefined;
  /** Called if the old session had a login of another user, after that login has ended. */
  readonly onReplaced: (login: PortalSession) => void;
}

/**
 * Starts a login: replaces the session of this request by one with a new id, and saves the session and its
 * login record. The old session and its login are removed from the store. A session id that an attacker
 * planted before the login is invalid then (session fixation).
 *
 * The session's data is copied only as the options say, and never to another user. express-session sets the
 * session cookie when the response ends.
 *
 * @returns the new session id
 * @throws PortalAuthError `login_ended` if the user or the provider has signed out since the token request,
 *   or `session_store_failed`. After both, the request has no session, and the new login is not stored
 * @throws PortalAuthError `session_missing` if the request has no session of express-session. Nothing is done
 *   then
 */
export async function beginSession(req: Request, options: BeginSessionOptions): Promise<string> {
  const { policy, claims } = options;
  const current = getLoginState(req, policy);
  const holder = getSessionHolder(req, policy);
  const oldSession = holder.session as AnySession | undefined;
  if (!current || typeof oldSession?.regenerate !== "function") throw new PortalAuthError("session_missing");
  const oldRecord = current.record;
  const isOtherUser = oldRecord
    ? !isOfSameUser(oldRecord, policy, claims)
    : hasDataOfOtherUser(oldSession, current, policy, claims);
  const copiedData = isOtherUser ? {} : pickKeys(oldSession, selectCopiedKeys(current, options, oldSession));
  try {
    await replaceSession(holder, current, oldRecord, isOtherUser ? options.onReplaced : () => {});
    Object.assign(holder.session, copiedData, createAddedData(options));
    const record = createRecord(req, holder, options, current.storage);
    await writeLogin(holder, current, record, options.getRequestAgeMs);
  } catch (cause) {
    // express-session saves `req.session` when the response ends. It must not save an incomplete session.
    (holder as { session?: unknown }).session = undefined;
    current.release(); // if the old login is still stored, it stays
    throw wrapStoreFailure("begin", cause);
  }
  return holder.sessionID;
}

const isOfSameUser = (oldRecord: LoginRecord, policy: LoginPolicy, claims: Claims): boolean =>
  isOfSameClient(oldRecord, policy) && oldRecord.claims.sub === claims.sub;

/**
 * Returns whether the old session may hold another user's data, although it has no readable login. Its login
 * cannot be decoded here, or has ended and has left the keys of keepSessionKeys.
 */
function hasDataOfOtherUser(
  oldSession: Session,
  current: LoginState,
  { issuer, clientId: client_id }: LoginPolicy,
  { sub }: Claims,
): boolean {
  const owner = readDataOwner(oldSession);
  if (owner !== undefined) return owner !== getUserListName({ issuer, client_id, sub });
  return current.getRefusal(current.storage.policy) === "unreadable";
}

/** Ends the login of the old session, if there is one, and replaces the session by a new one. */
async function replaceSession(
  holder: Request,
  { key, storage }: LoginState,
  oldRecord: LoginRecord | undefined,
  onReplaced: (login: PortalSession) => void,
): Promise<void> {
  // A record that cannot be decoded is undefined here, and is removed too.
  const isOurs = oldRecord === undefined || !isOfOtherPortalAuth(oldRecord, storage.policy);
  const ended = key !== undefined && isOurs ? await storage.logins.remove(key) : undefined;
  if (ended && storage.isOurStore) {
    // The session was removed with its login, so there is nothing left to destroy.
    generateSession(holder.sessionStore, holder);
  } else await fromCallback((done) => holder.session.regenerate(done));
  if (ended?.record) onReplaced(ended.record);
}

function createRecord(
  req: Request,
  { session, sessionID }: Request,
  options: BeginSessionOptions,
  { lifetime }: LoginStorage,
): LoginRecord {
  const { policy, tokens, claims, authentication } = options;
  const now = epochSeconds(policy.clock);
  const user_agent = shortenUserAgent(req.headers["user-agent"]);
  const record = {
    login_id: randomBytes(16).toString("base64url"),
    session_id: sessionID,
    issuer: policy.issuer,
    client_id: policy.clientId,
    redirect_uri: policy.redirectUri,
    tokens,
    claims,
    authentication,
    started_at: now,
    obtained_at: now,
    idle_ms: lifetime.getLifeMs(session),
    user_agent,
    version: 1,
  };
  // This is a copy, because the view of the login is frozen and a hook may have put its own objects into the
  // claims.
  return JSON.parse(JSON.stringify(record));
}

/**
 * Lists the login under its user, writes it, and then checks the notices of logouts. This order matters for a
 * logout at the same moment. Either the logout finds the login in the list, or the login finds the notice of
 * the logout.
 */
async function writeLogin(
  holder: Request,
  current: LoginState,
  record: LoginRecord,
  getRequestAgeMs: () => number,
): Promise<void> {
  const { storage } = current;
  const { logins } = storage;
  const key = getRecordKey(storage, holder.sessionID, record.login_id);
  await logins.addToIndex(key, record);
  const text = logins.encode(key, record);
  if (storage.isOurStore) addNewRecord(holder.session, text);
  else writeReference(holder.session, createReference(record, storage.portalAuthId));
  try {
    if (!storage.isOurStore) await logins.records.create(key, text, record.idle_ms);
    await fromCallback((done) => holder.session.save(done));
    const confirmed = await logins.confirm(key, record, getRequestAgeMs);
    if (!confirmed) throw new PortalAuthError("login_ended");
    current.adoptNewLogin(key, confirmed);
  } catch (error) {
    // No browser has the new session id yet. If the session cannot be removed, it is unusable anyway.
    await logins.remove(key).catch(() => {});
    if (!storage.isOurStore)
      await fromCallback((done) => holder.sessionStore.destroy(holder.sessionID, done)).catch(() => {});
    throw error;
  }
}

/**
 * Returns the keys of the old session that are copied. The caller has checked that the session is not another
 * user's. With `shouldKeepAll`, the keys that onLogin has set are not copied, because they may be outdated:
 * for example a role that the user has lost since.
 */
function selectCopiedKeys(
  current: LoginState,
  { keepKeys, shouldKeepAll = false, policy }: BeginSessionOptions,
  oldSession: object,
): readonly string[] {
  const isSignedIn = current.getView(policy) !== undefined;
  if (!shouldKeepAll || !isSignedIn) return keepKeys;
  const loginKeys = readLoginKeys(oldSession);
  const all = Object.keys(oldSession).filter((key) => canBeCopied(key) && !loginKeys.includes(key));
  return [...new Set([...all, ...keepKeys])];
}

/** A pending form belongs to the user, so its reserved key is copied too. */
const canBeCopied = (key: string): boolean => key === FORM_KEY || findReservedKey([key]) === undefined;

/** Returns the keys that the onLogin hook of the old login has set. */
function readLoginKeys(session: object): readonly unknown[] {
  const { [LOGIN_KEYS]: loginKeys } = session as { readonly [LOGIN_KEYS]?: unknown };
  return Array.isArray(loginKeys) ? loginKeys : [];
}

function pickKeys(session: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(session).filter(([key]) => keys.includes(key)));
}

function createAddedData({ extra, form }: BeginSessionOptions): object {
  const keys = Object.keys(extra);
  const added: Record<string, unknown> = { ...extra };
  if (keys.length > 0) added[LOGIN_KEYS] = keys;
  if (form) added[FORM_KEY] = form;
  return added;
}
