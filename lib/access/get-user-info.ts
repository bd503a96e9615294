import type { Request } from "express";
import type { RouterContext } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { fetchUserInfo } from "../provider/fetch-user-info.js";
import type { PortalSession } from "../session/login-record.js";
import { getFreshSession, refreshRejectedToken } from "./access-token.js";

/**
 * Returns the current claims of the user from the userinfo endpoint. After a 401, the token is refreshed and
 * the request sent once more.
 *
 * @throws PortalAuthError the codes of accessToken(), and those of fetchUserInfo()
 */
export async function getUserInfo(router: RouterContext, req: Request): Promise<Claims> {
  const session = await getFreshSession(router, req); // first, because a visitor must not cause discovery
  const provider = await router.getProvider();
  const request = ({ tokens, claims }: PortalSession) =>
    fetchUserInfo(provider, tokens.access_token, claims.sub);
  const claims = await request(session);
  if (claims) return claims;
  const refreshed = await refreshRejectedToken(router, req, session);
  const newClaims = refreshed && (await request(refreshed));
  if (newClaims) return newClaims;
  // Signing in again could return another token that is rejected. That would be a redirect loop.
  const detail = `userinfo answered 401${refreshed ? ", to a new token as well" : ""}`;
  throw new PortalAuthError("userinfo_refused", { detail });
}
