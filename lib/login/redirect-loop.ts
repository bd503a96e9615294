import { parseCookie } from "cookie";
import type { Request } from "express";
import { PortalAuthError } from "../errors.js";
import type { Parts, Visit } from "../parts.js";
import { isStrict } from "../session/own-session.js";
import { readSession, whyRefused } from "../session/session.js";

/** A session that was not saved is missed at the page that the callback redirects to, which browsers load at once. */
const WITHIN_MS = 10_000;
/** So many logins in a row may a user begin by clicks on this site; no loop consists of clicks alone. */
const MOST_BY_CLICKS = 3;

/**
 * Refuses to begin a login in a browser that has finished one some seconds ago and has no session: the session cookie does
 * not come back, and another login would end like the last one, again and again.
 *
 * @throws PortalAuthError `session_not_saved`
 */
export function checkSessionWasSaved({ settings, transactions }: Parts, { req }: Pick<Visit, "req">): void {
  const last = transactions.lastFinished(req);
  if (!last || last.secondsAgo * 1000 >= WITHIN_MS || readSession(req, settings)) return;
  // a SameSite=Strict cookie stays away when another site leads here
  if (isStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return;
  if (isClick(req) && last.rounds < MOST_BY_CLICKS) return;
  const seen = `${whatCameBack(req, whyRefused(req, settings))}, ${Math.round(last.secondsAgo)} s after a login`;
  throw new PortalAuthError("session_not_saved", { detail: seen });
}

/**
 * Whether a user has clicked on a page of this site: their session may have ended by itself meanwhile. A redirect from the
 * provider is cross-site, and a script or a timer is no click (Fetch Metadata Request Headers, sections 2.3 and 2.4).
 */
const isClick = ({ headers }: Request): boolean =>
  headers["sec-fetch-site"] === "same-origin" && headers["sec-fetch-user"] === "?1";

/** Says which part of the way is broken: the cookie, the store, or the login in it. */
function whatCameBack(req: Request, reason: string | undefined): string {
  if (reason !== undefined) return `the session came back, but its login does not count (${reason})`;
  const values = Object.values(parseCookie(req.headers.cookie ?? ""));
  const isSessionId = (value: string | undefined): boolean => value?.startsWith("s:") ?? false; // as express-session signs
  if (values.some(isSessionId)) return "a session cookie came back, but no such session is in the store";
  return "no session cookie came back";
}
