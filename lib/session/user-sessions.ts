import { randomUUID } from "node:crypto";
import type { Request } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { sha256 } from "../util/sha256.js";
import { getLoginState } from "./attached-login.js";
import { destroyAppSessions, getLoginEvenIfExpired } from "./end-session.js";
import { getProviderSessionListName, getUser, getUserListName } from "./login-index.js";
import { isOfOtherPortalAuth, type LoginPolicy } from "./login-policy.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import type { LoginState } from "./login-state.js";
import type { EndedLogin, EndLoginsResult, LoadedLogin, Logins } from "./logins.js";
import type { Logout, LogoutByProvider } from "./logout-notices.js";

const NOT_ENDED_SENTENCE = "Signing out did not work for all of your sessions. Please try again.";

/** One of a user's sessions, as it is shown to the user. */
export interface UserSession {
  /** Identifies the session to its user. It is not the session id, and is not a secret. */
  readonly id: string;
  /** When the user signed in, in epoch seconds. */
  readonly started_at: number;
  /** When the session was last used, in epoch seconds, accurate to a minute. */
  readonly last_seen_at: number;
  readonly user_agent: string | undefined;
  readonly is_current: boolean;
}

/** A session that was ended, and its login as it was last stored. */
export interface EndedSession {
  /** The key of the login's record in the store. */
  readonly id: string;
  /** Undefined if the record could not be decoded. */
  readonly login: PortalSession | undefined;
}

/** The sessions that a logout has ended. If there is a `failure`, other sessions may still be stored. */
export interface EndSessionsResult {
  readonly ended: readonly EndedSession[];
  readonly failure?: PortalAuthError;
}

/** Returns the id of a session that is shown to its user. It stays the same if the session gets a new id. */
const createPublicId = ({ login_id }: LoginRecord): string => sha256(login_id).slice(0, 22);

/**
 * Returns the sessions that the user of this request has at this portalAuth(), most recently used first.
 * Logins that are expired, unreadable or of another portalAuth() are omitted. If the list in the store has
 * lost the session of this request, it is added.
 *
 * @throws PortalAuthError `login_required` if no user is signed in, or `session_store_failed`
 */
export async function listUserSessions(req: Request, policy: LoginPolicy): Promise<UserSession[]> {
  const { storage, key, record } = requireLogin(req, policy);
  const isCurrent = ({ login_id }: LoginRecord) => login_id === record.login_id;
  const found = await wrapFailure("list", () => storage.logins.listByUser(getUserListName(getUser(record))));
  const sessions = found.flatMap(({ stored, login }) =>
    login && isLoginValid(login.record, policy)
      ? [toUserSession(login.record, stored.lifeMs, isCurrent(login.record), policy)]
      : [],
  );
  if (!sessions.some(({ is_current }) => is_current)) {
    // The login has ended, or the store has lost the list. In use, sessions are listed again.
    const own = await wrapFailure("list", () => storage.logins.read(key));
    if (own) sessions.push(toUserSession(record, own.stored.lifeMs, true, policy));
  }
  return sessions.sort((first, second) => second.last_seen_at - first.last_seen_at);
}

const isLoginValid = (record: LoginRecord, policy: LoginPolicy): boolean =>
  !isOfOtherPortalAuth(record, policy) && policy.clock() / 1000 < record.started_at + policy.sessionAbsolute;

/**
 * Describes a session for its user. The remaining lifetime shows when the session was last used, accurate to
 * a minute, because each use sets it to `idle_ms`.
 */
function toUserSession(
  record: LoginRecord,
  lifeMs: number,
  is_current: boolean,
  { clock }: LoginPolicy,
): UserSession {
  const { started_at, idle_ms, user_agent } = record;
  const last_seen_at = Math.max(started_at, Math.floor((clock() - Math.max(0, idle_ms - lifeMs)) / 1000));
  return { id: createPublicId(record), started_at, last_seen_at, user_agent, is_current };
}

/**
 * Ends the other sessions of the user of this request at this portalAuth(), and the user's logins in
 * progress. The session of the request itself stays: the caller must end it. Does nothing if the request has
 * no readable login, or one of another portalAuth().
 *
 * Logins that cannot be decoded end too. If the request's own login has expired, the others still end.
 *
 * @returns the sessions that were ended. If the store fails to list or to remove logins, the result also
 *   contains its failure. If it fails to save the notice for logins in progress, that is only logged
 */
export async function endOtherSessionsOfUser(req: Request, policy: LoginPolicy): Promise<EndSessionsResult> {
  const login = getLoginEvenIfExpired(req, policy);
  const current = getLoginState(req, policy);
  if (!login || !current) return { ended: [] };
  const { storage, key } = current;
  const { redirectUri: redirect_uri } = policy;
  const isOther = (found: LoadedLogin) => found.key !== key && canBeOfPortalAuth(found, policy);
  const logout: Logout = { reason: "everywhere", redirect_uri, id: randomUUID() };
  const result = await storage.logins.removeByUser(getUserListName(getUser(login)), isOther, logout);
  return toEndSessionsResult(req, current, [result]);
}

/** An unreadable login may belong to this portalAuth(). It ends too, because the user signs out. */
const canBeOfPortalAuth = ({ login }: LoadedLogin, policy: LoginPolicy): boolean =>
  !login || !isOfOtherPortalAuth(login.record, policy);

/**
 * Ends another session of the user of this request. The session of the request itself is not ended.
 *
 * @param publicId the `id` of the session in listUserSessions()
 * @returns the ended session. Empty if no other session has this id, or if another request has ended it.
 * @throws PortalAuthError `login_required` if no user is signed in, or `session_store_failed` if the session
 *   may still be stored
 */
export async function endSessionOfUser(
  req: Request,
  policy: LoginPolicy,
  publicId: string,
): Promise<EndedSession[]> {
  const current = requireLogin(req, policy);
  const { logins } = current.storage;
  return wrapFailure("end", async () => {
    const found = await logins.listByUser(getUserListName(getUser(current.record)));
    const target = found.find(({ login }) => login && hasPublicId(login.record, publicId, policy));
    const ended =
      target?.login && target.key !== current.key
        ? await logins.removeEvenIfMoved(target.key, target.login.record)
        : undefined;
    return ended ? endAppSessions(req, current, [ended]) : [];
  });
}

const hasPublicId = (record: LoginRecord, id: string, policy: LoginPolicy): boolean =>
  createPublicId(record) === id && !isOfOtherPortalAuth(record, policy);

/**
 * Returns whether this is the `id` of the request's own session in listUserSessions().
 *
 * @throws PortalAuthError `login_required` if no user is signed in
 */
export const isCurrentSession = (req: Request, policy: LoginPolicy, id: string): boolean =>
  createPublicId(requireLogin(req, policy).record) === id;

/** The user or the session at the provider whose logins the provider has requested to end. */
export interface ProviderLogoutRequest {
  readonly sub?: string | undefined;
  /** Required if there is no `sub`. */
  readonly sid?: string | undefined;
  /** The time of the request, in epoch seconds. Logins with a later ID token do not end. */
  readonly iat: number;
  readonly reason: LogoutByProvider["reason"];
}

/**
 * Ends the sessions of a user, or of a session at the provider, because the provider has requested it. The
 * redirect URI that started a login does not matter. A login without a `sid` ends too, because it may belong
 * to the session that the provider means.
 *
 * Also writes a notice, which ends the logins in progress. If the notice cannot be written, a warning is
 * logged. A failure to remove a login is in the result, with the sessions that were ended.
 *
 * @param isOnlyForKnownSessions whether nothing is written for an unknown `sid`. Required for a request
 *   without authentication, because an attacker could fill the store.
 * @returns an empty list of ended sessions if no login is affected.
 * @throws PortalAuthError `session_missing` if the request has no session of express-session, or
 *   `session_store_failed` if the users of the `sid` cannot be read
 */
export async function endSessionsForProvider(
  req: Request,
  policy: LoginPolicy & { readonly clockTolerance: number },
  { sub, sid, iat, reason }: ProviderLogoutRequest,
  isOnlyForKnownSessions = false,
): Promise<EndSessionsResult> {
  const current = getLoginState(req, policy);
  if (!current) throw new PortalAuthError("session_missing");
  const { logins } = current.storage;
  const { issuer, clientId: client_id, clockTolerance } = policy;
  const logout: LogoutByProvider = { reason, sid, iat, tolerance: clockTolerance };
  const findUsers = () => {
    const name = getProviderSessionListName({ issuer, client_id }, sid as string);
    return findUsersOfProviderSession(logins, name, logout, isOnlyForKnownSessions);
  };
  const lists =
    sub === undefined ? await wrapFailure("end", findUsers) : [getUserListName({ issuer, client_id, sub })];
  const endAll = (list: string) => logins.removeByUser(list, (found) => isAffected(found, logout), logout);
  return toEndSessionsResult(req, current, await Promise.all(lists.map(endAll)));
}

/** Leaves a notice for a session at the provider, and returns the names of the lists of its users. */
async function findUsersOfProviderSession(
  logins: Logins,
  name: string,
  logout: LogoutByProvider,
  isOnlyForKnownSessions: boolean,
): Promise<readonly string[]> {
  const known = await logins.index.listUsers(name);
  if (known.length === 0 && isOnlyForKnownSessions) return [];
  await logins.addNotice(name, logout);
  if (known.length > 0) return known;
  // A login may have been listed meanwhile, but too early to find the notice.
  return logins.index.listUsers(name);
}

/**
 * Returns whether a logout of the provider ends a login. A logout token can arrive late, so logins with a
 * later ID token stay. A front-channel logout ends all stored logins: its time is that of our own clock,
 * which may be behind the provider's.
 */
function isAffected({ login }: LoadedLogin, { reason, sid, iat, tolerance }: LogoutByProvider): boolean {
  const target = login?.record.authentication;
  const isOfSession = sid === undefined || target?.sid === undefined || target.sid === sid;
  const isLater = reason === "backchannel" && target?.iat !== undefined && target.iat > iat + tolerance;
  return isOfSession && !isLater;
}

async function toEndSessionsResult(
  req: Request,
  current: LoginState,
  all: readonly EndLoginsResult[],
): Promise<EndSessionsResult> {
  const logins = all.flatMap(({ ended }) => ended);
  const ended = await endAppSessions(req, current, logins);
  const failed = all.find(({ failure }) => failure !== undefined);
  return failed ? { ended, failure: wrapStoreFailure("end", failed.failure, NOT_ENDED_SENTENCE) } : { ended };
}

/** Removes the sessions of these logins from the application's store, too. */
async function endAppSessions(
  req: Request,
  { storage }: LoginState,
  ended: readonly EndedLogin[],
): Promise<EndedSession[]> {
  const ids = ended.flatMap(({ record }) => (record ? [record.session_id] : []));
  if (!storage.isOurStore) await destroyAppSessions(req, storage.policy, ids);
  return ended.map(({ key, record }) => ({ id: key, login: record }));
}

type SignedInState = LoginState & { readonly key: string; readonly record: LoginRecord };

/** Returns the login state of the request, or throws `login_required` if no user is signed in. */
function requireLogin(req: Request, policy: LoginPolicy): SignedInState {
  const current = getLoginState(req, policy);
  if (!current?.getView(policy)) throw new PortalAuthError("login_required");
  return current as SignedInState;
}

async function wrapFailure<T>(operation: "list" | "end", work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw wrapStoreFailure(operation, cause, operation === "end" ? NOT_ENDED_SENTENCE : undefined);
  }
}
