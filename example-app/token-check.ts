import { createHash } from "node:crypto";
import type { NextFunction, Request, RequestHandler, Response } from "express";
import { requireAuth } from "express-portal-auth";
import { getTokenFacts } from "./token-facts.js";

/**
 * An API that cannot work without an access token that is good for a while. Twenty calls at once make one refresh, in
 * however many processes: whoever is first asks the portal, and the others wait for what it brings.
 */
export const tokenCheck: RequestHandler[] = [
  saveFoundTokenSet,
  requireAuth({ freshToken: true }),
  sendTokenCheck,
];

/**
 * Before the guard, which may refresh: between the set that the first call found and the one that the last call left
 * with lie as many refreshes as the number has grown.
 */
function saveFoundTokenSet(req: Request, res: Response, next: NextFunction): void {
  res.locals["foundSet"] = req.session.portal?.version;
  next();
}

async function sendTokenCheck(req: Request, res: Response): Promise<void> {
  const accessToken = await req.portal.accessToken(); // for an API of your own: req.portal.fetch(address)
  const facts = await getTokenFacts(req);
  res.json({ found_set: res.locals["foundSet"], fingerprint: hashToken(accessToken), ...facts });
}

/** Tells tokens apart without giving any of them away: they stay on the server. */
const hashToken = (token: string): string => createHash("sha256").update(token).digest("base64url").slice(-8);
