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
import type { ClaimRequirements, RequiredRights } from "./required-rights.js";
import { createRequirementsCheck, sendRejection } from "./requirements.js";
import { sendTokenFailure } from "./send-token-failure.js";

/**
 * Options of requireAuth(). `MyClaims` describes claims of your provider or your onLogin hook beyond the
 * standard ones.
 */
export interface RequireAuthOptions<MyClaims = Claims> extends LoginStrength {
  /** The portalAuth() whose login is required, by its option `name`. Default: the one of `req.portal`. */
  portal?: string;
  /**
   * The URL to which the user returns after the login: a path of this site, as browsers see it.
   * Default: the URL of the request.
   */
  returnTo?: string | ((req: Request) => string);
  /**
   * Whether the handler needs an access token that is valid for at least PORTAL_REFRESH_LEEWAY. The guard
   * refreshes the token if necessary. If the user must sign in again for that, the response is the same as
   * for a visitor. If the provider cannot be reached, the response is 503. Default: false.
   */
  freshToken?: boolean;
  /**
   * The scopes that the access token must have: a string with names separated by spaces, or a list. ALL of
   * them must have been granted, otherwise the response is 403 `insufficient_scope` (RFC 6750, section 3.1).
   * Default: none.
   */
  scope?: string | readonly string[];
  /**
   * Requirements for claims, by the name of the claim. Each is a value, a list of which ANY value is enough,
   * or a function of the value and all claims that returns true. If the claim itself is a list, one matching
   * member is enough. ALL claims must match, otherwise the response is 403 `not_permitted`. Default: none.
   */
  claims?: ClaimRequirements<MyClaims>;
  /**
   * A role, or a list of roles of which the user must have ANY. The option `rolesClaim` names the claim that
   * contains the roles. Without such a role the response is 403 `not_permitted`. Default: none.
   */
  roles?: string | readonly string[];
  /**
   * Whether a request that can change something must come from a page of this site. That applies to every
   * method except GET, HEAD, OPTIONS and TRACE. One of these proves it:
   *
   * - a header that a form cannot set (`X-CSRF`, with any value)
   * - `Sec-Fetch-Site: same-origin`, which browsers send automatically
   * - a matching Origin, if there is no Sec-Fetch-Site
   *
   * Other requests get 403 `cross_site_refused`, with or without a login. Default: false.
   */
  csrf?: boolean | CsrfOptions;
  /**
   * Whether a form is saved if a page of this origin posts it (`application/x-www-form-urlencoded`) after the
   * session has ended. It is stored encrypted in the session store for ten minutes. The user signs in, sees a
   * page that names the signed-in user, and sends or discards the form. It arrives at most once. Files are
   * never saved. Default: false, such a form gets 401.
   */
  keepForm?: boolean | KeepFormOptions;
  /**
   * Whether responses behind the guard get `Cache-Control: private, no-cache` if the application sets neither
   * Cache-Control nor Expires. Then no shared cache stores them for other users (RFC 9111, section 5.2.2.7).
   * Default: true.
   */
  cacheControl?: boolean;
}

/**
 * A guard, for TypeScript. The handlers behind it in the same call get a request whose `portal.claims` exist
 * and have the type MyClaims. It declares no types for parameters or bodies, so those of the route stay.
 */
export type AuthenticatedHandler<MyClaims = Claims> = (
  req: Express.Request,
  // biome-ignore lint/suspicious/noExplicitAny: the type that Express's own handlers have
  res: Response<any, Record<string, any> & GuardedLocals<MyClaims>>,
  next: NextFunction,
) => void;

/** A guard of a portalAuth() with a name, for TypeScript. The login is at `req.portals[name]`. */
export type NamedAuthenticatedHandler<MyClaims = Claims, Name extends string = string> = (
  req: Express.Request,
  // biome-ignore lint/suspicious/noExplicitAny: the type that Express's own handlers have
  res: Response<any, Record<string, any> & NamedGuardLocals<MyClaims, Name>>,
  next: NextFunction,
) => void;

/**
 * Creates a guard, which lets signed-in users pass. A browser that navigates is redirected to the provider
 * and returns to the requested page. Every other request (fetch, an image, a POST) gets 401 as problem+json,
 * and no login starts.
 *
 * In TypeScript `requireAuth<MyClaims>()` declares the claims for the handlers behind it.
 *
 * @throws TypeError at start-up for an unknown option, a wrong type, or a requirement without a value
 */
export function requireAuth<MyClaims = Claims>(
  options?: RequireAuthOptions<MyClaims> & { portal?: never },
): AuthenticatedHandler<MyClaims>;
/**
 * Creates a guard of a portalAuth() with a name. The handlers behind it find the login at
 * `req.portals[name]`. In TypeScript `requireAuth<MyClaims, "staff">({ portal: "staff" })` declares its
 * claims.
 */
export function requireAuth<MyClaims = Claims, const Name extends string = never>(
  options: RequireAuthOptions<MyClaims> & { portal: Name },
): NamedAuthenticatedHandler<MyClaims, Name>;
/** Creates a guard of a portalAuth() whose name is known only at run time. */
export function requireAuth(options: RequireAuthOptions): RequestHandler;
/** Creates the guard for each of these signatures. */
export function requireAuth(options: RequireAuthOptions = {}): RequestHandler {
  assertFactoryCall(options, "requireAuth");
  const guard = resolveOptions(options);
  const { name } = guard;
  const findPortal = createPortalFinder(name);
  return function requireAuthGuard(req: Request, res: Response, next: NextFunction) {
    const portal = findPortal(req);
    if (portal) guardRequest(req, res, next, portal, guard);
    else if (isExpressRequest(req, res)) sendPortalMissing(req, res, name).catch(next);
    else rejectNonExpressRequest(consoleLog, res, next);
  };
}

type Guard = ReturnType<typeof resolveOptions>;

/**
 * Checks a request and calls next() if it passes. Without `freshToken` and a saved form that is synchronous.
 */
function guardRequest(
  req: Request,
  res: Response,
  next: NextFunction,
  portal: RequestPortal,
  { freshToken, csrf, checkRequirements, cacheControl, challenge }: Guard,
): void {
  if (isCrossSiteRequest(req, portal, csrf)) {
    rejectCrossSiteRequest(req, res, portal).catch(next);
    return;
  }
  if (!portal.isAuthenticated) {
    sendLoginChallenge(req, res, portal, challenge).catch(next);
    return;
  }
  const rejection = checkRequirements?.(req, portal);
  if (rejection) {
    sendRejection(req, res, portal, rejection, challenge).catch(next);
    return;
  }
  makeResponsePrivate(res, cacheControl);
  const isFormPossible = challenge.keepForm !== undefined && canBeSavedForm(req, portal);
  if (freshToken || isFormPossible)
    refreshAndAdmitForm(req, res, portal, freshToken, challenge).then((passes) => passes && next(), next);
  else next();
}

function resolveOptions(options: RequireAuthOptions) {
  const { portal, returnTo, freshToken = false, csrf = false, ...others } = options;
  const { keepForm = false, cacheControl = true, ...requirements } = others;
  const { scope, claims, roles, acr, maxAge, ...unknown } = requirements;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new TypeError(`requireAuth: there is no option ${name}`);
  rejectUndefined("requireAuth", requirements, ["scope", "claims", "roles"]);
  if (typeof freshToken !== "boolean") throw new TypeError("requireAuth: freshToken must be true or false");
  if (typeof cacheControl !== "boolean")
    throw new TypeError("requireAuth: cacheControl must be true or false");
  if (portal !== undefined && typeof portal !== "string")
    throw new TypeError("requireAuth: portal must be a name");
  const requiredStrength = resolveLoginStrength("requireAuth", requirements);
  const getReturnTo = resolveReturnToOption(returnTo);
  return {
    name: portal,
    freshToken,
    cacheControl,
    csrf: resolveCsrf(csrf, "requireAuth"),
    checkRequirements: createRequirementsCheck(requiredStrength, {
      scope,
      claims,
      roles,
    } as RequiredRights<never>),
    challenge: { getReturnTo, requiredStrength, keepForm: resolveKeepForm(keepForm, getReturnTo) },
  };
}

function resolveReturnToOption(
  returnTo: RequireAuthOptions["returnTo"],
): ((req: Request) => string) | undefined {
  if (typeof returnTo === "function") return returnTo;
  if (typeof returnTo === "string") return () => returnTo;
  if (returnTo !== undefined)
    throw new TypeError("requireAuth: returnTo must be a path or a function that returns one");
  return undefined;
}

/**
 * Returns whether the request may be a saved form that the user has sent. Nearly always false, without I/O.
 */
const canBeSavedForm = (req: Request, portal: RequestPortal): boolean =>
  req.method === "POST" && hasPendingForm(RequestPortal.internalsOf(portal).router, req);

/**
 * Refreshes the access token if the guard requires that, and admits a saved form once.
 *
 * @returns whether the request passes; if not, a response was sent
 */
async function refreshAndAdmitForm(
  req: Request,
  res: Response,
  portal: RequestPortal,
  freshToken: boolean,
  challenge: ChallengeOptions,
): Promise<boolean> {
  const { router, request } = RequestPortal.internalsOf(portal);
  try {
    if (freshToken) await getFreshSession(router, req);
    return challenge.keepForm === undefined || (await admitSavedForm(router, { ...request, req, res }));
  } catch (error) {
    await sendTokenFailure(req, res, portal, challenge, error);
    return false;
  }
}
