import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { navigates } from "../answer/client.js";
import { goOn } from "../answer/go-on.js";
import { PortalAuthError } from "../errors.js";
import { beginLogin } from "../login/login.js";
import { returnTo } from "../login/return-to.js";
import type { StrengthWanted } from "../login/strength.js";
import { answersOf } from "../parts.js";
import { RequestPortal } from "../request-portal.js";
import { isStrict } from "../session/own-session.js";
import { whyRefused } from "../session/session.js";

/** Who must sign in first: a browser that navigates is sent to the portal and comes back, anything else is told why. */
export async function turnAway(
  req: Request,
  res: Response,
  portal: RequestPortal,
  wishOf: (req: Request) => string,
  reason: unknown = new PortalAuthError("login_required"),
  wanted: StrengthWanted = {},
): Promise<void> {
  const { parts, visit } = RequestPortal.insideOf(portal);
  parts.log.tell("session.refused", () => {
    const reason = whyRefused(req, parts.settings);
    return reason && { reason };
  });
  if (!navigates(req)) return answerError(req, res, reason, answersOf(parts, visit.mount));
  // a SameSite=Strict session has stayed away, as another site has led here: the person may well be logged in
  if (isStrict(req, parts.settings) && req.headers["sec-fetch-site"] === "cross-site")
    return goOn(parts.pages, req, res, returnTo(req.originalUrl));
  let wish: string | undefined;
  try {
    wish = wishOf(req);
    await beginLogin(parts, { ...visit, req, res }, { returnTo: wish, ...wanted });
  } catch (error) {
    await answerError(req, res, error, answersOf(parts, visit.mount, wish));
  }
}
