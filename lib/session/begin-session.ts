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
import { getRequestLogin } from "./attached-login.js";
import { getUserListName } from "./login-index.js";
import { isOfOtherPortalAuth, isOfSameClient, type LoginPolicy } from "./login-policy.js";
import { type LoginRecord, type PortalSession, shortenUserAgent } from "./login-record.js";
import { createReference, readDataOwner, writeReference } from "./login-reference.js";
import { getRecordKey, type LoginStorage } from "./login-storage.js";
import { FORM_KEY, type PendingForm } from "./pending-form.js";
import type { RequestLogin } from "./request-login.js";
import { findReservedKey, LOGIN_KEYS } from "./reserved-keys.js";
import { getSessionHolder } from "./session-holder.js";

export interface BeginSessionOptions {
  readonly policy: LoginPolicy;
  readonly tokens: TokenSet;
  readonly claims: Claims;
  readonly authentication: Authentication;
  /**
   * Returns how long ago the provider was asked for the tokens, in milliseconds: a logout since then ends this
   * login.
   */
  readonly getRequestAgeMs: () => number;
  /** What else shall be in the new session: from the onLogin hook. */
  readonly extra: Partial<SessionData>;
  /** Keys of the old session that survive. */
  readonly keepKeys: readonly string[];
  /**
   * Whether all keys of the old session survive but those that onLogin has set, if its login counts and is
   * the same user's. Default false.
   */
  readonly shouldKeepAll?: boolean;
  /** A form that waits for this login. */
  readonly form?: PendingForm | undefined;
  /** Called with the login of another user that was in the old session, once that has ended. */
  readonly onReplaced: (login: PortalSession) => void;
}

/**
 * Begins a login in a session with a NEW id, so that an id that was planted before the login is worth nothing
 * (session fixation). The login is listed first, then written, and then looked for in the notices of logouts:
 * so a logout at the same moment finds the login, or the login finds the logout.
 *
 * @returns the new id
 * @throws PortalAuthError `login_ended`, `session_store_failed`, `session_missing`. The request has no
 *   session then
 */
export async function beginSession(req: Request, options: BeginSessionOptions): Promise<string> {
  const { policy, claims } = options;
  const current = getRequestLogin(req, policy);
  const holder = getSessionHolder(req, policy);
  const old = holder.session as (Session & Partial<SessionData>) | undefined;
  if (!current || typeof old?.regenerate !== "function") throw new PortalAuthError("session_missing");
  const former = current.record;
  const isOtherUser = former
    ? !isOfSameUser(former, policy, claims)
    : hasDataOfOtherUser(old, current, policy, claims);
  const survivors = isOtherUser ? {} : pickKeys(old, selectSurvivingKeys(current, options, old));
  try {
    await replaceSession(holder, current, former, isOtherUser ? options.onReplaced : () => {});
    Object.assign(holder.session, survivors, createAddedData(options));
    await writeLogin(
      holder,
      current,
      createRecord(req, holder, options, current.storage),
      options.getRequestAgeMs,
    );
  } catch (cause) {
    // express-session saves what is in req.session when the response ends. A half-made session must not
    // be there then.
    (holder as { session?: unknown }).session = undefined;
    current.release(); // a former login that is still stored stays
    throw wrapStoreFailure("begin", cause);
  }
  return holder.sessionID;
}

const isOfSameUser = (former: LoginRecord, policy: LoginPolicy, claims: Claims): boolean =>
  isOfSameClient(former, policy) && former.claims.sub === claims.sub;

/**
 * Whether the old session may hold another user's data: of a login that cannot be read here, or of one that
 * has ended and has left the keys of keepSessionKeys.
 */
function hasDataOfOtherUser(
  old: Session,
  current: RequestLogin,
  { issuer, clientId: client_id }: LoginPolicy,
  { sub }: Claims,
): boolean {
  const user = readDataOwner(old);
  if (user !== undefined) return user !== getUserListName({ issuer, client_id, sub });
  return current.getRefusal(current.storage.policy) === "unreadable";
}

/** Ends the login of the old session, if there is one, and puts a new session in its place. */
async function replaceSession(
  holder: Request,
  { key, storage }: RequestLogin,
  former: LoginRecord | undefined,
  onReplaced: (login: PortalSession) => void,
): Promise<void> {
  const isOurs = former === undefined || !isOfOtherPortalAuth(former, storage.policy); // undefined also if it cannot be decoded
  const ended = key !== undefined && isOurs ? await storage.logins.remove(key) : undefined;
  if (ended && storage.isOurStore) {
    // The session went with its login, so there is nothing left to destroy.
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
  return JSON.parse(JSON.stringify(record)); // what a hook has put into the claims stays the application's own
}

async function writeLogin(
  holder: Request,
  current: RequestLogin,
  record: LoginRecord,
  getRequestAgeMs: () => number,
): Promise<void> {
  const { storage } = current;
  const { logins } = storage;
  const key = getRecordKey(storage, holder.sessionID, record.login_id);
  await logins.addToIndex(key, record);
  const text = logins.encode(key, record);
  if (storage.isOurStore) addNewRecord(holder.session, text);
  else writeReference(holder.session, createReference(record, storage.tenant));
  try {
    if (!storage.isOurStore) await logins.records.create(key, text, record.idle_ms);
    await fromCallback((done) => holder.session.save(done));
    const confirmed = await logins.confirm(key, record, getRequestAgeMs);
    if (!confirmed) throw new PortalAuthError("login_ended");
    current.adoptNewLogin(key, confirmed);
  } catch (error) {
    // Nobody knows the new id, so a session that cannot be removed opens nothing.
    await logins.remove(key).catch(() => {});
    if (!storage.isOurStore)
      await fromCallback((done) => holder.sessionStore.destroy(holder.sessionID, done)).catch(() => {});
    throw error;
  }
}

/**
 * Returns the keys of the old session that survive. It is no session of another user. With `keepAll`, keys
 * that onLogin has set stay behind: they say what the provider said then, such as a role that the user may
 * have lost since.
 */
function selectSurvivingKeys(
  current: RequestLogin,
  { keepKeys: keep, shouldKeepAll: keepAll = false, policy }: BeginSessionOptions,
  old: object,
): readonly string[] {
  const isSignedIn = current.getView(policy) !== undefined;
  if (!keepAll || !isSignedIn) return keep;
  const loginKeys = readLoginKeys(old);
  const all = Object.keys(old).filter((key) => isApplicationKey(key) && !loginKeys.includes(key));
  return [...new Set([...all, ...keep])];
}

/** A form that waits belongs to the user, and goes along. */
const isApplicationKey = (key: string): boolean => key === FORM_KEY || findReservedKey([key]) === undefined;

function readLoginKeys(session: object): readonly unknown[] {
  const { [LOGIN_KEYS]: listed } = session as { readonly [LOGIN_KEYS]?: unknown };
  return Array.isArray(listed) ? listed : [];
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
