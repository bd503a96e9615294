import type { Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import type { PortalSession } from "./login-record.js";
import { writeDataOwner } from "./login-reference.js";

/**
 * Sets `req.session.portal` to a login. The member is not enumerable, so that copies and JSON of the session
 * omit it. It is not writable, because a change would not be saved.
 */
export function addView(session: Session, view: PortalSession): void {
  Object.defineProperty(session, "portal", {
    value: view,
    enumerable: false,
    writable: false,
    configurable: true,
  });
}

/**
 * Removes `req.session.portal` from a loaded session if addView() has not set it. An attacker could set it,
 * for example with a request body that the application merges into its session.
 */
export function removePlantedView(session: Session & Partial<SessionData>): void {
  if (Object.prototype.propertyIsEnumerable.call(session, "portal")) removeView(session);
}

/** Removes `req.session.portal`. Does nothing if it is not set. */
export function removeView(session: Session & Partial<SessionData>): void {
  delete (session as { portal?: unknown }).portal;
}

/**
 * Removes the data of a session whose login has ended, except `cookie` and `keepKeys`. The session keeps its
 * id: with a new id, a slow response could replace the cookie of a later login. The session is not saved
 * here.
 *
 * If one of `keepKeys` stays, its owner is written to `portal_kept_for`. The next login gets the data only if
 * it is of the same user.
 *
 * @param keepKeys the keys that stay
 * @param user the owner of the data: see getUserListName(). Without it, no owner is written
 */
export function clearEndedSession(
  session: Session & Partial<SessionData>,
  keepKeys: readonly string[],
  user: string | undefined,
): void {
  removeView(session);
  const values = session as unknown as Record<string, unknown>;
  for (const key of Object.keys(session)) if (key !== "cookie" && !keepKeys.includes(key)) delete values[key];
  if (user !== undefined && keepKeys.some((key) => key in session)) writeDataOwner(session, user);
}

/**
 * Omits the session cookie from a response, because its session was emptied. If the request gets a new
 * session id meanwhile, the response sets the cookie as usual.
 *
 * Otherwise express-session would set the cookie, because the session has changed. A slow response could then
 * replace the cookie of a login that has started meanwhile.
 */
export function omitSessionCookie(holder: Request, res: Response): void {
  const id = holder.sessionID;
  const { writeHead } = res;
  res.writeHead = function writeHeadWithoutCookie(this: Response, ...args: unknown[]) {
    const { session } = holder;
    const isSame = holder.sessionID === id;
    // Without a session, express-session sets no cookie.
    if (isSame) (holder as { session?: Session }).session = undefined as never;
    try {
      return (writeHead as (...args: unknown[]) => Response).apply(this, args);
    } finally {
      if (isSame) holder.session = session;
    }
  } as Response["writeHead"];
}
