import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { isOfficeLink, navigates, wantsPage } from "../answer/client.js";
import { bounce } from "../context/navigation-origin.js";
import { type Parts, type Visit, withLogin } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { type KeepForm, keepForm } from "../form/keep-form.js";
import { addressOf } from "../http/external-url.js";
import { landingPage } from "../login/landing-page.js";
import { beginLogin } from "../login/login.js";
import { pageBefore, sendSignInPage } from "../login/sign-in-page.js";
import type { StrengthWanted } from "../login/strength.js";
import { RequestPortal } from "../request-portal.js";
import { whyRefused } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";

/** What a guard says of those whom it turns away. */
export interface TurnAway {
  /** Returns the address to which the user returns after the login. Default: the address of the request. */
  readonly wishOf?: ((req: Request) => string) | undefined;
  /** What they are told who cannot be sent to the portal. Default `login_required`. */
  readonly reason?: unknown;
  /** How strong the login must be that is to come. */
  readonly wanted?: StrengthWanted;
  /** Whether a form that was posted is kept meanwhile. */
  readonly keepForm?: KeepForm | undefined;
}

/**
 * Rejects a request because the user must sign in first. A browser that loads a page goes to the provider and comes back. A
 * form is kept if the guard wants that. Everything else gets 401: as a page with a sign-in button where a person may read
 * it, else as problem+json.
 */
export async function turnAway(
  req: Request,
  res: Response,
  portal: RequestPortal,
  guard: TurnAway,
): Promise<void> {
  const { parts, visit } = RequestPortal.insideOf(portal);
  parts.log.tell("session.refused", () => {
    const reason = whyRefused(req, parts.settings);
    return reason && { reason };
  });
  const here = { ...visit, req, res };
  if (isOfficeLink(req))
    return sendSignInPage(parts, here, withLogin(parts, visit.mount, wishOf(parts, here, guard)));
  if (!navigates(req)) {
    const isKept = guard.keepForm && (await keepForm(parts, here, guard.keepForm, guard.wanted));
    if (!isKept) await reject(parts, here, guard);
    return;
  }
  // a SameSite=Strict session has stayed away, as another site has led here: the person may well be logged in
  if (isStrict(req, parts.settings) && req.headers["sec-fetch-site"] === "cross-site")
    return bounce(
      parts,
      req,
      res,
      landingPage(parts.settings, visit.mount, addressOf(parts.settings, visit.mount, req)),
    );
  let wish: string | undefined;
  try {
    wish = wishOf(parts, here, guard);
    await beginLogin(parts, here, { returnTo: wish, ...guard.wanted });
  } catch (error) {
    await answerError(req, res, error, withLogin(parts, visit.mount, wish, guard.wanted));
  }
}

/** Answers with 401. A script knows by itself to which page the user returns, so its problem has the bare address. */
async function reject(parts: Parts, here: Visit, guard: TurnAway): Promise<void> {
  const { req, res, mount } = here;
  const { reason = new PortalAuthError("login_required") } = guard;
  if (!wantsPage(req)) return answerError(req, res, reason, withLogin(parts, mount));
  try {
    const answer = withLogin(parts, mount, wishOf(parts, here, guard), guard.wanted);
    await answerError(req, res, reason, { ...answer, guardedMethod: req.method });
  } catch (error) {
    await answerError(req, res, error, withLogin(parts, mount));
  }
}

/** The page to which the user returns. The address of a form can seldom be opened, so that of its page serves. */
function wishOf(parts: Parts, here: Visit, guard: TurnAway): string {
  const { req, mount } = here;
  if (guard.wishOf) return guard.wishOf(req);
  const isPage = req.method === "GET" || req.method === "HEAD";
  return isPage ? addressOf(parts.settings, mount, req) : pageBefore(parts, here);
}
