import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { navigates } from "../answer/client.js";
import { goOn } from "../answer/go-on.js";
import { PortalAuthError } from "../errors.js";
import { addressOf } from "../external-address.js";
import { type KeepForm, keepForm } from "../form/keep-form.js";
import { beginLogin } from "../login/login.js";
import type { StrengthWanted } from "../login/strength.js";
import { withLogin } from "../parts.js";
import { RequestPortal } from "../request-portal.js";
import { isStrict } from "../session/own-session.js";
import { whyRefused } from "../session/session.js";

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
 * Who must sign in first: a browser that navigates is sent to the portal and comes back, anything else is told why; unless
 * it is a form that can be kept.
 */
export async function turnAway(req: Request, res: Response, portal: RequestPortal, guard: TurnAway): Promise<void> {
  const { parts, visit } = RequestPortal.insideOf(portal);
  parts.log.tell("session.refused", () => {
    const reason = whyRefused(req, parts.settings);
    return reason && { reason };
  });
  const here = { ...visit, req, res };
  if (!navigates(req)) {
    const isKept = guard.keepForm && (await keepForm(parts, here, guard.keepForm, guard.wanted));
    if (isKept) return;
    const { reason = new PortalAuthError("login_required") } = guard;
    return answerError(req, res, reason, withLogin(parts, visit.mount));
  }
  // a SameSite=Strict session has stayed away, as another site has led here: the person may well be logged in
  if (isStrict(req, parts.settings) && req.headers["sec-fetch-site"] === "cross-site")
    return goOn(parts.pages, req, res, addressOf(parts.settings, visit.mount, req));
  let wish: string | undefined;
  try {
    wish = guard.wishOf ? guard.wishOf(req) : addressOf(parts.settings, visit.mount, req);
    await beginLogin(parts, here, { returnTo: wish, ...guard.wanted });
  } catch (error) {
    await answerError(req, res, error, withLogin(parts, visit.mount, wish, guard.wanted));
  }
}
