import type { ErrorResponseOptions } from "../answer/send-error-response.js";
import { getOrigin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { getStartPage, sanitizeReturnTo } from "../http/external-url.js";

/** Answers with status 200 and a page that has a sign-in button. For Microsoft Office: see isOfficeLink(). */
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

/** The page that a form was on, by its Referer: it can be opened by GET. The start page if it is unknown or another site. */
export function findRefererPage(router: RouterContext, { req, mount }: RequestContext): string {
  const { referer = "" } = req.headers;
  const home = getStartPage(router.settings, mount);
  const origin = getOrigin(router);
  return referer.startsWith(`${origin}/`) ? sanitizeReturnTo(referer.slice(origin.length), home) : home;
}
