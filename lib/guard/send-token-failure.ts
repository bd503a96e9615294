import type { Request, Response } from "express";
import { needsLogin } from "../access/access-token.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { offerRetry } from "../context/router-context.js";
import { RequestPortal } from "../request-portal.js";
import { type ChallengeOptions, sendLoginChallenge } from "./challenge.js";

/** Answers why there is no token: who must sign in again is treated like somebody who is not logged in. */
export function sendTokenFailure(
  req: Request,
  res: Response,
  portal: RequestPortal,
  guard: ChallengeOptions,
  error: unknown,
): Promise<void> {
  if (needsLogin(error)) return sendLoginChallenge(req, res, portal, { ...guard, reason: error });
  const { router, request } = RequestPortal.internalsOf(portal);
  return sendErrorResponse(req, res, error, offerRetry(router, request));
}
