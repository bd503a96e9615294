import type { Request } from "express";
import { PortalAuthError } from "../errors.js";
import type { Parts } from "../parts.js";
import { fetchUserInfo } from "../portal/user-info.js";
import type { PortalSession } from "../session/stored.js";
import type { Claims } from "../tokens.js";
import { freshSession, isRefusalFinal } from "./access-token.js";

/** What the portal tells of the person now; after a 401 it is asked once more, with a token that is new. */
export async function userInfo(parts: Parts, req: Request): Promise<Claims> {
  const session = await freshSession(parts, req); // first: for a visitor nothing is discovered
  const portal = await parts.getPortal();
  const ask = ({ tokens, claims }: PortalSession) => fetchUserInfo(portal, tokens.access_token, claims.sub);
  const told = await ask(session);
  if (told) return told;
  // a new login would bring the next token that is refused, and the browser would go round and round
  const canRenew = session.tokens.refresh_token !== undefined && !isRefusalFinal(parts, session);
  const toldNow = canRenew ? await ask(await freshSession(parts, req, { refused: session.version })) : undefined;
  if (toldNow) return toldNow;
  throw new PortalAuthError("userinfo_refused", {
    detail: `userinfo answered 401${canRenew ? ", to a new token as well" : ""}`,
  });
}
