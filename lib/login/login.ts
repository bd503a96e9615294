import type { Request } from "express";
import { isFormPost, isOfficeLink } from "../answer/client-kind.js";
import { sendInterstitial } from "../answer/interstitial.js";
import { redirect } from "../answer/redirect.js";
import { isSentByOwnPage } from "../context/navigation-origin.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { callHook } from "../hooks/call-hook.js";
import { getRequestUrl } from "../http/external-url.js";
import { readQuery } from "../http/parameters.js";
import type { LoginAttempt } from "../login-attempt/login-attempt.js";
import {
  type LoginStrength,
  parseStrengthQuery,
  type RequiredStrength,
  resolveLoginStrength,
} from "../login-attempt/login-strength.js";
import {
  buildAuthorizationUrl,
  createSeed,
  deriveAttemptSecrets,
} from "../provider/authorization-request.js";
import { checkCookieCanBeSet } from "../session/session-cookie.js";
import { checkAuthorizationParams } from "../settings/check-authorization-params.js";
import type { AuthorizationParams } from "../settings/portal-auth-options.js";
import { omitUndefined } from "../util/omit-undefined.js";
import { redirectIfSignedIn } from "./redirect-if-signed-in.js";
import { checkRedirectLoop } from "./redirect-loop.js";
import { resolveReturnTo } from "./resolve-return-to.js";
import { sendSignInPage } from "./sign-in-page.js";
import { preventSilentLogin } from "./silent-login-cookie.js";

/** The options of `req.portal.login()`. */
export interface LoginOptions extends LoginStrength {
  /**
   * The page after the login: a path of this site, as browsers see it. Default: the start page.
   */
  readonly returnTo?: string;
  /** Parameters for the authorization request of this login. They override those of the options. */
  readonly authorizationParams?: AuthorizationParams;
}

/** Facts that a login stores until its callback, beside the caller's options. */
export interface StartLoginOptions {
  /** Whether no user has requested this login. If it fails, the user sees no error. */
  readonly isSilent?: boolean;
  /** The id of a form that was posted in this request. It is sent after the login. */
  readonly form?: string;
}

/**
 * Starts a login: saves the attempt in its encrypted cookie, and redirects the browser to the provider. After
 * a POST of a form, an interstitial page leads there. The session does not change. The event `login.started`
 * is emitted. If the login begins at another host than that of the redirect URI, a warning is logged.
 *
 * @throws PortalAuthError in these cases. Then no attempt is saved.
 *   - `proxy_not_trusted` or `login_over_http`: the session cookie could not be set.
 *   - `session_not_saved`: the login would be part of a redirect loop.
 *   - `authorization_params_invalid`: a parameter or the required strength is invalid, or too long.
 *   - The provider's discovery failed, or the function `authorizationParams` threw.
 */
export async function startLogin(
  router: RouterContext,
  request: RequestContext,
  options: LoginOptions = {},
  startOptions: StartLoginOptions = {},
): Promise<void> {
  const { req, res } = request;
  const { settings, loginAttempts, getProvider, log } = router;
  router.checkHost(req);
  checkCookieCanBeSet(req, settings);
  checkRedirectLoop(router, { req });
  const strength = resolveStrength(options);
  // This is before any cookie is set: an unreachable provider must not leave an attempt behind.
  const provider = await getProvider();
  const params = await createAuthorizationParams(router, req, options, strength);
  preventSilentLogin(res, settings);
  const loginAttempt = createLoginAttempt(router, request, options, startOptions, strength, params);
  const seeded = deriveAttemptSecrets(loginAttempt.seed);
  const createHref = (state: string) => buildAuthorizationUrl(provider, { ...seeded, state }, params).href;
  const { href, id } = loginAttempts.save({ req, res }, loginAttempt, createHref);
  // Some caches ignore no-store. The state in this response is for one browser only.
  res.setHeader("Vary", "*");
  if (isFormPost(req)) await sendInterstitial(router.pages, req, res, href);
  else redirect(res, req.method === "GET" ? 302 : 303, href);
  log.emit("login.started", () => ({ login: id, silent: loginAttempt.isSilent === true }));
}

function createLoginAttempt(
  router: RouterContext,
  { req, mount }: RequestContext,
  { returnTo }: LoginOptions,
  { isSilent = false, form }: StartLoginOptions,
  { acr }: RequiredStrength,
  params: Readonly<Record<string, string>>,
): LoginAttempt {
  const { settings } = router;
  const { max_age, scope } = params;
  return omitUndefined({
    seed: createSeed(),
    return_to: resolveReturnTo(settings, mount, returnTo),
    started_at: settings.clock(),
    max_age: max_age === undefined ? undefined : Number(max_age),
    acr,
    scope: scope === settings.scope ? undefined : scope,
    isSilent: isSilent ? true : undefined,
    isFromOutside: isSentByOwnPage(router, req) ? undefined : true,
    form,
  });
}

/**
 * Merges the parameters of the authorization request: those of the option, then those of this login, then its
 * strength. The shorter `max_age` counts.
 *
 * @throws PortalAuthError `authorization_params_invalid`
 */
async function createAuthorizationParams(
  router: RouterContext,
  req: Request,
  options: LoginOptions,
  { acr, maxAge }: RequiredStrength,
): Promise<Record<string, string>> {
  const params = checkAuthorizationParams({
    ...(await resolveAuthorizationParams(router, req)),
    ...options.authorizationParams,
    ...omitUndefined({ acr_values: acr?.join(" ") }),
  });
  if (maxAge !== undefined) {
    const givenMaxAge = Number(params["max_age"] ?? Number.POSITIVE_INFINITY);
    params["max_age"] = String(Math.min(maxAge, givenMaxAge));
  }
  return params;
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
 * Rejects requests that load no page, by their Fetch Metadata. An image or a script that requests /login
 * would leave a cookie behind each time, and would not lead the user to the provider. A request without Fetch
 * Metadata is accepted.
 *
 * @throws PortalAuthError `navigation_required`
 */
export function checkIsNavigation({ headers }: Request): void {
  if ((headers["sec-fetch-mode"] ?? "navigate") !== "navigate")
    throw new PortalAuthError("navigation_required");
}

/** Parses the options of a login from the query of the login route. */
function parseLoginOptions(query: URLSearchParams): LoginOptions {
  const returnTo = query.get("returnTo") ?? undefined;
  return { ...omitUndefined({ returnTo }), ...parseStrengthQuery(query) };
}

/**
 * Creates the handler of GET /login. It starts a login, with two exceptions:
 *
 * - Microsoft Office gets a page with a sign-in button.
 * - redirectIfSignedIn() answers some requests that come from another site.
 *
 * The handler throws PortalAuthError `navigation_required`, and the errors of startLogin().
 */
export function createLoginStep(router: RouterContext) {
  return async function login(request: RequestContext): Promise<void> {
    const { req, res, mount } = request;
    // Every response has it, because caches that ignore no-store keep error responses too.
    res.setHeader("Vary", "*");
    checkIsNavigation(req);
    if (isOfficeLink(req)) {
      await sendSignInPage(router, request, { login: getRequestUrl(router.settings, mount, req) });
      return;
    }
    const options = parseLoginOptions(readQuery(req));
    const isAnswered = await redirectIfSignedIn(router, request, options);
    if (!isAnswered) await startLogin(router, request, options);
  };
}
