import type { ErrorResponseOptions } from "../answer/send-error-response.js";
import { getOrigin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { getStartPage } from "../http/external-url.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";

/**
 * Sends a page with a sign-in button and status 200. Without a URL of a login, the page has no button.
 * Microsoft Office needs this page: see isOfficeLink().
 */
export async function sendSignInPage(
  { pages }: RouterContext,
  { req, res }: RequestContext,
  { login }: ErrorResponseOptions,
): Promise<void> {
  await pages.send(req, res, ({ titles, labels, sentences }) => ({
    kind: "failure",
    title: titles.signInNeeded,
    text: sentences.login_required,
    actions: login === undefined ? [] : [{ label: labels.signIn, href: login }],
  }));
}

/**
 * Returns the page that sent this request, by its Referer header. A login that a POST starts returns there,
 * because the browser can load that page by GET. Without a Referer of this site it is the start page.
 */
export function findRefererPage(router: RouterContext, { req, mount }: RequestContext): string {
  const { referer = "" } = req.headers;
  const home = getStartPage(router.settings, mount);
  const origin = getOrigin(router);
  return referer.startsWith(`${origin}/`) ? sanitizeReturnTo(referer.slice(origin.length), home) : home;
}
