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
 * Redirects to the page that the user requested, without a login. An unexpected failure is logged, unless the
 * log has it already.
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

/** Returns the page of an attempt if the callback failed before it took the attempt; else the start page. */
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
