import type { Request, Response } from "express";
import { isNavigation, isOfficeLink, shouldSendPage } from "../answer/client-kind.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { reloadViaInterstitial } from "../context/navigation-origin.js";
import { offerLogin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { type KeepFormSettings, saveForm } from "../form/save-form.js";
import { getRequestUrl } from "../http/external-url.js";
import { startLogin } from "../login/login.js";
import { resolveReturnTo } from "../login/resolve-return-to.js";
import { findRefererPage, sendSignInPage } from "../login/sign-in-page.js";
import type { RequiredStrength } from "../login-attempt/login-strength.js";
import { RequestPortal } from "../request-portal.js";
import { findSessionRefusal } from "../session/request-session.js";
import { isSameSiteStrict } from "../session/session-cookie.js";

/** How a guard challenges a request that needs a login. */
export interface ChallengeOptions {
  /** Returns the URL to which the user returns after the login. Default: the URL of the request. */
  readonly getReturnTo?: ((req: Request) => string) | undefined;
  /** The error for a client that cannot be redirected to the provider. Default: `login_required`. */
  readonly error?: unknown;
  /** The strength that the new login must have. */
  readonly requiredStrength?: RequiredStrength;
  /** How a posted form is saved until the user has signed in. Undefined if forms are not saved. */
  readonly keepForm?: KeepFormSettings | undefined;
}

/**
 * Responds to a request whose user must sign in first. A browser that loads a page is redirected to the
 * provider and returns after the login. A form is saved if the guard has `keepForm`. Every other request gets
 * 401: a page with a sign-in button if a user may read it, otherwise problem+json.
 */
export async function sendLoginChallenge(
  req: Request,
  res: Response,
  portal: RequestPortal,
  guard: ChallengeOptions,
): Promise<void> {
  const { router, request } = RequestPortal.internalsOf(portal);
  router.log.emit("session.rejected", () => {
    const reason = findSessionRefusal(req, router.settings);
    return reason && { reason };
  });
  const current = { ...request, req, res };
  if (isOfficeLink(req)) {
    const options = offerLogin(router, request.mount, getReturnTo(router, current, guard));
    return sendSignInPage(router, current, options);
  }
  if (isNavigation(req)) return challengeNavigation(router, current, guard);
  const isFormSaved =
    guard.keepForm && (await saveForm(router, current, guard.keepForm, guard.requiredStrength));
  if (!isFormSaved) await sendUnauthorized(router, current, guard);
}

/**
 * Redirects a browser to the provider. After a link on another site it reloads the page first, because the
 * browser may have omitted a SameSite=Strict cookie.
 */
async function challengeNavigation(
  router: RouterContext,
  current: RequestContext,
  guard: ChallengeOptions,
): Promise<void> {
  const { settings } = router;
  const { req, res, mount } = current;
  if (isSameSiteStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") {
    const url = resolveReturnTo(settings, mount, getRequestUrl(settings, mount, req));
    return reloadViaInterstitial(router, req, res, url);
  }
  let returnTo: string | undefined;
  try {
    returnTo = getReturnTo(router, current, guard);
    await startLogin(router, current, { returnTo, ...guard.requiredStrength });
  } catch (error) {
    await sendErrorResponse(req, res, error, offerLogin(router, mount, returnTo, guard.requiredStrength));
  }
}

/**
 * Responds with 401. For a script, problem+json contains the login URL without `returnTo`, because the script
 * knows its own page.
 */
async function sendUnauthorized(
  router: RouterContext,
  current: RequestContext,
  guard: ChallengeOptions,
): Promise<void> {
  const { req, res, mount } = current;
  const { error = new PortalAuthError("login_required") } = guard;
  if (!shouldSendPage(req)) return sendErrorResponse(req, res, error, offerLogin(router, mount));
  try {
    const options = offerLogin(router, mount, getReturnTo(router, current, guard), guard.requiredStrength);
    await sendErrorResponse(req, res, error, { ...options, guardedMethod: req.method });
  } catch (failure) {
    await sendErrorResponse(req, res, failure, offerLogin(router, mount));
  }
}

/**
 * Returns the URL to which the user returns after the login. The URL that a form is posted to can rarely be
 * opened, so a form returns to its page.
 */
function getReturnTo(router: RouterContext, current: RequestContext, guard: ChallengeOptions): string {
  const { req, mount } = current;
  if (guard.getReturnTo) return guard.getReturnTo(req);
  const isPage = req.method === "GET" || req.method === "HEAD";
  return isPage ? getRequestUrl(router.settings, mount, req) : findRefererPage(router, current);
}
