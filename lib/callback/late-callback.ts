import { redirect } from "../answer/redirect.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { getStartPage } from "../http/external-url.js";
import { readQuery } from "../http/parameters.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { isOwnRoute } from "../login/is-own-route.js";
import { readSession } from "../session/request-session.js";

/** Codes of callbacks that belong to no attempt which this browser could still finish. */
const CODES_WITHOUT_ATTEMPT: readonly PortalAuthErrorCode[] = [
  "login_not_found",
  "login_expired",
  "login_cookies_blocked",
  "login_cookie_lost",
  "login_cookie_changed",
  "login_in_other_browser",
  "login_secret_changed",
  "login_over_http",
  "login_cookies_strict",
  "login_on_other_host",
  "login_in_frame",
];

/**
 * Returns whether a failed callback is late. For that, the user must be signed in, and one of these must
 * hold:
 *
 * - This browser cannot finish the attempt: it has expired, or is unknown, or its cookie did not come back.
 * - The callback has no parameters.
 *
 * The user came by Back or by a bookmark, so an error page would not help. An error that is no
 * PortalAuthError is never late.
 */
export function isLateCallback(
  { settings }: RouterContext,
  { req }: RequestContext,
  error: unknown,
): boolean {
  if (!(error instanceof PortalAuthError) || !readSession(req, settings)) return false;
  return CODES_WITHOUT_ATTEMPT.includes(error.code) || readQuery(req).size === 0;
}

/**
 * Redirects to the page of the option `lateCallbackPath`. If the option is not set, or names a login,
 * callback or logout route, the target is the start page. The session stays unchanged, because any site can
 * link to the callback.
 */
export function redirectLateCallback({ settings }: RouterContext, { res, mount }: RequestContext): void {
  const home = getStartPage(settings, mount);
  const path = sanitizeReturnTo(settings.lateCallbackPath, home);
  redirect(res, 303, isOwnRoute(settings, mount, path) ? home : path);
}
