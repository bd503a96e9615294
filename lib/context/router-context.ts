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
import type { RefreshOnce } from "../refresh/refresh-once.js";
import type { ExplainedOption } from "../settings/explain.js";
import type { Settings } from "../settings/settings.js";
import type { Encryption } from "../util/encryption.js";

/** What the steps of one portalAuth() share. */
export interface RouterContext {
  readonly settings: Settings;
  /** Each option as it is in effect, and where it comes from. */
  readonly explainedOptions: readonly ExplainedOption[];
  readonly getProvider: GetProvider;
  readonly loginAttempts: LoginAttempts;
  /** Seals what a portal has posted, on its way to the GET that finishes the login. */
  readonly responseEncryption: Encryption;
  /** Seals what other processes may know of a login attempt. */
  readonly attemptEncryption: Encryption;
  /** Seals what a confirmation page posts back. */
  readonly confirmationEncryption: Encryption;
  /** Seals forms that are kept until somebody has logged in. */
  readonly formEncryption: Encryption;
  readonly log: Log;
  readonly pages: PageRenderer;
  readonly refreshCircuitBreaker: RefreshCircuitBreaker;
  readonly checkHost: HostCheck;
  readonly refreshOnce: RefreshOnce;
}

/** One request on its way through a step. */
export interface RequestContext {
  readonly req: Request;
  readonly res: Response;
  /** Where the router is mounted, as this request sees it. external-address.ts turns it into what browsers see. */
  readonly mount: string;
}

/** This site, as people reach it. */
export const getOrigin = ({ settings }: RouterContext): string => new URL(settings.redirectUri).origin;

/**
 * How a failure is answered: with a way to sign in again that leads to the page that was wanted, by a login that is as
 * strong as the one that failed should have been.
 */
export function offerLogin(
  router: RouterContext,
  mount: string,
  wanted?: unknown,
  strength: LoginStrength = {},
): ErrorResponseOptions {
  const { settings, log, pages } = router;
  const { login } = settings.routes;
  const home = getStartPage(settings, mount);
  const query = new URLSearchParams(wanted === undefined ? {} : { returnTo: sanitizeReturnTo(wanted, home) });
  for (const [name, value] of Object.entries(toStrengthQuery(strength))) query.set(name, value);
  const wish = query.size > 0 ? `?${query}` : "";
  return {
    hooks: settings.hooks,
    log,
    pages,
    origin: getOrigin(router),
    startPage: home,
    login: login === false ? undefined : getRouteUrl(settings, mount, login) + wish,
  };
}

/** How it is told that somebody who is logged in may not do this: with a way out, for who has another account. */
export function offerLogout({ settings, log, pages }: RouterContext, mount: string): ErrorResponseOptions {
  const { hooks, routes } = settings;
  const logout = routes.logout === false ? undefined : getRouteUrl(settings, mount, routes.logout);
  return { hooks, log, pages, startPage: getStartPage(settings, mount), logout, isLogin: false };
}

/**
 * How a failure is answered that no login would mend: with a way to try the same again. An address with a code, the
 * callback's of whichever router, belongs into no page: that one is reloaded.
 */
export function offerRetry(
  { settings, log, pages }: RouterContext,
  { req, mount }: Pick<RequestContext, "req" | "mount">,
): ErrorResponseOptions {
  const query = readQuery(req);
  const canBeLinked = req.method === "GET" && !query.has("code") && !query.has(POSTED_PARAMETER);
  const retry = canBeLinked ? getRequestUrl(settings, mount, req) : undefined;
  return {
    hooks: settings.hooks,
    log,
    pages,
    startPage: getStartPage(settings, mount),
    retry,
    isLogin: false,
  };
}
