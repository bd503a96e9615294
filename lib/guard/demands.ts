import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { PortalAuthError } from "../errors.js";
import type { StrengthWanted } from "../login/strength.js";
import { laterAnswersOf, rightsAnswersOf } from "../parts.js";
import { RequestPortal } from "../request-portal.js";
import { readSession } from "../session/session.js";
import { type RightsWanted, settleRights } from "./rights.js";
import { weaknessBy } from "./strength.js";
import { type TurnAway, turnAway } from "./turn-away.js";

/** Why somebody who is logged in may not pass; undefined when they may. */
export type WhyNot = (req: Request, portal: RequestPortal) => PortalAuthError | undefined;

/**
 * What a guard demands beyond a login, in the order in which it is looked at; undefined where that is nothing.
 *
 * @throws TypeError for what is no demand
 */
export function settleDemands(strength: StrengthWanted, rights: RightsWanted<never>): WhyNot | undefined {
  const demands = [weaknessBy(strength), settleRights(rights)].filter((demand) => demand !== undefined);
  if (demands.length === 0) return undefined;
  return function whyNot(req, portal) {
    const { settings } = RequestPortal.insideOf(portal).parts;
    const session = readSession(req, settings);
    if (!session) return new PortalAuthError("login_required");
    for (const demand of demands) {
      const error = demand(session, settings);
      if (error) return error;
    }
    return undefined;
  };
}

/** A login that is too weak can be mended by another one, a right that is missing cannot. */
export async function refuse(
  req: Request,
  res: Response,
  portal: RequestPortal,
  error: PortalAuthError,
  guard: TurnAway,
): Promise<void> {
  if (error.status === 401) return turnAway(req, res, portal, { ...guard, reason: error });
  const { parts, visit } = RequestPortal.insideOf(portal);
  const isFault = error.status >= 500; // of a function of the application's
  await answerError(req, res, error, isFault ? laterAnswersOf(parts, req) : rightsAnswersOf(parts, visit.mount));
}
