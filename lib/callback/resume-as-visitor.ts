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
 * Redirects to the page that the user requested, or to the start page if the attempt is unknown. No user is
 * signed in. The failure is logged, except in these cases:
 *
 * - The log has it already.
 * - Its code is an expected outcome or a routine code: see logFailure(). Then only an event is emitted.
 *
 * If the callback failed before it took the attempt, this function takes the attempt. The response then sets
 * the used mark.
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
 * start page if this browser has no such attempt.
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
