import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { sendInterstitial } from "../answer/interstitial.js";
import { getReloadCookieName } from "../http/cookie-names.js";
import { isSameOrigin } from "../http/csrf.js";
import { getOrigin, type RouterContext } from "./router-context.js";

// Which page led the browser to a request: a page of this site, or something else. Another site must not
// sign a user out, nor replace their session, by a link, a redirect or a form.

/**
 * How long the mark of our interstitial page counts, in seconds. The browser follows that page at once.
 * Behind it may lie the code exchange at the provider.
 */
const RELOADED_SECONDS = 60;

/** How long the mark counts after a redirect of ours, in seconds. The browser follows a redirect at once. */
const REDIRECTED_SECONDS = 10;

/** The values of the mark: set by our interstitial page, and kept by a redirect that answered its request. */
const RELOADED = "1";
const REDIRECTED = "2";

/**
 * Answers with a page that loads an address of this site anew, so that SameSite=Strict cookies come along.
 * The request that follows looks as if a page of this site had sent it, although another site has led here.
 * A cookie marks that.
 */
export async function reloadViaInterstitial(
  { pages, settings }: RouterContext,
  req: Request,
  res: Response,
  to: string,
): Promise<void> {
  setReloadMark(res, settings, RELOADED, RELOADED_SECONDS);
  await sendInterstitial(pages, req, res, to);
}

/** Tells whether our interstitial page may have sent this request. */
export const isReloaded = (router: RouterContext, req: Request): boolean =>
  readReloadMark(router, req) !== undefined;

/**
 * Removes the mark after it was looked at: it counts once. A request from another site leaves it, as it is not the one
 * that the mark is for.
 */
export function clearReloadMark(router: RouterContext, req: Request, res: Response): void {
  if (isReloaded(router, req) && canComeFromOwnOrigin(req)) setReloadMark(res, router.settings, RELOADED, 0);
}

/**
 * Keeps the mark for the request that follows a redirect. Another router of the application may have its logout there,
 * and to the browser a page of this site has caused that request, too.
 */
export function keepReloadMark(router: RouterContext, req: Request, res: Response): void {
  if (isReloaded(router, req) && canComeFromOwnOrigin(req))
    setReloadMark(res, router.settings, REDIRECTED, REDIRECTED_SECONDS);
}

/** Tells whether keepBounce() has kept the mark already: a redirect answered the request of our interstitial page. */
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

/** Tells whether the browser reports that a user did this: a click, or a script that runs after one. */
export const isUserActivated = ({ headers }: Request): boolean => headers["sec-fetch-user"] === "?1";

/**
 * Tells whether this browser omits Sec-Fetch-User even where a user clicked. WebKit does, and so do all
 * browsers on iOS (WebKit bug 247697). Chromium has sent the header since version 76, Firefox since 90,
 * each as long as the other Fetch Metadata headers. A page cannot change the User-Agent of a navigation.
 */
export function omitsUserActivation({ headers }: Request): boolean {
  const userAgent = headers["user-agent"] ?? "";
  return userAgent.includes("AppleWebKit/") && !/Chrom(e|ium)\//.test(userAgent);
}

/**
 * Tells whether a page of this site led the browser here: by Fetch Metadata (section 2.3), else by Origin,
 * else by Referer, which a page of another site can only omit.
 */
export function isSentByOwnPage(router: RouterContext, req: Request): boolean {
  const { headers } = req;
  const origin = getOrigin(router);
  const isOwn = isSameOrigin(headers, origin) || (!hasFetchMetadata(req) && isBelow(headers.referer, origin));
  return isOwn && (isUserActivated(req) || !isReloaded(router, req));
}

const isBelow = (referer: string | undefined, origin: string): boolean =>
  referer?.startsWith(`${origin}/`) === true;

/** Tells whether the browser sends Fetch Metadata: all current ones do. */
export const hasFetchMetadata = ({ headers }: Request): boolean => headers["sec-fetch-site"] !== undefined;

/** Tells whether SameSite=Strict cookies may be missing from this request, because another site led here. */
export const canLackStrictCookies = ({ headers }: Request): boolean =>
  (headers["sec-fetch-site"] ?? "cross-site") === "cross-site";
