import { randomUUID } from "node:crypto";
import type { Request } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { storeFailed } from "../store/store-failed.js";
import { sha256 } from "../util/sha256.js";
import { loginOf } from "./attached-login.js";
import { destroySessions, lastLogin } from "./end-session.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import type { EndedLogin, EndedLogins, FoundLogin } from "./logins.js";
import type { Logout, LogoutByProvider } from "./logout-notices.js";
import type { RequestLogin } from "./request-login.js";
import { isForeign, type SessionRules } from "./session-rules.js";
import { providerSessionList, userList, userOf } from "./user-logins.js";

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
export interface EndedSessions {
  readonly ended: readonly EndedSession[];
  readonly failure?: PortalAuthError;
}

/** The id of a login where users see it. It stays the same if the session gets a new id. */
const publicId = ({ login_id }: LoginRecord): string => sha256(login_id).slice(0, 22);

/**
 * The sessions that the user of this request has with this portalAuth(). The one that was used last comes
 * first.
 */
export async function sessionsOf(on: Request, rules: SessionRules): Promise<UserSession[]> {
  const { place, key, record } = signedIn(on, rules);
  const isCurrent = ({ login_id }: LoginRecord) => login_id === record.login_id;
  const found = await during("list", () => place.logins.of(userList(userOf(record))));
  const sessions = found.flatMap(({ stored, login }) =>
    login && counts(login.record, rules)
      ? [shown(login.record, stored.lifeMs, isCurrent(login.record), rules)]
      : [],
  );
  if (!sessions.some(({ is_current }) => is_current)) {
    // The store has lost the list, which comes back as the sessions are used. Or the login has ended.
    const own = await during("list", () => place.logins.read(key));
    if (own) sessions.push(shown(record, own.stored.lifeMs, true, rules));
  }
  return sessions.sort((one, other) => other.last_seen_at - one.last_seen_at);
}

const counts = (record: LoginRecord, rules: SessionRules): boolean =>
  !isForeign(record, rules) && rules.clock() / 1000 < record.started_at + rules.sessionAbsolute;

/**
 * The life that is left tells when the session was last used, to within a minute: each use moves the end by
 * `idle_ms`.
 */
function shown(
  record: LoginRecord,
  lifeMs: number,
  is_current: boolean,
  { clock }: SessionRules,
): UserSession {
  const { started_at, idle_ms, user_agent } = record;
  const last_seen_at = Math.max(started_at, Math.floor((clock() - Math.max(0, idle_ms - lifeMs)) / 1000));
  return { id: publicId(record), started_at, last_seen_at, user_agent, is_current };
}

/**
 * Ends the other sessions of the user of this request, with this portalAuth(), and logins of the user that
 * are in progress. The session of the request itself stays, for the caller to end.
 */
export async function endOthers(on: Request, rules: SessionRules): Promise<EndedSessions> {
  const login = lastLogin(on, rules);
  const current = loginOf(on, rules);
  if (!login || !current) return { ended: [] };
  const { place, key } = current;
  const { redirectUri: redirect_uri } = rules;
  const isMeant = (found: FoundLogin) => found.key !== key && isOf(found, rules);
  const logout: Logout = { reason: "everywhere", redirect_uri, id: randomUUID() };
  return outcomeOf(on, current, [await place.logins.endAll(userList(userOf(login)), isMeant, logout)]);
}

/** A login that cannot be decoded may be this portalAuth()'s. The user wants it to end. */
const isOf = ({ login }: FoundLogin, rules: SessionRules): boolean =>
  !login || !isForeign(login.record, rules);

/** Ends another session of the user, by its id in sessionsOf(). */
export async function endOther(on: Request, rules: SessionRules, listed: string): Promise<EndedSession[]> {
  const current = signedIn(on, rules);
  const { logins } = current.place;
  return during("end", async () => {
    const found = await logins.of(userList(userOf(current.record)));
    const its = found.find(({ login }) => login && isListed(login.record, listed, rules));
    const ended =
      its?.login && its.key !== current.key ? await logins.endWherever(its.key, its.login.record) : undefined;
    return ended ? afterEnd(on, current, [ended]) : [];
  });
}

const isListed = (record: LoginRecord, id: string, rules: SessionRules): boolean =>
  publicId(record) === id && !isForeign(record, rules);

/** Whether this is the id of the session of the request. */
export const isCurrent = (on: Request, rules: SessionRules, id: string): boolean =>
  publicId(signedIn(on, rules).record) === id;

/** Whose sessions a provider wants to end. */
export interface ProviderLogout {
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
export async function endAsProviderSays(
  on: Request,
  rules: SessionRules & { readonly clockTolerance: number },
  { sub, sid, iat, reason }: ProviderLogout,
  onlyKnown = false,
): Promise<EndedSessions> {
  const current = loginOf(on, rules);
  if (!current) throw new PortalAuthError("session_missing");
  const { logins } = current.place;
  const { issuer, clientId: client_id, clockTolerance } = rules;
  const logout: LogoutByProvider = { reason, sid, iat, tolerance: clockTolerance };
  const lists =
    sub === undefined
      ? await during("end", () => usersOf(sid as string))
      : [userList({ issuer, client_id, sub })];
  const endAll = (list: string) => logins.endAll(list, (found) => isMeant(found, logout), logout);
  return outcomeOf(on, current, await Promise.all(lists.map(endAll)));

  async function usersOf(providerSid: string): Promise<readonly string[]> {
    const name = providerSessionList({ issuer, client_id }, providerSid);
    const known = await logins.lists.usersOf(name);
    if (known.length === 0 && onlyKnown) return [];
    await logins.notify(name, logout);
    return known.length > 0 ? known : logins.lists.usersOf(name); // a login that was listed before it could see the notice
  }
}

/**
 * A logout token can come late, and names its time by the provider's clock. A front-channel logout is for the logins that
 * are stored now: its time is of our own clock, which may be behind.
 */
function isMeant({ login }: FoundLogin, { reason, sid, iat, tolerance }: LogoutByProvider): boolean {
  const its = login?.record.authentication;
  const isOfSession = sid === undefined || its?.sid === undefined || its.sid === sid;
  const isLater = reason === "backchannel" && its?.iat !== undefined && its.iat > iat + tolerance;
  return isOfSession && !isLater;
}

async function outcomeOf(
  on: Request,
  current: RequestLogin,
  all: readonly EndedLogins[],
): Promise<EndedSessions> {
  const logins = all.flatMap(({ ended }) => ended);
  const ended = await afterEnd(on, current, logins);
  const failed = all.find(({ failure }) => failure !== undefined);
  return failed ? { ended, failure: storeFailed("end", failed.failure, NOT_ENDED) } : { ended };
}

/** Ends the sessions of these logins in the application's own store, too. */
async function afterEnd(
  on: Request,
  { place }: RequestLogin,
  ended: readonly EndedLogin[],
): Promise<EndedSession[]> {
  const ids = ended.flatMap(({ record }) => (record ? [record.session_id] : []));
  if (!place.isOurStore) await destroySessions(on, place.rules, ids);
  return ended.map(({ key, record }) => ({ id: key, login: record }));
}

type SignedIn = RequestLogin & { readonly key: string; readonly record: LoginRecord };

/** @throws PortalAuthError `login_required` */
function signedIn(on: Request, rules: SessionRules): SignedIn {
  const current = loginOf(on, rules);
  if (!current?.read(rules)) throw new PortalAuthError("login_required");
  return current as SignedIn;
}

const NOT_ENDED = "Signing out did not work for all of your sessions. Please try again.";

async function during<T>(doing: "list" | "end", work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw storeFailed(doing, cause, doing === "end" ? NOT_ENDED : undefined);
  }
}
