import type { Request } from "express";
import type { RouterContext } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { fetchUserInfo } from "../provider/fetch-user-info.js";
import type { PortalSession } from "../session/login-record.js";
import { getFreshSession, refreshRejectedToken } from "./access-token.js";

/** What the portal tells of the person now; after a 401 it is asked once more, with a token that is new. */
export async function getUserInfo(router: RouterContext, req: Request): Promise<Claims> {
  const session = await getFreshSession(router, req); // first: for a visitor nothing is discovered
  const provider = await router.getProvider();
  const request = ({ tokens, claims }: PortalSession) =>
    fetchUserInfo(provider, tokens.access_token, claims.sub);
  const claims = await request(session);
  if (claims) return claims;
  const renewed = await refreshRejectedToken(router, req, session);
  const claimsNow = renewed && (await request(renewed));
  if (claimsNow) return claimsNow;
  // and not that the person must sign in: that may bring the next token that is refused, and so round and round
  const detail = `userinfo answered 401${renewed ? ", to a new token as well" : ""}`;
  throw new PortalAuthError("userinfo_refused", { detail });
}
