import type { Request, Response } from "express";
import { needsLogin } from "../access/access-token.js";
import { answerError } from "../answer/answer-error.js";
import { withRetry } from "../context/router-context.js";
import { RequestPortal } from "../request-portal.js";
import { type TurnAway, turnAway } from "./challenge.js";

/** Answers why there is no token: who must sign in again is treated like somebody who is not logged in. */
export function answerFailure(
  req: Request,
  res: Response,
  portal: RequestPortal,
  guard: TurnAway,
  error: unknown,
): Promise<void> {
  if (needsLogin(error)) return turnAway(req, res, portal, { ...guard, reason: error });
  const { parts, visit } = RequestPortal.insideOf(portal);
  return answerError(req, res, error, withRetry(parts, visit));
}
