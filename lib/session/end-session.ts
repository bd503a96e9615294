import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
import type { Session } from "express-session";
import { storeFailed } from "../store/store-failed.js";
import { promised } from "../util/promised.js";
import { loginOf, loginsOf } from "./attached-login.js";
import { holderOf, holdersOf, type Instance } from "./holder.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import type { EndedLogin, Logins } from "./logins.js";
import type { RequestLogin } from "./request-login.js";
import { isForeign, type SessionRules } from "./session-rules.js";

const STILL_SIGNED_IN = "You are still signed in: signing out did not work. Please try again.";

/** The login of a session that was ended. */
export interface LogoutOutcome {
  /**
   * The login as it was stored last: a refresh elsewhere may have brought tokens that this request has never
   * seen. If another request has ended it, the login as it was loaded.
   */
  readonly login: PortalSession;
  /**
   * False if another request has ended the login at the same moment. That one calls the hook. To revoke the
   * tokens twice does no harm (RFC 7009, section 2.2).
   */
  readonly isEndedHere: boolean;
}

/**
 * Ends the login and the session of this request in the store, and removes the session cookie. The request
 * goes on without a session. A login that another portalAuth() began stays, and so does its session.
 *
 * @returns undefined if the session had no login
 * @throws PortalAuthError `session_store_failed`: the user may still be signed in
 */
export async function endSession(
  on: Request,
  res: Response,
  rules: SessionRules,
): Promise<LogoutOutcome | undefined> {
  const holder = holderOf(on, rules);
  const current = loginOf(on, rules);
  const { session } = holder;
  if (!session || !current || current.refusal(rules) === "of_another_portal_auth") return undefined;
  const ended = await endBoth(holder, current).catch((error) => {
    throw storeFailed("destroy", error, STILL_SIGNED_IN);
  });
  current.forget();
  removeSession(holder);
  clearCookie(holder, res, session);
  return ended;
}

/**
 * Ends the login first: without it, the session opens nothing, and the next request finds it empty. So the
 * logout goes on if the application's store fails then, as the tokens of the login must be revoked.
 */
async function endBoth(
  holder: Request,
  { key, place, record }: RequestLogin,
): Promise<LogoutOutcome | undefined> {
  const { id } = holder.session;
  const ended = key === undefined ? undefined : await endLogin(key, place.logins, record);
  const isGone = ended !== undefined && ended.key === key && place.isOurStore;
  const destroy = () => promised((done) => holder.sessionStore.destroy(id, done));
  if (!isGone)
    await (ended ? destroy().catch((error) => place.warn(storeFailed("destroy", error))) : destroy());
  const login = ended?.record ?? record;
  return login && { login, isEndedHere: ended !== undefined };
}

/** Another request may have given the session a new id meanwhile. The user wants the login to end. */
const endLogin = (
  key: string,
  logins: Logins,
  record: LoginRecord | undefined,
): Promise<EndedLogin | undefined> => (record ? logins.endWherever(key, record) : logins.end(key));

function clearCookie(req: Request, res: Response, { id, cookie }: Session): void {
  const name = cookieOf(req, id);
  if (name === undefined) return;
  const { path = "/", domain, secure, httpOnly, sameSite } = cookie;
  res.clearCookie(name, { path, domain, secure: secure === true, httpOnly, sameSite } as CookieOptions);
}

/**
 * The login in the session of this request, whether or not it still counts. Another portalAuth()'s is not
 * returned.
 */
export function lastLogin(on: Request, rules: SessionRules): PortalSession | undefined {
  const record = loginOf(on, rules)?.record;
  return record && !isForeign(record, rules) ? record : undefined;
}

/** The name of the cookie by which the browser has named this session, if it has. */
function cookieOf(req: Request, id: string): string | undefined {
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  return cookies.find(([, value]) => value?.startsWith(`s:${id}.`))?.[0];
}

/**
 * Removes a session that was made for this request, if the request came without a session cookie. Another
 * site has posted it, so the Lax cookie stayed away: a new cookie in the response would replace the one that
 * the browser has.
 */
export function dropNewSession(on: Request, instance: Instance): void {
  const req = holderOf(on, instance);
  if (req.session && cookieOf(req, req.sessionID) === undefined) removeSession(req);
}

/**
 * Keeps this request from counting as a use of any session. express-session finds none when the response
 * ends, so it neither moves an end nor sets a cookie. `req.session` is gone then, as after a logout.
 */
export function passUnnoticed(on: Request): void {
  for (const login of loginsOf(on)) login.release();
  for (const req of holdersOf(on)) {
    removeSession(req);
    (req as { sessionID: string | undefined }).sessionID = undefined; // otherwise `unset: "destroy"` would end the session
  }
}

function removeSession(req: Request): void {
  (req as { session?: Session }).session = undefined as never;
}

/** Ends the session of a login in the application's own store, as far as this process has that store. */
export async function destroySessions(
  on: Request,
  rules: SessionRules,
  ids: readonly string[],
): Promise<void> {
  const { sessionStore } = holderOf(on, rules);
  await Promise.allSettled(ids.map((id) => promised((done) => sessionStore.destroy(id, done))));
}
