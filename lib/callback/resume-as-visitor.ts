import { findSharedRequestId, logFailure } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { getStartPage } from "../http/external-url.js";
import { readSilentLoginState } from "../login/silent-login-cookie.js";
import { readAuthorizationResponse } from "./form-post.js";
import type { LoginReport } from "./login-report.js";

/**
 * Returns whether a silent login that failed may end without an error page. The browser must have stored the
 * cookie that prevents a second try. Otherwise the page would redirect it to the provider again.
 */
export const canResumeAsVisitor = ({ settings }: RouterContext, { req }: RequestContext): boolean =>
  readSilentLoginState(req, settings) === "tried";

/**
 * Ends a silent login that failed: redirects to the page that the user requested. No user is signed in. The
 * caller has checked canResumeAsVisitor(). The failure is logged, unless the log has it already.
 *
 * If the callback failed before it took the attempt, this function takes it. The response then replaces the
 * attempt's cookie with the used mark, so that the state cannot be used again. If the attempt was used
 * before, the redirect leads to the page of that login. If it is unknown or expired, or if the authorization
 * response is invalid, the redirect leads to the start page.
 */
export function resumeAsVisitor(
  router: RouterContext,
  request: RequestContext,
  { attempted }: LoginReport,
  error: unknown,
): void {
  const failure = toPortalAuthError(error);
  if (findSharedRequestId(failure) === undefined) logFailure(router.log, failure);
  redirect(request.res, 303, attempted?.loginAttempt.return_to ?? findReturnTo(router, request));
}

/**
 * Takes the attempt, which the callback has not taken before it failed, and returns its page. Returns the
 * start page if that fails. It never throws.
 */
function findReturnTo(router: RouterContext, request: RequestContext): string {
  const home = getStartPage(router.settings, request.mount);
  try {
    const { state } = readAuthorizationResponse(router, request.req);
    const taken = router.loginAttempts.take(request, state, home);
    return taken.kind === "used" ? taken.return_to : taken.loginAttempt.return_to;
  } catch {
    return home;
  }
}
