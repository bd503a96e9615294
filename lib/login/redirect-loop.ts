import { parseCookie } from "cookie";
import type { Request } from "express";
import { isUserActivated } from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { findSessionRefusal, readSession } from "../session/request-session.js";
import { isSameSiteStrict } from "../session/session-cookie.js";

/**
 * After the callback, a browser immediately loads the next page. A session that was not saved is missing
 * there.
 */
const LOOP_WINDOW_MS = 10_000;
/**
 * Not one: a logout at the provider may have ended the session of the first login. LoginAttempts counts the
 * logins in a row: each one finished at most a minute after the one before.
 */
const MAX_AUTOMATIC_LOGINS = 2;
/** The limit for logins that a user starts by clicks on a page of this site. */
const MAX_CLICKED_LOGINS = 4;

/**
 * Rejects a login that would be part of a redirect loop. The browser has just finished several logins in a
 * row, and still has no session. The session cookie does not come back, so another login would end the same
 * way. The limit is two logins within ten seconds, or four that a user started by clicks.
 *
 * Requests whose SameSite=Strict cookie may be missing, because another site led here, are not checked.
 *
 * @throws PortalAuthError `session_not_saved`
 */
export function checkRedirectLoop(
  { settings, loginAttempts }: RouterContext,
  { req }: Pick<RequestContext, "req">,
): void {
  const last = loginAttempts.findLastFinished(req);
  if (!last || last.secondsAgo * 1000 >= LOOP_WINDOW_MS || readSession(req, settings)) return;
  // Browsers omit a SameSite=Strict cookie if another site leads here.
  if (isSameSiteStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return;
  const { consecutiveLogins, secondsAgo } = last;
  if (consecutiveLogins < (isClick(req) ? MAX_CLICKED_LOGINS : MAX_AUTOMATIC_LOGINS)) return;
  const loss = describeMissingSession(req, findSessionRefusal(req, settings));
  const time = `${Math.round(secondsAgo)} s after the last of ${consecutiveLogins} logins in a row`;
  throw new PortalAuthError("session_not_saved", { detail: `${loss}, ${time}` });
}

/**
 * Returns whether a user has clicked on a page of this site. The session of such a user may have ended
 * meanwhile. A redirect from the provider is cross-site, and a script or a timer is not a click (Fetch
 * Metadata Request Headers, sections 2.3 and 2.4).
 */
const isClick = (req: Request): boolean =>
  req.headers["sec-fetch-site"] === "same-origin" && isUserActivated(req);

/** Describes what is missing: the cookie, the session in the store, or a valid login in the session. */
function describeMissingSession(req: Request, reason: string | undefined): string {
  if (reason !== undefined) return `the session came back, but its login does not count (${reason})`;
  const values = Object.values(parseCookie(req.headers.cookie ?? ""));
  // express-session signs ids, and marks them by this prefix.
  const isSessionId = (value: string | undefined): boolean => value?.startsWith("s:") ?? false;
  if (values.some(isSessionId)) return "a session cookie came back, but no such session is in the store";
  return "no session cookie came back";
}
