import type { Request, Response } from "express";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { offerLogout, offerRetry } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createStrengthCheck } from "../login/strength-check.js";
import type { RequiredStrength } from "../login-attempt/login-strength.js";
import { RequestPortal } from "../request-portal.js";
import { readSession } from "../session/request-session.js";
import { type ChallengeOptions, sendLoginChallenge } from "./challenge.js";
import { createRightsCheck, type RequiredRights } from "./required-rights.js";

/** Why somebody who is logged in may not pass. */
export interface GuardRejection {
  readonly error: PortalAuthError;
  /** Whether another login would be another answer. What a function of the application's throws never is: it would throw again. */
  readonly canLoginHelp: boolean;
}

/** Undefined when they may. */
export type CheckRequirements = (req: Request, portal: RequestPortal) => GuardRejection | undefined;

/**
 * What a guard demands beyond a login, in the order in which it is looked at; undefined where that is nothing.
 *
 * @throws TypeError for what is no demand
 */
export function createRequirementsCheck(
  strength: RequiredStrength,
  rights: RequiredRights<never>,
): CheckRequirements | undefined {
  const [findWeakness, findMissingRight] = [createStrengthCheck(strength), createRightsCheck(rights)];
  if (!findWeakness && !findMissingRight) return undefined;
  return function refusalOf(req, portal) {
    const { settings } = RequestPortal.internalsOf(portal).router;
    const session = readSession(req, settings);
    if (!session) return { error: new PortalAuthError("login_required"), canLoginHelp: true };
    const weakness = findWeakness?.(session, settings);
    if (weakness) return { error: weakness, canLoginHelp: true };
    const missingRight = findMissingRight?.(session, settings);
    return missingRight && { error: missingRight, canLoginHelp: false };
  };
}

/** A login that is too weak can be mended by another one, a right that is missing cannot. */
export async function sendRejection(
  req: Request,
  res: Response,
  portal: RequestPortal,
  { error, canLoginHelp: isMendedByLogin }: GuardRejection,
  guard: ChallengeOptions,
): Promise<void> {
  if (isMendedByLogin) return sendLoginChallenge(req, res, portal, { ...guard, reason: error });
  const { router, request } = RequestPortal.internalsOf(portal);
  const isApplicationFault = error.status >= 500; // of a function of the application's
  await sendErrorResponse(
    req,
    res,
    error,
    isApplicationFault ? offerRetry(router, request) : offerLogout(router, request.mount),
  );
}
