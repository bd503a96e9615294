import type { Request } from "express";
import {
  hasFetchMetadata,
  isReloaded,
  isUserActivated,
  omitsUserActivation,
} from "../context/navigation-origin.js";
import { getOrigin, type RouterContext } from "../context/router-context.js";
import { isSameOrigin } from "../http/csrf.js";
import { readForm } from "../http/parameters.js";
import { getSessionId } from "../session/request-session.js";

const CONFIRM_WITHIN_MS = 10 * 60 * 1000;

/**
 * Whether this logout is the person's own wish: a link or form on another site must not log anybody out.
 * Browsers tell where a request comes from (Fetch Metadata Request Headers, section 2.3); one that does not
 * must post what our own page gave it. `none` is the address bar, but also a link in an e-mail that another
 * site redirects here: asked.
 */
export async function isLogoutIntended(router: RouterContext, req: Request): Promise<boolean> {
  const isOwn = isSameOrigin(req.headers, getOrigin(router));
  if (hasFetchMetadata(req)) return isOwn && isUserActionOnPage(router, req);
  if (req.method !== "POST") return false;
  if (isOwn) return true;
  const form = await readForm(req).catch(() => undefined); // not a form: not ours
  return isConfirmed(router, req, form?.get("confirmation"));
}

/**
 * Tells whether a same-origin request is a link that was clicked, a form, or a script that posts. An image,
 * a font, a frame, a preload or a `<meta http-equiv=refresh>` in content that users write is same-origin
 * too, and no user's decision.
 */
function isUserActionOnPage(router: RouterContext, req: Request): boolean {
  const { method, headers } = req;
  const mode = headers["sec-fetch-mode"];
  const dest = headers["sec-fetch-dest"];
  if (mode === "navigate")
    return (dest === undefined || dest === "document") && (method !== "GET" || isClicked(router, req));
  return method === "POST" && mode !== "no-cors" && (dest === undefined || dest === "empty");
}

/**
 * Tells whether a user led to this navigation. Browsers say so by Sec-Fetch-User (Fetch Metadata, section
 * 2.4). WebKit does not send it: there every navigation counts that our interstitial page did not cause.
 */
const isClicked = (router: RouterContext, req: Request): boolean =>
  isUserActivated(req) || (omitsUserActivation(req) && !isReloaded(router, req));

/** The hidden fields that make a POST ours: sealed, for this session, for ten minutes. */
export function createConfirmationFields(
  { confirmationEncryption: confirmations, settings }: RouterContext,
  req: Request,
): Record<string, string> {
  const encrypted = confirmations.encrypt({
    session: getSessionId(req, settings),
    until: Date.now() + CONFIRM_WITHIN_MS,
  });
  return { confirmation: encrypted };
}

function isConfirmed(
  { confirmationEncryption: confirmations, settings }: RouterContext,
  req: Request,
  encrypted: string | null | undefined,
): boolean {
  const decrypted = encrypted
    ? (confirmations.decrypt(encrypted) as { session: string; until: number } | undefined)
    : undefined;
  return (
    decrypted !== undefined &&
    decrypted.session === getSessionId(req, settings) &&
    decrypted.until > Date.now()
  );
}
