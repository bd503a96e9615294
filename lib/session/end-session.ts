import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
import type { Session } from "express-session";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { getRequestLogin, getRequestLogins } from "./attached-login.js";
import { isOfOtherPortalAuth, type LoginPolicy } from "./login-policy.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import type { EndedLogin, Logins } from "./logins.js";
import type { RequestLogin } from "./request-login.js";
import { getSessionHolder, getSessionHolders, type PortalAuthInstance } from "./session-holder.js";

const STILL_SIGNED_IN = "You are still signed in: signing out did not work. Please try again.";

/** The login of a session that was ended. */
export interface EndedRequestLogin {
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
export async function endSessionOfRequest(
  req: Request,
  res: Response,
  policy: LoginPolicy,
): Promise<EndedRequestLogin | undefined> {
  const holder = getSessionHolder(req, policy);
  const current = getRequestLogin(req, policy);
  const { session } = holder;
  if (!session || !current || current.getRefusal(policy) === "of_another_portal_auth") return undefined;
  const ended = await endLoginAndSession(holder, current).catch((error) => {
    throw wrapStoreFailure("destroy", error, STILL_SIGNED_IN);
  });
  current.forget();
  detachSession(holder);
  clearSessionCookie(holder, res, session);
  return ended;
}

/**
 * Ends the login first: without it, the session opens nothing, and the next request finds it empty. So the
 * logout goes on if the application's store fails then, as the tokens of the login must be revoked.
 */
async function endLoginAndSession(
  holder: Request,
  { key, storage, record }: RequestLogin,
): Promise<EndedRequestLogin | undefined> {
  const { id } = holder.session;
  const ended = key === undefined ? undefined : await removeLogin(key, storage.logins, record);
  const isSessionGone = ended !== undefined && ended.key === key && storage.isOurStore;
  const destroy = () => fromCallback((done) => holder.sessionStore.destroy(id, done));
  if (!isSessionGone)
    await (ended ? destroy().catch((error) => storage.warn(wrapStoreFailure("destroy", error))) : destroy());
  const login = ended?.record ?? record;
  return login && { login, isEndedHere: ended !== undefined };
}

/** Another request may have given the session a new id meanwhile. The user wants the login to end. */
const removeLogin = (
  key: string,
  logins: Logins,
  record: LoginRecord | undefined,
): Promise<EndedLogin | undefined> => (record ? logins.removeEvenIfMoved(key, record) : logins.remove(key));

function clearSessionCookie(req: Request, res: Response, { id, cookie }: Session): void {
  const name = findSessionCookieName(req, id);
  if (name === undefined) return;
  const { path = "/", domain, secure, httpOnly, sameSite } = cookie;
  res.clearCookie(name, { path, domain, secure: secure === true, httpOnly, sameSite } as CookieOptions);
}

/**
 * The login in the session of this request, whether or not it still counts. Another portalAuth()'s is not
 * returned.
 */
export function getLoginEvenIfExpired(req: Request, policy: LoginPolicy): PortalSession | undefined {
  const record = getRequestLogin(req, policy)?.record;
  return record && !isOfOtherPortalAuth(record, policy) ? record : undefined;
}

/** The name of the cookie by which the browser has named this session, if it has. */
function findSessionCookieName(req: Request, id: string): string | undefined {
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  return cookies.find(([, value]) => value?.startsWith(`s:${id}.`))?.[0];
}

/**
 * Removes a session that was made for this request, if the request came without a session cookie. Another
 * site has posted it, so the Lax cookie stayed away: a new cookie in the response would replace the one that
 * the browser has.
 */
export function discardNewSession(on: Request, instance: PortalAuthInstance): void {
  const req = getSessionHolder(on, instance);
  if (req.session && findSessionCookieName(req, req.sessionID) === undefined) detachSession(req);
}

/**
 * Keeps this request from counting as a use of any session. express-session finds none when the response
 * ends, so it neither moves an end nor sets a cookie. `req.session` is gone then, as after a logout.
 */
export function ignoreSessionActivity(on: Request): void {
  for (const login of getRequestLogins(on)) login.release();
  for (const req of getSessionHolders(on)) {
    detachSession(req);
    (req as { sessionID: string | undefined }).sessionID = undefined; // otherwise `unset: "destroy"` would end the session
  }
}

function detachSession(req: Request): void {
  (req as { session?: Session }).session = undefined as never;
}

/** Ends the session of a login in the application's own store, as far as this process has that store. */
export async function destroyAppSessions(
  req: Request,
  policy: LoginPolicy,
  ids: readonly string[],
): Promise<void> {
  const { sessionStore } = getSessionHolder(req, policy);
  await Promise.allSettled(ids.map((id) => fromCallback((done) => sessionStore.destroy(id, done))));
}
