import { parseCookie } from "cookie";
import type { Request } from "express";
import { isUserActivated } from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { readSession, whyRefused } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";

/** A session that was not saved is missed at the page that the callback redirects to, which browsers load at once. */
const WITHIN_MS = 10_000;
/** Of logins in a row. One more is allowed: the session may have ended meanwhile, by a logout at the provider. */
const MAX_AUTOMATIC_LOGINS = 2;
/** Of logins in a row that a user begins by clicks on a page of this site. */
const MAX_CLICKED_LOGINS = 4;

/**
 * Refuses to begin a login in a browser that has finished two in a row, the last one some seconds ago, and has no session:
 * the session cookie does not come back, and another login would end like the last one, again and again.
 *
 * @throws PortalAuthError `session_not_saved`
 */
export function checkRedirectLoop(
  { settings, loginAttempts }: RouterContext,
  { req }: Pick<RequestContext, "req">,
): void {
  const last = loginAttempts.findLastFinished(req);
  if (!last || last.secondsAgo * 1000 >= WITHIN_MS || readSession(req, settings)) return;
  // a SameSite=Strict cookie stays away when another site leads here
  if (isStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return;
  if (last.consecutiveLogins < (isClick(req) ? MAX_CLICKED_LOGINS : MAX_AUTOMATIC_LOGINS)) return;
  const { consecutiveLogins: rounds, secondsAgo } = last;
  const times = `${Math.round(secondsAgo)} s after the last of ${rounds} logins in a row`;
  const seen = `${describeMissingSession(req, whyRefused(req, settings))}, ${times}`;
  throw new PortalAuthError("session_not_saved", { detail: seen });
}

/**
 * Whether a user has clicked on a page of this site: their session may have ended by itself meanwhile. A redirect from the
 * provider is cross-site, and a script or a timer is no click (Fetch Metadata Request Headers, sections 2.3 and 2.4).
 */
const isClick = (req: Request): boolean =>
  req.headers["sec-fetch-site"] === "same-origin" && isUserActivated(req);

/** Says which part of the way is broken: the cookie, the store, or the login in it. */
function describeMissingSession(req: Request, reason: string | undefined): string {
  if (reason !== undefined) return `the session came back, but its login does not count (${reason})`;
  const values = Object.values(parseCookie(req.headers.cookie ?? ""));
  const isSessionId = (value: string | undefined): boolean => value?.startsWith("s:") ?? false; // as express-session signs
  if (values.some(isSessionId)) return "a session cookie came back, but no such session is in the store";
  return "no session cookie came back";
}
