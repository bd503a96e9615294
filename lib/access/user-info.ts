import type { Request } from "express";
import type { RouterContext } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { fetchUserInfo } from "../provider/fetch-user-info.js";
import type { PortalSession } from "../session/login-record.js";
import { freshSession, renewRefused } from "./access-token.js";

/** What the portal tells of the person now; after a 401 it is asked once more, with a token that is new. */
export async function userInfo(router: RouterContext, req: Request): Promise<Claims> {
  const session = await freshSession(router, req); // first: for a visitor nothing is discovered
  const provider = await router.getProvider();
  const ask = ({ tokens, claims }: PortalSession) => fetchUserInfo(provider, tokens.access_token, claims.sub);
  const told = await ask(session);
  if (told) return told;
  const renewed = await renewRefused(router, req, session);
  const toldNow = renewed && (await ask(renewed));
  if (toldNow) return toldNow;
  // and not that the person must sign in: that may bring the next token that is refused, and so round and round
  const detail = `userinfo answered 401${renewed ? ", to a new token as well" : ""}`;
  throw new PortalAuthError("userinfo_refused", { detail });
}
