import type { Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import type { PortalSession } from "./login-record.js";
import { writeDataOwner } from "./login-reference.js";

/**
 * Shows the login in the session. Not enumerable, so that no copy of the session and no JSON contains it; not
 * writable, as a change would not be saved.
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
 * Removes what a visitor may have put there, for example by a request body that the application has merged
 * into its session.
 */
export function removePlantedView(session: Session & Partial<SessionData>): void {
  if (Object.prototype.propertyIsEnumerable.call(session, "portal")) removeView(session);
}

export function removeView(session: Session & Partial<SessionData>): void {
  delete (session as { portal?: unknown }).portal;
}

/**
 * Empties a session whose login has ended, under the same id. A new id would set a cookie, and a slow answer
 * could then replace the cookie of a login that has begun meanwhile. The kept keys are for the same user's
 * next login.
 */
export function clearEndedSession(
  session: Session & Partial<SessionData>,
  keep: readonly string[],
  user: string | undefined,
): void {
  removeView(session);
  const values = session as unknown as Record<string, unknown>;
  for (const key of Object.keys(session)) if (key !== "cookie" && !keep.includes(key)) delete values[key];
  if (user !== undefined && keep.some((key) => key in session)) writeDataOwner(session, user);
}

/**
 * Sends a response without the cookie of a session that was emptied, as long as the session keeps this id.
 * express-session sets the cookie of every changed session that expires, and that could replace the cookie of
 * a login that has begun meanwhile.
 */
export function omitSessionCookie(holder: Request, res: Response): void {
  const id = holder.sessionID;
  const { writeHead } = res;
  res.writeHead = function writeHeadWithoutCookie(this: Response, ...args: unknown[]) {
    const { session } = holder;
    const isSame = holder.sessionID === id;
    if (isSame) (holder as { session?: Session }).session = undefined as never; // then express-session sets no cookie
    try {
      return (writeHead as (...given: unknown[]) => Response).apply(this, args);
    } finally {
      if (isSame) holder.session = session;
    }
  } as Response["writeHead"];
}
