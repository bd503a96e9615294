import type { Request } from "express";
import { PortalAuthError } from "../errors.js";
import type { Parts } from "../parts.js";
import { fetchUserInfo } from "../portal/user-info.js";
import type { Claims } from "../tokens.js";
import { freshSession } from "./access-token.js";

/** What the portal tells of the person now; after a 401 it is asked once more, with a token that is new. */
export async function userInfo(parts: Parts, req: Request): Promise<Claims> {
  const portal = await parts.getPortal();
  const session = await freshSession(parts, req);
  const ask = ({ tokens, claims } = session) => fetchUserInfo(portal, tokens.access_token, claims.sub);
  return ask().catch(async (error) => {
    if (!(error instanceof PortalAuthError) || error.code !== "userinfo_refused" || !error.detail?.includes("401"))
      throw error;
    return ask(await freshSession(parts, req, { refused: session.version }));
  });
}
