import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import {
  canLackStrictCookies,
  clearReloadMark,
  hasFetchMetadata,
  isReloadMarkKept,
  isSentByOwnPage,
  keepReloadMark,
  reloadViaInterstitial,
} from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { readQuery } from "../http/parameters.js";
import { type LoginStrength, resolveLoginStrength } from "../login-attempt/login-strength.js";
import { discardNewSession } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { readSession } from "../session/request-session.js";
import { isSameSiteStrict } from "../session/session-cookie.js";
import { epochSeconds } from "../util/time.js";
import { resolveReturnTo } from "./resolve-return-to.js";
import { createStrengthCheck } from "./strength-check.js";

/** The login that the query of the login route requests. */
interface RequestedLogin extends LoginStrength {
  readonly returnTo?: string;
}

/** Marks a URL of the login route that another site led to, and that our interstitial page loads again. */
const FROM_OUTSIDE_PARAMETER = "elsewhere";

/** A longer query is dropped, because it must fit into a response header. */
const MAX_QUERY_CHARACTERS = 3000;

/**
 * Redirects a signed-in user to the return address if no page of this site sent the request. The session
 * stays unchanged, because a link on another site must not replace it.
 *
 * A signed-in user is not redirected in these cases:
 *
 * - The requested login must be stronger than the session's.
 * - This browser has just been redirected in this way. A second redirect could be a loop.
 * - The access token has expired, cannot be refreshed, and the browser sends no Fetch Metadata.
 *
 * If the session cookie is SameSite=Strict, a link on another site does not send it. Then the response is an
 * interstitial page that loads the login route again, so that the session is known.
 *
 * @returns whether the request was answered. If not, the caller starts a login.
 */
export async function redirectIfSignedIn(
  router: RouterContext,
  request: RequestContext,
  options: RequestedLogin,
): Promise<boolean> {
  const { req, res, mount } = request;
  const { settings } = router;
  const query = readQuery(req);
  if (isSentByOwnPage(router, req) && !query.has(FROM_OUTSIDE_PARAMETER)) return false;
  const session = readSession(req, settings);
  // If this redirect was followed already, a script on the return address requests the login, and gets one.
  if (session && !isReloadMarkKept(router, req) && isSufficient(router, req, session, options)) {
    keepReloadMark(router, req, res);
    redirect(res, 303, resolveReturnTo(settings, mount, options.returnTo));
    return true;
  }
  clearReloadMark(router, req, res);
  if (session) return false;
  const isReloadNeeded = isSameSiteStrict(req, settings) && canLackStrictCookies(req);
  if (!isReloadNeeded || query.has(FROM_OUTSIDE_PARAMETER)) return false;
  discardNewSession(req, settings);
  await reloadViaInterstitial(router, req, res, toMarkedQuery(query));
  return true;
}

/** Returns whether the session's login is as strong as the requested one, and can still be used. */
function isSufficient(
  { settings }: RouterContext,
  req: Request,
  session: PortalSession,
  options: RequestedLogin,
): boolean {
  const checkStrength = createStrengthCheck(resolveLoginStrength("login", options));
  if (checkStrength?.(session, settings)) return false;
  // A page whose accessToken() failed sends the user here. An old browser does not show that a page of this
  // site sent the request. Without this check it would be sent back to that page in a loop.
  return hasFetchMetadata(req) || hasUsableTokens(session, epochSeconds(settings.clock));
}

const hasUsableTokens = ({ tokens }: PortalSession, nowSeconds: number): boolean =>
  tokens.refresh_token !== undefined || nowSeconds < (tokens.expires_at ?? Number.POSITIVE_INFINITY);

/**
 * Returns the marked query. It is a relative URL, because a proxy may have removed a prefix from the path.
 */
function toMarkedQuery(query: URLSearchParams): string {
  const marked = new URLSearchParams(query);
  marked.set(FROM_OUTSIDE_PARAMETER, "1");
  return `?${String(marked).length > MAX_QUERY_CHARACTERS ? `${FROM_OUTSIDE_PARAMETER}=1` : marked}`;
}
