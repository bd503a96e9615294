import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import { reloadViaInterstitial } from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { POSTED_PARAMETER, readFormOrThrow, readQuery } from "../http/parameters.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";
import { discardNewSession } from "../session/end-session.js";
import { isSameSiteStrict } from "../session/session-cookie.js";
import { parseAuthorizationResponse } from "./authorization-response.js";

/**
 * Creates the handler of POST /callback, for `response_mode=form_post`. It redirects to GET with the posted
 * response as an encrypted parameter, because a URL must not contain a code in clear text.
 *
 * A POST from the provider's page carries no SameSite=Lax cookies, but the GET that follows does. Therefore
 * the login's cookie can be Lax, and the browser's previous session can be ended.
 *
 * If the session cookie is SameSite=Strict, an interstitial page loads that URL instead of a redirect, so
 * that the browser sends the cookie.
 *
 * The handler throws PortalAuthError `callback_invalid` in these cases:
 *
 * - The body is not a form, or has over 64 KiB.
 * - The response in the form is invalid, or makes the URL too long.
 */
export function createFormPostStep(router: RouterContext) {
  return async function redirectToGet({ req, res }: RequestContext): Promise<void> {
    const form = await readFormOrThrow(req, "callback_invalid");
    const response = parseAuthorizationResponse(form, listSecrets(router));
    const isSessionHidden = isSameSiteStrict(req, router.settings);
    discardNewSession(req, router.settings);
    const url = toCallbackQuery(router, response);
    if (isSessionHidden) await reloadViaInterstitial(router, req, res, url);
    else redirect(res, 303, url);
  };
}

/** By default, nginx rejects a request line above 8 KiB, with a page that does not name the cause. */
const MAX_URL_CHARACTERS = 8000;

/**
 * Returns the URL of the GET that finishes the login. It is relative to the callback, because a proxy may
 * have removed a prefix from the path.
 *
 * @throws PortalAuthError `callback_invalid` if the response makes the URL too long
 */
function toCallbackQuery({ responseEncryption }: RouterContext, response: AuthorizationResponse): string {
  const url = `?${new URLSearchParams({ [POSTED_PARAMETER]: responseEncryption.encrypt(response) })}`;
  if (url.length <= MAX_URL_CHARACTERS) return url;
  const need = `it needs a URL of ${url.length} characters, over ${MAX_URL_CHARACTERS}`;
  throw new PortalAuthError("callback_invalid", { detail: `the response is too long: ${need}` });
}

const listSecrets = ({ settings }: RouterContext): readonly (string | undefined)[] => [
  settings.clientSecret,
  ...settings.secrets,
];

/**
 * Returns the authorization response from the query: its parameters, or the posted response that
 * createFormPostStep() has encrypted.
 *
 * @throws PortalAuthError `callback_invalid` if the response is invalid or cannot be decrypted
 */
export function readAuthorizationResponse(router: RouterContext, req: Request): AuthorizationResponse {
  const query = readQuery(req);
  const encrypted = query.get(POSTED_PARAMETER);
  if (encrypted === null) return parseAuthorizationResponse(query, listSecrets(router));
  const response = router.responseEncryption.decrypt(encrypted) as AuthorizationResponse | undefined;
  if (!response)
    throw new PortalAuthError("callback_invalid", { detail: `${POSTED_PARAMETER} cannot be decrypted` });
  return response;
}

/**
 * Loads the callback again, once, via our interstitial page if the session's cookie is SameSite=Strict.
 * Browsers omit such a cookie, because the provider's site led here. After the reload, the previous session
 * can be ended, and the page that the login redirects to gets the new session's cookie.
 *
 * @returns whether the interstitial page was sent
 * @throws PortalAuthError `callback_invalid` if the response makes the URL too long
 */
export async function reloadForStrictCookies(
  router: RouterContext,
  { req, res }: RequestContext,
  response: AuthorizationResponse,
): Promise<boolean> {
  const isCrossSite = (req.headers["sec-fetch-site"] ?? "cross-site") === "cross-site";
  if (!isSameSiteStrict(req, router.settings) || !isCrossSite || readQuery(req).has(POSTED_PARAMETER))
    return false;
  discardNewSession(req, router.settings);
  await reloadViaInterstitial(router, req, res, toCallbackQuery(router, response));
  return true;
}
