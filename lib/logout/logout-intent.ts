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
 * Returns whether the user intends this logout. A link or form on another site must not sign the user out.
 * Browsers report the origin of a request (Fetch Metadata Request Headers, section 2.3). A browser that does
 * not report it must post the fields of our confirmation page.
 *
 * `Sec-Fetch-Site: none` can mean the address bar, but also a link in an e-mail that another site redirects
 * here. In this case the user must confirm the logout.
 */
export async function isLogoutIntended(router: RouterContext, req: Request): Promise<boolean> {
  const isOwn = isSameOrigin(req.headers, getOrigin(router));
  if (hasFetchMetadata(req)) return isOwn && isUserActionOnPage(router, req);
  if (req.method !== "POST") return false;
  if (isOwn) return true;
  const form = await readForm(req).catch(() => undefined); // our page posts a form
  return isConfirmed(router, req, form?.get("confirmation"));
}

/**
 * Returns whether a same-origin request is a clicked link, a form, or a script that posts. Content that users
 * write can cause same-origin requests without a user's decision. Examples are an image, a font, a frame, a
 * preload and a `<meta http-equiv=refresh>`.
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
 * Returns whether a user caused this navigation. Browsers report that with Sec-Fetch-User (Fetch Metadata,
 * section 2.4). WebKit does not send this header. There, every navigation counts except those of our
 * interstitial page.
 */
const isClicked = (router: RouterContext, req: Request): boolean =>
  isUserActivated(req) || (omitsUserActivation(req) && !isReloaded(router, req));

/**
 * Creates the hidden fields that prove that our page sent the POST. They are encrypted, and valid for this
 * session and for 10 minutes.
 */
export function createConfirmationFields(
  { confirmationEncryption, settings }: RouterContext,
  req: Request,
): Record<string, string> {
  const encrypted = confirmationEncryption.encrypt({
    session: getSessionId(req, settings),
    until: Date.now() + CONFIRM_WITHIN_MS,
  });
  return { confirmation: encrypted };
}

function isConfirmed(
  { confirmationEncryption, settings }: RouterContext,
  req: Request,
  encrypted: string | null | undefined,
): boolean {
  const decrypted = encrypted
    ? (confirmationEncryption.decrypt(encrypted) as { session: string; until: number } | undefined)
    : undefined;
  return (
    decrypted !== undefined &&
    decrypted.session === getSessionId(req, settings) &&
    decrypted.until > Date.now()
  );
}
