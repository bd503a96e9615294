import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
import type { Session } from "express-session";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { fromCallback } from "../util/from-callback.js";
import { getLoginState, getLoginStates } from "./attached-login.js";
import { isOfOtherPortalAuth, type LoginPolicy } from "./login-policy.js";
import type { LoginRecord, PortalSession } from "./login-record.js";
import type { LoginState } from "./login-state.js";
import type { EndedLogin, Logins } from "./logins.js";
import { getSessionHolder, getSessionHolders, type PortalAuthInstance } from "./session-holder.js";

const STILL_SIGNED_IN = "You are still signed in: signing out did not work. Please try again.";

/** The login of a session that was ended. */
export interface EndedRequestLogin {
  /**
   * The login as it was last stored. A refresh in another request may have stored newer tokens than this
   * request has loaded. If another request has ended the login, this is the login as it was loaded.
   */
  readonly login: PortalSession;
  /**
   * Whether this request has removed the login. It is false if another request did so at the same moment, and
   * that request calls the hook. Both may revoke the tokens (RFC 7009, section 2.2).
   */
  readonly isEndedHere: boolean;
}

/**
 * Ends the login and the session of this request in the store, and sets `req.session` to undefined. If the
 * request sent the session cookie, the response removes it.
 *
 * - A visitor's session is removed too.
 * - If the request has no session, or the login is one of another portalAuth(), nothing is done.
 * - If the login was removed and the application's store then fails, only a warning is logged.
 *
 * @returns the ended login, or undefined if nothing was done or the session had no readable login.
 * @throws PortalAuthError `session_store_failed` if the login, or the session of a visitor, could not be
 *   removed. The user may still be signed in, and the request is unchanged
 */
export async function endSessionOfRequest(
  req: Request,
  res: Response,
  policy: LoginPolicy,
): Promise<EndedRequestLogin | undefined> {
  const holder = getSessionHolder(req, policy);
  const current = getLoginState(req, policy);
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
 * Ends the login first, then the session. A session without its login gives no access, and the next request
 * empties it. If the application's store then fails to remove the session, the logout continues, because the
 * tokens of the login must be revoked.
 */
async function endLoginAndSession(
  holder: Request,
  { key, storage, record }: LoginState,
): Promise<EndedRequestLogin | undefined> {
  const { id } = holder.session;
  const ended = key === undefined ? undefined : await removeLogin(key, storage.logins, record);
  const isSessionRemoved = ended !== undefined && ended.key === key && storage.isOurStore;
  const destroy = () => fromCallback((done) => holder.sessionStore.destroy(id, done));
  if (!isSessionRemoved)
    await (ended ? destroy().catch((error) => storage.warn(wrapStoreFailure("destroy", error))) : destroy());
  const login = ended?.record ?? record;
  return login && { login, isEndedHere: ended !== undefined };
}

/** Removes the login, also if another request has given the session a new id meanwhile. */
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
 * Returns the login in the session of this request, even if it has expired since it was loaded.
 *
 * @returns undefined if there is no readable login, or if another portalAuth() started it
 */
export function getLoginEvenIfExpired(req: Request, policy: LoginPolicy): PortalSession | undefined {
  const record = getLoginState(req, policy)?.record;
  return record && !isOfOtherPortalAuth(record, policy) ? record : undefined;
}

/** Returns the name of the request cookie that holds this session id, if there is one. */
function findSessionCookieName(req: Request, id: string): string | undefined {
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  return cookies.find(([, value]) => value?.startsWith(`s:${id}.`))?.[0];
}

/**
 * Sets `req.session` to undefined if the request came without the cookie of this session. The response then
 * sets no session cookie, and the store is not changed. Otherwise nothing is done.
 *
 * A form post from another site comes without the Lax cookie. A new cookie in the response
 * would replace the one that the browser has.
 */
export function discardNewSession(req: Request, instance: PortalAuthInstance): void {
  const holder = getSessionHolder(req, instance);
  if (holder.session && findSessionCookieName(holder, holder.sessionID) === undefined) detachSession(holder);
}

/**
 * Removes all sessions from the request, so that the request does not count as activity. express-session then
 * neither extends a session nor sets a cookie when the response ends. `req.session` and `req.sessionID` are
 * undefined then. The stored sessions and logins stay.
 */
export function ignoreSessionActivity(req: Request): void {
  for (const state of getLoginStates(req)) state.release();
  for (const holder of getSessionHolders(req)) {
    detachSession(holder);
    // With a session id, `unset: "destroy"` would end the session.
    (holder as { sessionID: string | undefined }).sessionID = undefined;
  }
}

function detachSession(holder: Request): void {
  (holder as { session?: Session }).session = undefined as never;
}

/**
 * Removes sessions with these ids from the application's session store. Unknown ids are ignored. Never
 * rejects: failures are ignored, because a session without its login gives no access.
 */
export async function destroyAppSessions(
  req: Request,
  policy: LoginPolicy,
  ids: readonly string[],
): Promise<void> {
  const { sessionStore } = getSessionHolder(req, policy);
  await Promise.allSettled(ids.map((id) => fromCallback((done) => sessionStore.destroy(id, done))));
}
