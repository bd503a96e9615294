import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { sendInterstitial } from "../answer/interstitial.js";
import { getReloadCookieName } from "../http/cookie-names.js";
import { isSameOrigin } from "../http/csrf.js";
import { getOrigin, type RouterContext } from "./router-context.js";

// Which page led the browser to a request: a page of this site, or something else. Another site must not sign
// a user out, and must not replace the session, by a link, a redirect or a form.
//
// A reload via our interstitial page hides the other site: to the browser, a page of this site has sent the
// request that follows. A cookie, the reload mark, shows it.

/**
 * How long the mark counts after our interstitial page, in seconds. The browser follows that page at once.
 * The code exchange at the provider may happen before the next page.
 */
const RELOADED_SECONDS = 60;

/** How long the mark counts after a redirect of ours, in seconds. The browser follows a redirect at once. */
const REDIRECTED_SECONDS = 10;

/** The values of the mark: set by our interstitial page, and kept by a redirect that answered the reload. */
const RELOADED = "1";
const REDIRECTED = "2";

/**
 * Sends a page that loads a URL of this site again, so that the browser sends its SameSite=Strict cookies.
 * Sets the reload mark.
 */
export async function reloadViaInterstitial(
  { pages, settings }: RouterContext,
  req: Request,
  res: Response,
  url: string,
): Promise<void> {
  setReloadMark(res, settings, RELOADED, RELOADED_SECONDS);
  await sendInterstitial(pages, req, res, url);
}

/** Returns whether our interstitial page may have sent this request. */
export const isReloaded = (router: RouterContext, req: Request): boolean =>
  readReloadMark(router, req) !== undefined;

/**
 * Clears the reload mark, because it counts once. A request of another site leaves it, because the mark is
 * not meant for that request.
 */
export function clearReloadMark(router: RouterContext, req: Request, res: Response): void {
  if (isReloaded(router, req) && canComeFromOwnOrigin(req)) setReloadMark(res, router.settings, RELOADED, 0);
}

/**
 * Keeps the reload mark for the request that follows a redirect. Another router of the application may have
 * its logout there. To the browser, a page of this site has sent that request too.
 */
export function keepReloadMark(router: RouterContext, req: Request, res: Response): void {
  if (isReloaded(router, req) && canComeFromOwnOrigin(req))
    setReloadMark(res, router.settings, REDIRECTED, REDIRECTED_SECONDS);
}

/** Returns whether keepReloadMark() has kept the mark, so a redirect has already answered the reload. */
export const isReloadMarkKept = (router: RouterContext, req: Request): boolean =>
  readReloadMark(router, req) === REDIRECTED && canComeFromOwnOrigin(req);

const readReloadMark = ({ settings }: RouterContext, { headers }: Request): string | undefined =>
  parseCookie(headers.cookie ?? "")[getReloadCookieName(settings)];

const canComeFromOwnOrigin = ({ headers }: Request): boolean =>
  (headers["sec-fetch-site"] ?? "same-origin") === "same-origin";

function setReloadMark(
  res: Response,
  settings: RouterContext["settings"],
  value: string,
  maxAge: number,
): void {
  const name = getReloadCookieName(settings);
  const secure = settings.https;
  const cookie = { name, value, path: "/", httpOnly: true, secure, sameSite: "lax", maxAge } as const;
  res.appendHeader("Set-Cookie", stringifySetCookie(cookie));
}

/** Returns whether the browser reports a user's action: a click, or a script that runs after one. */
export const isUserActivated = ({ headers }: Request): boolean => headers["sec-fetch-user"] === "?1";

/**
 * Returns whether this browser omits Sec-Fetch-User even if a user clicked. WebKit does, and all browsers on
 * iOS do (WebKit bug 247697). Chromium has sent the header since version 76, Firefox since 90. Both began to
 * send the other Fetch Metadata headers with the same version. A page cannot change the User-Agent of a
 * navigation.
 */
export function omitsUserActivation({ headers }: Request): boolean {
  const userAgent = headers["user-agent"] ?? "";
  return userAgent.includes("AppleWebKit/") && !/Chrom(e|ium)\//.test(userAgent);
}

/**
 * Returns whether a page of this site sent this request. Fetch Metadata (section 2.3) shows it, else Origin,
 * else Referer, which a page of another site can only omit. A reload via our interstitial page does not
 * count, unless the user clicked.
 */
export function isSentByOwnPage(router: RouterContext, req: Request): boolean {
  const { headers } = req;
  const origin = getOrigin(router);
  const isOwn = isSameOrigin(headers, origin) || (!hasFetchMetadata(req) && isBelow(headers.referer, origin));
  return isOwn && (isUserActivated(req) || !isReloaded(router, req));
}

const isBelow = (referer: string | undefined, origin: string): boolean =>
  referer?.startsWith(`${origin}/`) === true;

/** Returns whether the browser sends Fetch Metadata. All current browsers do. */
export const hasFetchMetadata = ({ headers }: Request): boolean => headers["sec-fetch-site"] !== undefined;

/**
 * Returns whether SameSite=Strict cookies may be missing from this request, because another site led here.
 */
export const canLackStrictCookies = ({ headers }: Request): boolean =>
  (headers["sec-fetch-site"] ?? "cross-site") === "cross-site";
