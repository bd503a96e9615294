import type { Request } from "express";
import { PortalAuthError } from "../errors.js";
import type { Parts } from "../parts.js";
import { fetchUserInfo } from "../portal/user-info.js";
import { placeOf } from "../session/session.js";
import type { PortalSession } from "../session/stored.js";
import type { Claims } from "../tokens.js";
import { freshSession } from "./access-token.js";

/** Beside the origins of APIs, in what is remembered of refused tokens. */
const USERINFO = "userinfo";

/** What the portal tells of the person now; after a 401 it is asked once more, with a token that is new. */
export async function userInfo(parts: Parts, req: Request): Promise<Claims> {
  const session = await freshSession(parts, req); // first: for a visitor nothing is discovered
  const portal = await parts.getPortal();
  const ask = ({ tokens, claims }: PortalSession) => fetchUserInfo(portal, tokens.access_token, claims.sub);
  const told = await ask(session);
  if (told) return told;
  const { id } = placeOf(req);
  if (!parts.refusals.isFinal(id, session.version, USERINFO)) {
    const renewed = await freshSession(parts, req, { refused: session.version });
    const toldNow = await ask(renewed);
    if (toldNow) return toldNow;
    parts.refusals.remember(id, renewed.version, USERINFO);
  }
  throw new PortalAuthError("userinfo_refused", { detail: "userinfo answered 401, to a new token as well" });
}
