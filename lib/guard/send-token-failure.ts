import type { Request, Response } from "express";
import { needsLogin } from "../access/access-token.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { offerRetry } from "../context/router-context.js";
import { RequestPortal } from "../request-portal.js";
import { type ChallengeOptions, sendLoginChallenge } from "./challenge.js";

/**
 * Responds to a request for which no access token could be obtained. If the user must sign in again, the
 * response is the same as for a visitor. Otherwise it is the error.
 */
export function sendTokenFailure(
  req: Request,
  res: Response,
  portal: RequestPortal,
  guard: ChallengeOptions,
  error: unknown,
): Promise<void> {
  if (needsLogin(error)) return sendLoginChallenge(req, res, portal, { ...guard, error });
  const { router, request } = RequestPortal.internalsOf(portal);
  return sendErrorResponse(req, res, error, offerRetry(router, request));
}
