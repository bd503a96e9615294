import type { Request } from "express";
import { isFormPost, isOfficeLink } from "../answer/client-kind.js";
import { sendInterstitial } from "../answer/interstitial.js";
import { redirect } from "../answer/redirect.js";
import { isSentByOwnPage } from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { callHook } from "../contract/hooks.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getRequestUrl } from "../http/external-url.js";
import { readQuery } from "../http/parameters.js";
import {
  type LoginStrength,
  parseStrengthQuery,
  type RequiredStrength,
  resolveLoginStrength,
} from "../login-attempt/login-strength.js";
import { attemptOf, authorizationUrl, newSeed } from "../provider/authorization-request.js";
import { checkCookieCanBeSet } from "../session/session-cookie.js";
import { checkAuthorizationParams } from "../settings/authorization-params.js";
import type { AuthorizationParams } from "../settings/options.js";
import { redirectIfSignedIn } from "./redirect-if-signed-in.js";
import { checkRedirectLoop } from "./redirect-loop.js";
import { resolveReturnTo } from "./resolve-return-to.js";
import { sendSignInPage } from "./sign-in-page.js";
import { preventSilentLogin } from "./silent-login-cookie.js";

/** What `req.portal.login()` is told. */
export interface LoginOptions extends LoginStrength {
  /** Where the user goes after the login: a path of this site, as browsers see it. Default: the start page. */
  readonly returnTo?: string;
  /** Added to the authorization request of this login, over those of the options. */
  readonly authorizationParams?: AuthorizationParams;
}

/** Under which a login begins. */
export interface StartLoginOptions {
  /** Whether nobody has asked for it: then nobody is shown how it failed. */
  readonly silent?: boolean;
  /** The id of a form that was posted in this request, and is kept until the login is done. */
  readonly form?: string;
}

/**
 * Begins a login: the attempt into its sealed cookie, the browser to the portal. Nothing is written to the session.
 *
 * @param circumstances what is remembered of it until it is finished
 */
export async function startLogin(
  router: RouterContext,
  { req, res, mount }: RequestContext,
  options: LoginOptions = {},
  { silent = false, form }: StartLoginOptions = {},
): Promise<void> {
  const { settings, loginAttempts, getProvider, log } = router;
  router.checkHost(req);
  checkCookieCanBeSet(req, settings);
  checkRedirectLoop(router, { req });
  const wanted = resolveStrength(options);
  const provider = await getProvider(); // before anything is kept: a portal that is down leaves no trace
  const added = checkAuthorizationParams({
    ...(await resolveAuthorizationParams(router, req)),
    ...options.authorizationParams,
    ...(wanted.acr && { acr_values: wanted.acr.join(" ") }),
  });
  if (wanted.maxAge !== undefined)
    added["max_age"] = String(Math.min(wanted.maxAge, Number(added["max_age"] ?? Number.POSITIVE_INFINITY)));
  const seed = newSeed();
  preventSilentLogin(res, settings);
  const transaction = {
    seed,
    return_to: resolveReturnTo(settings, mount, options.returnTo),
    begun_at: settings.clock(),
    ...(added["max_age"] !== undefined && { max_age: Number(added["max_age"]) }),
    ...(wanted.acr && { acr: wanted.acr }),
    ...(added["scope"] !== undefined && added["scope"] !== settings.scope && { scope: added["scope"] }),
    ...(silent && { silent }),
    ...(!isSentByOwnPage(router, req) && { elsewhere: true }),
    ...(form !== undefined && { form }),
  };
  const attempt = attemptOf(seed);
  const hrefOf = (state: string) => authorizationUrl(provider, { ...attempt, state }, added).href;
  const { href, id: name } = loginAttempts.save({ req, res }, transaction, hrefOf);
  res.setHeader("Vary", "*"); // for caches that ignore no-store: the state in this answer is for one browser alone
  if (isFormPost(req)) await sendInterstitial(router.pages, req, res, href);
  else redirect(res, req.method === "GET" ? 302 : 303, href);
  log.emit("login.started", () => ({ login: name, silent }));
}

/** @throws PortalAuthError `authorization_params_invalid` */
function resolveStrength(options: LoginOptions): RequiredStrength {
  try {
    return resolveLoginStrength("login", options);
  } catch (error) {
    throw new PortalAuthError("authorization_params_invalid", { detail: (error as TypeError).message });
  }
}

async function resolveAuthorizationParams(
  { settings }: RouterContext,
  req: Request,
): Promise<AuthorizationParams> {
  const { authorizationParams: params } = settings;
  return typeof params === "function" ? callHook("authorizationParams", () => params(req)) : params;
}

/**
 * An image or a script that asks for /login would leave a cookie behind each time, and lead nobody anywhere.
 *
 * @throws PortalAuthError `navigation_required`
 */
export function checkIsNavigation({ headers }: Request): void {
  if ((headers["sec-fetch-mode"] ?? "navigate") !== "navigate")
    throw new PortalAuthError("navigation_required");
}

/** Reads the login's options from the query of the login route. */
function parseLoginOptions(query: URLSearchParams): LoginOptions {
  const returnTo = query.get("returnTo");
  return { ...(returnTo !== null && { returnTo }), ...parseStrengthQuery(query) };
}

/** GET /login */
export function createLoginStep(router: RouterContext) {
  return async function login(request: RequestContext): Promise<void> {
    const { req, res, mount } = request;
    res.setHeader("Vary", "*"); // of every answer, as caches that ignore no-store keep failures too
    checkIsNavigation(req);
    if (isOfficeLink(req))
      return sendSignInPage(router, request, { login: getRequestUrl(router.settings, mount, req) });
    const options = parseLoginOptions(readQuery(req));
    if (!(await redirectIfSignedIn(router, request, options))) await startLogin(router, request, options);
  };
}
