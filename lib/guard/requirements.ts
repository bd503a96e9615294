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

/** Why a guard rejects a signed-in user. */
export interface GuardRejection {
  readonly error: PortalAuthError;
  /**
   * Whether a new login can change the result. False for an error of the application, which would only
   * repeat.
   */
  readonly canLoginHelp: boolean;
}

/** Returns why the user is rejected; undefined if the user meets all requirements. */
export type CheckRequirements = (req: Request, portal: RequestPortal) => GuardRejection | undefined;

/**
 * Creates the check of what a guard requires beyond a login: first its strength, then the rights. Returns
 * undefined if the guard requires neither.
 *
 * @throws TypeError for an invalid requirement
 */
export function createRequirementsCheck(
  strength: RequiredStrength,
  rights: RequiredRights<never>,
): CheckRequirements | undefined {
  const findWeakness = createStrengthCheck(strength);
  const findMissingRight = createRightsCheck(rights);
  if (!findWeakness && !findMissingRight) return undefined;
  return function checkRequirements(req, portal) {
    const { settings } = RequestPortal.internalsOf(portal).router;
    const session = readSession(req, settings);
    if (!session) return { error: new PortalAuthError("login_required"), canLoginHelp: true };
    const weakness = findWeakness?.(session, settings);
    if (weakness) return { error: weakness, canLoginHelp: true };
    const missingRight = findMissingRight?.(session, settings);
    return missingRight && { error: missingRight, canLoginHelp: false };
  };
}

/**
 * Responds to a user who does not meet the requirements. A login that is too weak leads to a new login. A
 * missing right leads to an error page that offers to sign out.
 */
export async function sendRejection(
  req: Request,
  res: Response,
  portal: RequestPortal,
  { error, canLoginHelp }: GuardRejection,
  guard: ChallengeOptions,
): Promise<void> {
  if (canLoginHelp) return sendLoginChallenge(req, res, portal, { ...guard, error });
  const { router, request } = RequestPortal.internalsOf(portal);
  const isApplicationFault = error.status >= 500; // a claim function of the application threw
  const options = isApplicationFault ? offerRetry(router, request) : offerLogout(router, request.mount);
  await sendErrorResponse(req, res, error, options);
}
