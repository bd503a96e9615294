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
import { epochSeconds } from "../contract/clock.js";
import { readQuery } from "../http/parameters.js";
import { type LoginStrength, resolveLoginStrength } from "../login-attempt/login-strength.js";
import { dropNewSession } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { readSession } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";
import { resolveReturnTo } from "./resolve-return-to.js";
import { createStrengthCheck } from "./strength-check.js";

/** What the query of the login route asks for. */
interface RequestedLogin extends LoginStrength {
  readonly returnTo?: string;
}

/**
 * In the address of the login route: another site led to it, and our interstitial page has loaded it anew.
 */
const FROM_OUTSIDE_PARAMETER = "elsewhere";

/** A longer query is dropped: a response header has to carry it. */
const MAX_QUERY_CHARACTERS = 3000;

/**
 * Answers the login route if the user is signed in already and no page of this site sent the request. The
 * user goes on to the return address, and the session stays as it is: a link on another site must not
 * replace it. A login that must be stronger than the one of the session begins all the same.
 *
 * @returns whether the request was answered
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
  // If a redirect was followed already, a script on the return address asks for a login, and gets one.
  if (session && !isReloadMarkKept(router, req) && isSufficient(router, req, session, options)) {
    keepReloadMark(router, req, res);
    redirect(res, 303, resolveReturnTo(settings, mount, options.returnTo));
    return true;
  }
  clearReloadMark(router, req, res);
  if (session) return false;
  if (!isStrict(req, settings) || !canLackStrictCookies(req) || query.has(FROM_OUTSIDE_PARAMETER))
    return false;
  dropNewSession(req, settings);
  await reloadViaInterstitial(router, req, res, toMarkedQuery(query));
  return true;
}

/** Tells whether the login of a session is as strong as the one that is asked for. */
function isSufficient(
  { settings }: RouterContext,
  req: Request,
  session: PortalSession,
  options: RequestedLogin,
): boolean {
  const weakness = createStrengthCheck(resolveLoginStrength("login", options))?.(session, settings);
  if (weakness) return false;
  // A page whose accessToken() failed sends the user here. An old browser does not say that it was a page
  // of this site, and would be sent back to that page again and again.
  return hasFetchMetadata(req) || hasUsableTokens(session, epochSeconds(settings.clock));
}

const hasUsableTokens = ({ tokens }: PortalSession, nowSeconds: number): boolean =>
  tokens.refresh_token !== undefined || nowSeconds < (tokens.expires_at ?? Number.POSITIVE_INFINITY);

/** The same address, relative to itself: a proxy may have removed a prefix from it. */
function toMarkedQuery(query: URLSearchParams): string {
  const marked = new URLSearchParams(query);
  marked.set(FROM_OUTSIDE_PARAMETER, "1");
  return `?${String(marked).length > MAX_QUERY_CHARACTERS ? `${FROM_OUTSIDE_PARAMETER}=1` : marked}`;
}
