import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { withLogout, withRetry } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { StrengthWanted } from "../login/strength.js";
import { weaknessBy } from "../login/weakness.js";
import { RequestPortal } from "../request-portal.js";
import { readSession } from "../session/session.js";
import { type TurnAway, turnAway } from "./challenge.js";
import { type RightsWanted, settleRights } from "./rights.js";

/** Why somebody who is logged in may not pass. */
export interface Refusal {
  readonly error: PortalAuthError;
  /** Whether another login would be another answer. What a function of the application's throws never is: it would throw again. */
  readonly isMendedByLogin: boolean;
}

/** Undefined when they may. */
export type RefusalOf = (req: Request, portal: RequestPortal) => Refusal | undefined;

/**
 * What a guard demands beyond a login, in the order in which it is looked at; undefined where that is nothing.
 *
 * @throws TypeError for what is no demand
 */
export function settleDemands(strength: StrengthWanted, rights: RightsWanted<never>): RefusalOf | undefined {
  const [weaknessOf, lackOf] = [weaknessBy(strength), settleRights(rights)];
  if (!weaknessOf && !lackOf) return undefined;
  return function refusalOf(req, portal) {
    const { settings } = RequestPortal.insideOf(portal).parts;
    const session = readSession(req, settings);
    if (!session) return { error: new PortalAuthError("login_required"), isMendedByLogin: true };
    const weakness = weaknessOf?.(session, settings);
    if (weakness) return { error: weakness, isMendedByLogin: true };
    const lack = lackOf?.(session, settings);
    return lack && { error: lack, isMendedByLogin: false };
  };
}

/** A login that is too weak can be mended by another one, a right that is missing cannot. */
export async function refuse(
  req: Request,
  res: Response,
  portal: RequestPortal,
  { error, isMendedByLogin }: Refusal,
  guard: TurnAway,
): Promise<void> {
  if (isMendedByLogin) return turnAway(req, res, portal, { ...guard, reason: error });
  const { parts, visit } = RequestPortal.insideOf(portal);
  const isFault = error.status >= 500; // of a function of the application's
  await answerError(req, res, error, isFault ? withRetry(parts, visit) : withLogout(parts, visit.mount));
}
