import type { ErrorAnswer } from "../answer/answer-error.js";
import { originOf, type Parts, type Visit } from "../context/router-context.js";
import { returnTo, startPage } from "../http/external-url.js";

/** Answers with status 200 and a page that has a sign-in button. For Microsoft Office: see isOfficeLink(). */
export async function sendSignInPage(
  { pages }: Parts,
  { req, res }: Visit,
  { login }: ErrorAnswer,
): Promise<void> {
  await pages.send(req, res, ({ titles, labels, sentences }) => ({
    kind: "failure",
    title: titles.signInNeeded,
    text: sentences.login_required,
    actions: login === undefined ? [] : [{ label: labels.signIn, href: login }],
  }));
}

/** The page that a form was on, by its Referer: it can be opened by GET. The start page if it is unknown or another site. */
export function pageBefore(parts: Parts, { req, mount }: Visit): string {
  const { referer = "" } = req.headers;
  const home = startPage(parts.settings, mount);
  const origin = originOf(parts);
  return referer.startsWith(`${origin}/`) ? returnTo(referer.slice(origin.length), home) : home;
}
