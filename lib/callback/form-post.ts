import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import { reloadViaInterstitial } from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { POSTED_PARAMETER, readFormOrThrow, readQuery } from "../http/parameters.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";
import { dropNewSession } from "../session/end-session.js";
import { isStrict } from "../session/session-cookie.js";
import { parseAuthorizationResponse } from "./authorization-response.js";

/**
 * POST /callback, for `response_mode=form_post`: what was posted is handed on to GET, sealed, as a code belongs into no
 * address. A POST from the portal's page carries no SameSite=Lax cookie, and the GET that follows does: so the login need
 * not have a cookie that every site can send, and the session of before is there to be ended.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function createFormPostStep(router: RouterContext) {
  return async function handOn({ req, res }: RequestContext): Promise<void> {
    const response = parseAuthorizationResponse(
      await readFormOrThrow(req, "callback_invalid"),
      listSecrets(router),
    );
    const isHidden = isStrict(req, router.settings);
    dropNewSession(req, router.settings);
    if (isHidden) await reloadViaInterstitial(router, req, res, toCallbackQuery(router, response));
    else redirect(res, 303, toCallbackQuery(router, response));
  };
}

/** In characters. nginx refuses a request line above 8 KiB by default, with a page that says nothing. */
const MAX_URL_CHARACTERS = 8000;

/**
 * The address of the GET that finishes the login, relative to the callback as the browser knows it: a proxy may have removed
 * a prefix.
 *
 * @throws PortalAuthError `callback_invalid` for an answer that makes the address too long
 */
function toCallbackQuery(
  { responseEncryption: posted }: RouterContext,
  response: AuthorizationResponse,
): string {
  const address = `?${new URLSearchParams({ [POSTED_PARAMETER]: posted.encrypt(response) })}`;
  if (address.length <= MAX_URL_CHARACTERS) return address;
  const detail = `the answer is too long to pass on: an address of ${address.length} characters, over ${MAX_URL_CHARACTERS}`;
  throw new PortalAuthError("callback_invalid", { detail });
}

const listSecrets = ({ settings }: RouterContext): readonly (string | undefined)[] => [
  settings.clientSecret,
  ...settings.secrets,
];

/**
 * What the portal answered, whether it came in the query or was posted.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function readAuthorizationResponse(router: RouterContext, req: Request): AuthorizationResponse {
  const query = readQuery(req);
  const sealed = query.get(POSTED_PARAMETER);
  if (sealed === null) return parseAuthorizationResponse(query, listSecrets(router));
  const response = router.responseEncryption.decrypt(sealed) as AuthorizationResponse | undefined;
  if (!response)
    throw new PortalAuthError("callback_invalid", { detail: `${POSTED_PARAMETER} cannot be opened` });
  return response;
}

/**
 * Whether the session's cookie is SameSite=Strict and stayed away, as the portal has led here: then the callback comes a
 * second time, led by a page of ours. So the session of before is there to be ended, and the page that is wanted, which
 * is but another redirect, finds the new one.
 */
export async function reloadForStrictCookies(
  router: RouterContext,
  { req, res }: RequestContext,
  response: AuthorizationResponse,
): Promise<boolean> {
  const isLedHere = (req.headers["sec-fetch-site"] ?? "cross-site") === "cross-site";
  if (!isStrict(req, router.settings) || !isLedHere || readQuery(req).has(POSTED_PARAMETER)) return false;
  dropNewSession(req, router.settings);
  await reloadViaInterstitial(router, req, res, toCallbackQuery(router, response));
  return true;
}
