import { randomUUID } from "node:crypto";
import type { Request } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { sha256 } from "../util/sha256.js";
import { getRequestLogin } from "./attached-login.js";
import { destroyAppSessions, getLoginEvenIfExpired } from "./end-session.js";
import { getProviderSessionListName, getUser, getUserListName } from "./login-index.js";
import { isOfOtherPortalAuth, type LoginPolicy } from "./login-policy.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import type { EndedLogin, EndLoginsResult, LoadedLogin } from "./logins.js";
import type { Logout, LogoutByProvider } from "./logout-notices.js";
import type { RequestLogin } from "./request-login.js";

/** One of a user's sessions, as the user may see it. */
export interface UserSession {
  readonly id: string;
  readonly started_at: number;
  readonly last_seen_at: number;
  readonly user_agent: string | undefined;
  readonly is_current: boolean;
}

/** A session that was ended, and its login as it was stored last. */
export interface EndedSession {
  readonly id: string;
  /** Undefined if the record could not be decoded. */
  readonly login: PortalSession | undefined;
}

/** The sessions that a logout has ended. `failure` says why others may still be there. */
export interface EndSessionsResult {
  readonly ended: readonly EndedSession[];
  readonly failure?: PortalAuthError;
}

/** The id of a login where users see it. It stays the same if the session gets a new id. */
const createPublicId = ({ login_id }: LoginRecord): string => sha256(login_id).slice(0, 22);

/**
 * The sessions that the user of this request has with this portalAuth(). The one that was used last comes
 * first.
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
    // The store has lost the list, which comes back as the sessions are used. Or the login has ended.
    const own = await wrapFailure("list", () => storage.logins.read(key));
    if (own) sessions.push(toUserSession(record, own.stored.lifeMs, true, policy));
  }
  return sessions.sort((one, other) => other.last_seen_at - one.last_seen_at);
}

const isLoginValid = (record: LoginRecord, policy: LoginPolicy): boolean =>
  !isOfOtherPortalAuth(record, policy) && policy.clock() / 1000 < record.started_at + policy.sessionAbsolute;

/**
 * The life that is left tells when the session was last used, to within a minute: each use moves the end by
 * `idle_ms`.
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
 * Ends the other sessions of the user of this request, with this portalAuth(), and logins of the user that
 * are in progress. The session of the request itself stays, for the caller to end.
 */
export async function endOtherSessionsOfUser(req: Request, policy: LoginPolicy): Promise<EndSessionsResult> {
  const login = getLoginEvenIfExpired(req, policy);
  const current = getRequestLogin(req, policy);
  if (!login || !current) return { ended: [] };
  const { storage, key } = current;
  const { redirectUri: redirect_uri } = policy;
  const isAffectedLogin = (found: LoadedLogin) => found.key !== key && canBeOfPortalAuth(found, policy);
  const logout: Logout = { reason: "everywhere", redirect_uri, id: randomUUID() };
  return toEndSessionsResult(req, current, [
    await storage.logins.removeByUser(getUserListName(getUser(login)), isAffectedLogin, logout),
  ]);
}

/** A login that cannot be decoded may be this portalAuth()'s. The user wants it to end. */
const canBeOfPortalAuth = ({ login }: LoadedLogin, policy: LoginPolicy): boolean =>
  !login || !isOfOtherPortalAuth(login.record, policy);

/** Ends another session of the user, by its id in sessionsOf(). */
export async function endSessionOfUser(
  req: Request,
  policy: LoginPolicy,
  listed: string,
): Promise<EndedSession[]> {
  const current = requireLogin(req, policy);
  const { logins } = current.storage;
  return wrapFailure("end", async () => {
    const found = await logins.listByUser(getUserListName(getUser(current.record)));
    const target = found.find(({ login }) => login && hasPublicId(login.record, listed, policy));
    const ended =
      target?.login && target.key !== current.key
        ? await logins.removeEvenIfMoved(target.key, target.login.record)
        : undefined;
    return ended ? endAppSessions(req, current, [ended]) : [];
  });
}

const hasPublicId = (record: LoginRecord, id: string, policy: LoginPolicy): boolean =>
  createPublicId(record) === id && !isOfOtherPortalAuth(record, policy);

/** Whether this is the id of the session of the request. */
export const isCurrentSession = (req: Request, policy: LoginPolicy, id: string): boolean =>
  createPublicId(requireLogin(req, policy).record) === id;

/** Whose sessions a provider wants to end. */
export interface ProviderLogoutRequest {
  readonly sub?: string | undefined;
  readonly sid?: string | undefined;
  /** When it said so, in epoch seconds: a login that it has told of later is another. */
  readonly iat: number;
  readonly reason: LogoutByProvider["reason"];
}

/**
 * Ends the sessions that the provider means, whichever redirect URI of the client began them. A login that
 * does not say which of the provider's sessions it belongs to ends, too: it may be the one that is meant.
 *
 * @param onlyKnown for a request that anybody can send: nothing is written for a session that is not known
 *   here
 */
export async function endSessionsForProvider(
  req: Request,
  rules: LoginPolicy & { readonly clockTolerance: number },
  { sub, sid, iat, reason }: ProviderLogoutRequest,
  isOnlyForKnownSessions = false,
): Promise<EndSessionsResult> {
  const current = getRequestLogin(req, rules);
  if (!current) throw new PortalAuthError("session_missing");
  const { logins } = current.storage;
  const { issuer, clientId: client_id, clockTolerance } = rules;
  const logout: LogoutByProvider = { reason, sid, iat, tolerance: clockTolerance };
  const lists =
    sub === undefined
      ? await wrapFailure("end", () => usersOf(sid as string))
      : [getUserListName({ issuer, client_id, sub })];
  const endAll = (list: string) => logins.removeByUser(list, (found) => isAffected(found, logout), logout);
  return toEndSessionsResult(req, current, await Promise.all(lists.map(endAll)));

  async function usersOf(providerSid: string): Promise<readonly string[]> {
    const name = getProviderSessionListName({ issuer, client_id }, providerSid);
    const known = await logins.index.listUsers(name);
    if (known.length === 0 && isOnlyForKnownSessions) return [];
    await logins.addNotice(name, logout);
    return known.length > 0 ? known : logins.index.listUsers(name); // a login that was listed before it could see the notice
  }
}

/**
 * A logout token can come late, and names its time by the provider's clock. A front-channel logout is for the logins that
 * are stored now: its time is of our own clock, which may be behind.
 */
function isAffected({ login }: LoadedLogin, { reason, sid, iat, tolerance }: LogoutByProvider): boolean {
  const target = login?.record.authentication;
  const isOfSession = sid === undefined || target?.sid === undefined || target.sid === sid;
  const isLater = reason === "backchannel" && target?.iat !== undefined && target.iat > iat + tolerance;
  return isOfSession && !isLater;
}

async function toEndSessionsResult(
  req: Request,
  current: RequestLogin,
  all: readonly EndLoginsResult[],
): Promise<EndSessionsResult> {
  const logins = all.flatMap(({ ended }) => ended);
  const ended = await endAppSessions(req, current, logins);
  const failed = all.find(({ failure }) => failure !== undefined);
  return failed ? { ended, failure: wrapStoreFailure("end", failed.failure, NOT_ENDED_SENTENCE) } : { ended };
}

/** Ends the sessions of these logins in the application's own store, too. */
async function endAppSessions(
  req: Request,
  { storage }: RequestLogin,
  ended: readonly EndedLogin[],
): Promise<EndedSession[]> {
  const ids = ended.flatMap(({ record }) => (record ? [record.session_id] : []));
  if (!storage.isOurStore) await destroyAppSessions(req, storage.policy, ids);
  return ended.map(({ key, record }) => ({ id: key, login: record }));
}

type SignedInLogin = RequestLogin & { readonly key: string; readonly record: LoginRecord };

/** @throws PortalAuthError `login_required` */
function requireLogin(req: Request, policy: LoginPolicy): SignedInLogin {
  const current = getRequestLogin(req, policy);
  if (!current?.getView(policy)) throw new PortalAuthError("login_required");
  return current as SignedInLogin;
}

const NOT_ENDED_SENTENCE = "Signing out did not work for all of your sessions. Please try again.";

async function wrapFailure<T>(doing: "list" | "end", work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw wrapStoreFailure(doing, cause, doing === "end" ? NOT_ENDED_SENTENCE : undefined);
  }
}
