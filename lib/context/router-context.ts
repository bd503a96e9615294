import type { Request, Response } from "express";
import type { Log } from "../answer/log.js";
import type { PageRenderer } from "../answer/page-renderer.js";
import type { ErrorResponseOptions } from "../answer/send-error-response.js";
import { getRequestUrl, getRouteUrl, getStartPage } from "../http/external-url.js";
import { POSTED_PARAMETER, readQuery } from "../http/parameters.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import type { HostCheck } from "../login-attempt/host-check.js";
import type { LoginAttempts } from "../login-attempt/login-attempts.js";
import { type LoginStrength, toStrengthQuery } from "../login-attempt/login-strength.js";
import type { GetProvider } from "../provider/discovery.js";
import type { RefreshCircuitBreaker } from "../refresh/refresh-circuit-breaker.js";
import type { RefreshSingleFlight } from "../refresh/refresh-single-flight.js";
import type { ExplainedOption } from "../settings/explain.js";
import type { Settings } from "../settings/settings.js";
import type { Encryption } from "../util/encryption.js";

/** Everything that the steps of one portalAuth() share: its settings, its provider and its helpers. */
export interface RouterContext {
  readonly settings: Settings;
  /** Each option with its effective value and its source. */
  readonly explainedOptions: readonly ExplainedOption[];
  readonly getProvider: GetProvider;
  readonly loginAttempts: LoginAttempts;
  /** Encrypts a posted authorization response on its way to the GET that finishes the login. */
  readonly responseEncryption: Encryption;
  /** Encrypts the record of a login attempt that processes share in the store. */
  readonly attemptEncryption: Encryption;
  /** Encrypts the value that a confirmation page posts. */
  readonly confirmationEncryption: Encryption;
  /** Encrypts forms that are saved until the user has signed in. */
  readonly formEncryption: Encryption;
  readonly log: Log;
  readonly pages: PageRenderer;
  readonly refreshCircuitBreaker: RefreshCircuitBreaker;
  readonly checkHost: HostCheck;
  readonly refreshOnce: RefreshSingleFlight;
}

/** One request that a step handles. */
export interface RequestContext {
  readonly req: Request;
  readonly res: Response;
  /** The router's mount path as this request has it. external-url.ts derives the browser's path from it. */
  readonly mount: string;
}

/** Returns the origin of this site, as browsers see it. */
export const getOrigin = ({ settings }: RouterContext): string => new URL(settings.redirectUri).origin;

// The options of an error response. Each function chooses the link that the error page offers.

/**
 * Offers a link to sign in again. It leads back to `returnTo`, and requires the same strength as the login
 * that failed.
 *
 * @param returnTo the page that the user requested; the start page if it is undefined or not of this site
 */
export function offerLogin(
  router: RouterContext,
  mount: string,
  returnTo?: unknown,
  strength: LoginStrength = {},
): ErrorResponseOptions {
  const { settings, log, pages } = router;
  const { login } = settings.routes;
  const home = getStartPage(settings, mount);
  const query = new URLSearchParams();
  if (returnTo !== undefined) query.set("returnTo", sanitizeReturnTo(returnTo, home));
  for (const [name, value] of Object.entries(toStrengthQuery(strength))) query.set(name, value);
  const search = query.size > 0 ? `?${query}` : "";
  return {
    hooks: settings.hooks,
    log,
    pages,
    origin: getOrigin(router),
    startPage: home,
    login: login === false ? undefined : getRouteUrl(settings, mount, login) + search,
  };
}

/** Offers a link to sign out, because a signed-in user without access may have another account. */
export function offerLogout({ settings, log, pages }: RouterContext, mount: string): ErrorResponseOptions {
  const { hooks, routes } = settings;
  const logout = routes.logout === false ? undefined : getRouteUrl(settings, mount, routes.logout);
  return { hooks, log, pages, startPage: getStartPage(settings, mount), logout, isLogin: false };
}

/**
 * Offers a link to try the same request again, for failures that a login does not solve. A URL with an
 * authorization code must not be in a page, so it is not offered.
 */
export function offerRetry(
  { settings, log, pages }: RouterContext,
  { req, mount }: Pick<RequestContext, "req" | "mount">,
): ErrorResponseOptions {
  const query = readQuery(req);
  const canBeLinked = req.method === "GET" && !query.has("code") && !query.has(POSTED_PARAMETER);
  const retry = canBeLinked ? getRequestUrl(settings, mount, req) : undefined;
  const startPage = getStartPage(settings, mount);
  return { hooks: settings.hooks, log, pages, startPage, retry, isLogin: false };
}
