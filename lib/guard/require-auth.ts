import type { NextFunction, Request, RequestHandler, Response } from "express";
import { getFreshSession } from "../access/access-token.js";
import { consoleLog } from "../answer/log.js";
import { isExpressRequest, rejectNonExpressRequest } from "../answer/non-express-request.js";
import type { Claims } from "../contract/tokens.js";
import { admitSavedForm, hasPendingForm } from "../form/admit-saved-form.js";
import { type KeepFormOptions, resolveKeepForm } from "../form/keep-form-options.js";
import { type CsrfOptions, resolveCsrf } from "../http/csrf.js";
import {
  type LoginStrength,
  rejectUndefined,
  resolveLoginStrength,
} from "../login-attempt/login-strength.js";
import { type GuardedLocals, type NamedGuardLocals, RequestPortal } from "../request-portal.js";
import { assertFactoryCall } from "../util/assert-factory-call.js";
import { type ChallengeOptions, sendLoginChallenge } from "./challenge.js";
import { isCrossSiteRequest, rejectCrossSiteRequest } from "./cross-site.js";
import { createPortalFinder, sendPortalMissing } from "./find-portal.js";
import { makeResponsePrivate } from "./private-cache.js";
import type { ClaimDemands, RequiredRights } from "./required-rights.js";
import { createRequirementsCheck, sendRejection } from "./requirements.js";
import { sendTokenFailure } from "./send-token-failure.js";

/** What requireAuth() is told. `MyClaims` are what your portal tells, or your onLogin keeps, beside the standard claims. */
export interface RequireAuthOptions<MyClaims = Claims> extends LoginStrength {
  /** Whose login is wanted: the option `name` of that portalAuth(). Default: that of `req.portal`. */
  portal?: string;
  /**
   * Where the user returns after the login: a path of this site, as browsers see it. Default: the address of
   * the request.
   */
  returnTo?: string | ((req: Request) => string);
  /**
   * Whether the handler is to find an access token that is good for PORTAL_REFRESH_LEEWAY, refreshed first when it was
   * not. Who must sign in again for that is treated like somebody who is not logged in; a portal that cannot be asked
   * gives 503. Default false.
   */
  freshToken?: boolean;
  /**
   * What the access token must allow: a scope, several separated by spaces, or a list, all of which must have been granted.
   * Otherwise 403 `insufficient_scope` (RFC 6750, section 3.1). Default none.
   */
  scope?: string | readonly string[];
  /**
   * What the claims must say, by name: a value, a list of which one is enough, or a function of the value and all claims that
   * gives true. Of a claim that is a list one member is enough. Otherwise 403 `not_permitted`. Default nothing.
   */
  claims?: ClaimDemands<MyClaims>;
  /** A role, or a list of which the person must have one, in the claim that the option `rolesClaim` names. Otherwise 403 `not_permitted`. */
  roles?: string | readonly string[];
  /**
   * Whether a request that may change something (every method but GET, HEAD, OPTIONS and TRACE) must show that a page of
   * this site has sent it: by a header that a form cannot set (`X-CSRF`, with any value), by `Sec-Fetch-Site: same-origin`,
   * which browsers send by themselves, or, without that one, by its Origin. Others get 403 `cross_site_refused`, whoever
   * is logged in. Default false.
   */
  csrf?: boolean | CsrfOptions;
  /**
   * Whether a form (`application/x-www-form-urlencoded`) that a page of this origin posts is kept if the session has ended:
   * encrypted, in the session store, for ten minutes. The user signs in, sees a page that names the signed-in user, and sends
   * the form or discards it. It arrives at most once. Files are never kept. Default false: such a form gets 401.
   */
  keepForm?: boolean | KeepFormOptions;
  /**
   * Whether answers behind the guard get `Cache-Control: private, no-cache` where the application sets neither Cache-Control
   * nor Expires, so that no shared cache keeps them for other users (RFC 9111, section 5.2.2.7). Default true.
   */
  cacheControl?: boolean;
}

/**
 * A guard, for TypeScript: the handlers behind it in the same call get a request whose `portal.claims` are there, and are
 * MyClaims. It says nothing of parameters or bodies, which stay what the route makes of them.
 */
export type AuthenticatedHandler<MyClaims = Claims> = (
  req: Express.Request,
  // biome-ignore lint/suspicious/noExplicitAny: what Express's own handlers have there
  res: Response<any, Record<string, any> & GuardedLocals<MyClaims>>,
  next: NextFunction,
) => void;

/** The same for a guard that asks a portalAuth() with a name: its login is at `req.portals[name]`. */
export type NamedAuthenticatedHandler<MyClaims = Claims, Name extends string = string> = (
  req: Express.Request,
  // biome-ignore lint/suspicious/noExplicitAny: what Express's own handlers have there
  res: Response<any, Record<string, any> & NamedGuardLocals<MyClaims, Name>>,
  next: NextFunction,
) => void;

/**
 * Lets a request pass when somebody is logged in. A browser that navigates is sent to the portal and comes back to the
 * page that it wanted; anything else (fetch, an image, a POST) gets 401 as problem+json, and no login begins.
 *
 * In TypeScript `requireAuth<MyClaims>()` tells the handlers behind it what the claims are.
 *
 * @throws TypeError when the app starts: an option that does not exist, has the wrong type, or demands without a value
 */
export function requireAuth<MyClaims = Claims>(
  options?: RequireAuthOptions<MyClaims> & { portal?: never },
): AuthenticatedHandler<MyClaims>;
/**
 * The same for a portalAuth() that has a name: the handlers behind it find the login at `req.portals[name]`, and in
 * TypeScript `requireAuth<MyClaims, "staff">({ portal: "staff" })` tells them what its claims are.
 */
export function requireAuth<MyClaims = Claims, const Name extends string = never>(
  options: RequireAuthOptions<MyClaims> & { portal: Name },
): NamedAuthenticatedHandler<MyClaims, Name>;
/** The same where it is known only at run time whose login is wanted. */
export function requireAuth(options: RequireAuthOptions): RequestHandler;
export function requireAuth(options: RequireAuthOptions = {}): RequestHandler {
  assertFactoryCall(options, "requireAuth");
  const {
    name,
    freshToken,
    csrf,
    refusalOf: checkRequirements,
    cacheControl,
    ...guard
  } = resolveOptions(options);
  const findPortal = createPortalFinder(name);
  return function requireAuthGuard(req: Request, res: Response, next: NextFunction) {
    const portal = findPortal(req);
    if (!portal) {
      if (isExpressRequest(req, res)) sendPortalMissing(req, res, name).catch(next);
      else rejectNonExpressRequest(consoleLog, res, next);
      return;
    }
    if (isCrossSiteRequest(req, portal, csrf))
      return void rejectCrossSiteRequest(req, res, portal).catch(next);
    if (!portal.isAuthenticated) return void sendLoginChallenge(req, res, portal, guard).catch(next);
    const rejection = checkRequirements?.(req, portal);
    if (rejection) return void sendRejection(req, res, portal, rejection, guard).catch(next);
    makeResponsePrivate(res, cacheControl);
    const isFormPossible = guard.keepForm !== undefined && canBeSavedForm(req, portal);
    if (!freshToken && !isFormPossible) return next();
    refreshAndAdmitForm(req, res, portal, { ...guard, freshToken }).then((passes) => passes && next(), next);
  };
}

function resolveOptions(options: RequireAuthOptions) {
  const { portal, returnTo, freshToken = false, csrf = false, ...others } = options;
  const { keepForm = false, cacheControl = true, ...demands } = others;
  const { scope, claims, roles, acr, maxAge, ...unknown } = demands;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new TypeError(`requireAuth: there is no option ${name}`);
  rejectUndefined("requireAuth", demands, ["scope", "claims", "roles"]);
  if (typeof freshToken !== "boolean") throw new TypeError("requireAuth: freshToken must be true or false");
  if (typeof cacheControl !== "boolean")
    throw new TypeError("requireAuth: cacheControl must be true or false");
  if (portal !== undefined && typeof portal !== "string")
    throw new TypeError("requireAuth: portal must be a name");
  const requiredStrength = resolveLoginStrength("requireAuth", demands);
  const getReturnTo = resolveReturnToOption(returnTo);
  return {
    name: portal,
    getReturnTo,
    freshToken,
    cacheControl,
    csrf: resolveCsrf(csrf, "requireAuth"),
    requiredStrength,
    refusalOf: createRequirementsCheck(requiredStrength, { scope, claims, roles } as RequiredRights<never>),
    keepForm: resolveKeepForm(keepForm, getReturnTo),
  };
}

function resolveReturnToOption(
  returnTo: RequireAuthOptions["returnTo"],
): ((req: Request) => string) | undefined {
  if (typeof returnTo === "function") return returnTo;
  if (typeof returnTo === "string") return () => returnTo;
  if (returnTo !== undefined)
    throw new TypeError("requireAuth: returnTo must be a path, or a function that gives one");
  return undefined;
}

/** Most requests are none, and those of nearly all sessions. */
const canBeSavedForm = (req: Request, portal: RequestPortal): boolean =>
  req.method === "POST" && hasPendingForm(RequestPortal.internalsOf(portal).router, req);

/** What a guard may have to wait for before it lets somebody pass. False when the request was answered. */
async function refreshAndAdmitForm(
  req: Request,
  res: Response,
  portal: RequestPortal,
  { freshToken, ...guard }: ChallengeOptions & { readonly freshToken: boolean },
): Promise<boolean> {
  const { router, request } = RequestPortal.internalsOf(portal);
  try {
    if (freshToken) await getFreshSession(router, req);
    return guard.keepForm === undefined || (await admitSavedForm(router, { ...request, req, res }));
  } catch (error) {
    await sendTokenFailure(req, res, portal, guard, error);
    return false;
  }
}
