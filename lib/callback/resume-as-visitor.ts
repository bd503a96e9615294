import { findSharedRequestId, logFailure } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { getStartPage } from "../http/external-url.js";
import { readSilentLoginState } from "../login/silent-login-cookie.js";
import { readAuthorizationResponse } from "./form-post.js";
import type { LoginReport } from "./login-report.js";

/**
 * Whether a login that nobody has asked for may end without a word. Otherwise the browser keeps its old cookies and takes
 * no new ones, and the page would send it to the portal once more.
 */
export const canResumeAsVisitor = ({ settings }: RouterContext, { req }: RequestContext): boolean =>
  readSilentLoginState(req, settings) === "tried";

/** They see the page that they wanted, as a visitor; what is not ordinary the developer is told. */
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

/** Of what failed before the attempt was looked for, or as it is not to be found. */
function findReturnTo(router: RouterContext, request: RequestContext): string {
  const home = getStartPage(router.settings, request.mount);
  try {
    const taken = router.loginAttempts.take(
      request,
      readAuthorizationResponse(router, request.req).state,
      home,
    );
    return taken.kind === "spent" ? taken.return_to : taken.loginAttempt.return_to;
  } catch {
    return home;
  }
}
