import type { Request } from "express";
import { isFormPost, isOfficeLink } from "../answer/client.js";
import { goOn } from "../answer/interstitial.js";
import { redirect } from "../answer/redirect.js";
import { isLedByOwnPage } from "../context/navigation-origin.js";
import type { Parts, Visit } from "../context/router-context.js";
import { callHook } from "../contract/hooks.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { addressOf } from "../http/external-url.js";
import { readQuery } from "../http/parameters.js";
import { attemptOf, authorizationUrl, newSeed } from "../provider/authorization-request.js";
import { checkCookieCanBeSet } from "../session/session-cookie.js";
import { checkAuthorizationParams } from "../settings/authorization-params.js";
import type { AuthorizationParams } from "../settings/options.js";
import { landingPage } from "./landing-page.js";
import { checkSessionWasSaved } from "./redirect-loop.js";
import { sendSignInPage } from "./sign-in-page.js";
import { answerSignedIn } from "./signed-in.js";
import { markTried } from "./silent-mark.js";
import { type LoginStrength, type StrengthWanted, settleStrength, strengthIn } from "./strength.js";

/** What `req.portal.login()` is told. */
export interface LoginOptions extends LoginStrength {
  /** Where the user goes after the login: a path of this site, as browsers see it. Default: the start page. */
  readonly returnTo?: string;
  /** Added to the authorization request of this login, over those of the options. */
  readonly authorizationParams?: AuthorizationParams;
}

/** Under which a login begins. */
export interface Circumstances {
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
export async function beginLogin(
  parts: Parts,
  { req, res, mount }: Visit,
  options: LoginOptions = {},
  { silent = false, form }: Circumstances = {},
): Promise<void> {
  const { settings, transactions, getPortal, log } = parts;
  parts.checkHost(req);
  checkCookieCanBeSet(req, settings);
  checkSessionWasSaved(parts, { req });
  const wanted = strengthOf(options);
  const portal = await getPortal(); // before anything is kept: a portal that is down leaves no trace
  const added = checkAuthorizationParams({
    ...(await paramsFor(parts, req)),
    ...options.authorizationParams,
    ...(wanted.acr && { acr_values: wanted.acr.join(" ") }),
  });
  if (wanted.maxAge !== undefined)
    added["max_age"] = String(Math.min(wanted.maxAge, Number(added["max_age"] ?? Number.POSITIVE_INFINITY)));
  const seed = newSeed();
  markTried(res, settings);
  const transaction = {
    seed,
    return_to: landingPage(settings, mount, options.returnTo),
    begun_at: settings.clock(),
    ...(added["max_age"] !== undefined && { max_age: Number(added["max_age"]) }),
    ...(wanted.acr && { acr: wanted.acr }),
    ...(added["scope"] !== undefined && added["scope"] !== settings.scope && { scope: added["scope"] }),
    ...(silent && { silent }),
    ...(!isLedByOwnPage(parts, req) && { elsewhere: true }),
    ...(form !== undefined && { form }),
  };
  const attempt = attemptOf(seed);
  const hrefOf = (state: string) => authorizationUrl(portal, { ...attempt, state }, added).href;
  const { href, name } = transactions.save({ req, res }, transaction, hrefOf);
  res.setHeader("Vary", "*"); // for caches that ignore no-store: the state in this answer is for one browser alone
  if (isFormPost(req)) await goOn(parts.pages, req, res, href);
  else redirect(res, req.method === "GET" ? 302 : 303, href);
  log.tell("login.started", () => ({ login: name, silent }));
}

/** @throws PortalAuthError `authorization_params_invalid` */
function strengthOf(options: LoginOptions): StrengthWanted {
  try {
    return settleStrength("login", options);
  } catch (error) {
    throw new PortalAuthError("authorization_params_invalid", { detail: (error as TypeError).message });
  }
}

async function paramsFor({ settings }: Parts, req: Request): Promise<AuthorizationParams> {
  const { authorizationParams: params } = settings;
  return typeof params === "function" ? callHook("authorizationParams", () => params(req)) : params;
}

/**
 * An image or a script that asks for /login would leave a cookie behind each time, and lead nobody anywhere.
 *
 * @throws PortalAuthError `navigation_required`
 */
export function checkNavigates({ headers }: Request): void {
  if ((headers["sec-fetch-mode"] ?? "navigate") !== "navigate")
    throw new PortalAuthError("navigation_required");
}

/** Reads the login's options from the query of the login route. */
function loginOptionsIn(query: URLSearchParams): LoginOptions {
  const returnTo = query.get("returnTo");
  return { ...(returnTo !== null && { returnTo }), ...strengthIn(query) };
}

/** GET /login */
export function loginStep(parts: Parts) {
  return async function login(visit: Visit): Promise<void> {
    const { req, res, mount } = visit;
    res.setHeader("Vary", "*"); // of every answer, as caches that ignore no-store keep failures too
    checkNavigates(req);
    if (isOfficeLink(req))
      return sendSignInPage(parts, visit, { login: addressOf(parts.settings, mount, req) });
    const options = loginOptionsIn(readQuery(req));
    if (!(await answerSignedIn(parts, visit, options))) await beginLogin(parts, visit, options);
  };
}
