import { createHash } from "node:crypto";
import type { NextFunction, Request, RequestHandler, Response } from "express";
import { requireAuth } from "express-portal-auth";
import { getTokenFacts } from "./token-facts.js";

/**
 * Middleware of an API that needs a valid access token. Twenty simultaneous calls cause one refresh, in any
 * number of processes: the first call refreshes, and the others wait for its result.
 */
export const tokenCheck: RequestHandler[] = [
  saveTokenSetBefore,
  requireAuth({ freshToken: true }),
  sendTokenCheck,
];

/**
 * Saves the number of the token set before the guard can refresh it. The page compares it with the number
 * after the call: the difference is the number of refreshes.
 */
function saveTokenSetBefore(req: Request, res: Response, next: NextFunction): void {
  res.locals["tokenSetBefore"] = req.session.portal?.version;
  next();
}

async function sendTokenCheck(req: Request, res: Response): Promise<void> {
  const accessToken = await req.portal.accessToken(); // for a call to your own API: req.portal.fetch(url)
  const facts = await getTokenFacts(req);
  res.json({ token_set_before: res.locals["tokenSetBefore"], fingerprint: hashToken(accessToken), ...facts });
}

/** Returns a short hash, so that pages can distinguish tokens. The tokens themselves stay on the server. */
const hashToken = (token: string): string => createHash("sha256").update(token).digest("base64url").slice(-8);
