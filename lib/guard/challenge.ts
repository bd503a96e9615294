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

/** What a guard says of those whom it turns away. */
export interface ChallengeOptions {
  /** Returns the address to which the user returns after the login. Default: the address of the request. */
  readonly getReturnTo?: ((req: Request) => string) | undefined;
  /** What they are told who cannot be sent to the portal. Default `login_required`. */
  readonly reason?: unknown;
  /** How strong the login must be that is to come. */
  readonly requiredStrength?: RequiredStrength;
  /** Whether a form that was posted is kept meanwhile. */
  readonly keepForm?: KeepFormSettings | undefined;
}

/**
 * Rejects a request because the user must sign in first. A browser that loads a page goes to the provider and comes back. A
 * form is kept if the guard wants that. Everything else gets 401: as a page with a sign-in button where a person may read
 * it, else as problem+json.
 */
export async function sendLoginChallenge(
  req: Request,
  res: Response,
  portal: RequestPortal,
  guard: ChallengeOptions,
): Promise<void> {
  const { router, request } = RequestPortal.internalsOf(portal);
  router.log.emit("session.refused", () => {
    const reason = findSessionRefusal(req, router.settings);
    return reason && { reason };
  });
  const current = { ...request, req, res };
  if (isOfficeLink(req))
    return sendSignInPage(
      router,
      current,
      offerLogin(router, request.mount, getReturnTo(router, current, guard)),
    );
  if (!isNavigation(req)) {
    const isKept =
      guard.keepForm && (await saveForm(router, current, guard.keepForm, guard.requiredStrength));
    if (!isKept) await sendUnauthorized(router, current, guard);
    return;
  }
  // a SameSite=Strict session has stayed away, as another site has led here: the person may well be logged in
  if (isSameSiteStrict(req, router.settings) && req.headers["sec-fetch-site"] === "cross-site")
    return reloadViaInterstitial(
      router,
      req,
      res,
      resolveReturnTo(router.settings, request.mount, getRequestUrl(router.settings, request.mount, req)),
    );
  let returnTo: string | undefined;
  try {
    returnTo = getReturnTo(router, current, guard);
    await startLogin(router, current, { returnTo: returnTo, ...guard.requiredStrength });
  } catch (error) {
    await sendErrorResponse(
      req,
      res,
      error,
      offerLogin(router, request.mount, returnTo, guard.requiredStrength),
    );
  }
}

/** Answers with 401. A script knows by itself to which page the user returns, so its problem has the bare address. */
async function sendUnauthorized(
  router: RouterContext,
  current: RequestContext,
  guard: ChallengeOptions,
): Promise<void> {
  const { req, res, mount } = current;
  const { reason = new PortalAuthError("login_required") } = guard;
  if (!shouldSendPage(req)) return sendErrorResponse(req, res, reason, offerLogin(router, mount));
  try {
    const options = offerLogin(router, mount, getReturnTo(router, current, guard), guard.requiredStrength);
    await sendErrorResponse(req, res, reason, { ...options, guardedMethod: req.method });
  } catch (error) {
    await sendErrorResponse(req, res, error, offerLogin(router, mount));
  }
}

/** The page to which the user returns. The address of a form can seldom be opened, so that of its page serves. */
function getReturnTo(router: RouterContext, current: RequestContext, guard: ChallengeOptions): string {
  const { req, mount } = current;
  if (guard.getReturnTo) return guard.getReturnTo(req);
  const isPage = req.method === "GET" || req.method === "HEAD";
  return isPage ? getRequestUrl(router.settings, mount, req) : findRefererPage(router, current);
}
