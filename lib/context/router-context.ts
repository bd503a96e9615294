import type { Request, Response } from "express";
import type { Outage } from "../access/refresh-circuit-breaker.js";
import type { ErrorAnswer } from "../answer/answer-error.js";
import type { Log } from "../answer/log.js";
import type { Pages } from "../answer/page-renderer.js";
import { addressOf, linkTo, startPage } from "../http/external-url.js";
import { POSTED, readQuery } from "../http/parameters.js";
import { returnTo } from "../http/return-to.js";
import type { HostCheck } from "../login/host-check.js";
import type { Transactions } from "../login/login-attempts.js";
import { type LoginStrength, strengthAsQuery } from "../login/strength.js";
import type { GetPortal } from "../provider/discovery.js";
import type { RefreshOnce } from "../refresh/refresh-once.js";
import type { ExplainedOption } from "../settings/explain.js";
import type { Settings } from "../settings/settings.js";
import type { Sealer } from "../util/seal.js";

/** What the steps of one portalAuth() share. */
export interface Parts {
  readonly settings: Settings;
  /** Each option as it is in effect, and where it comes from. */
  readonly explained: readonly ExplainedOption[];
  readonly getPortal: GetPortal;
  readonly transactions: Transactions;
  /** Seals what a portal has posted, on its way to the GET that finishes the login. */
  readonly posted: Sealer;
  /** Seals what other processes may know of a login attempt. */
  readonly attempts: Sealer;
  /** Seals what a confirmation page posts back. */
  readonly confirmations: Sealer;
  /** Seals forms that are kept until somebody has logged in. */
  readonly forms: Sealer;
  readonly log: Log;
  readonly pages: Pages;
  readonly outage: Outage;
  readonly checkHost: HostCheck;
  readonly refreshOnce: RefreshOnce;
}

/** One request on its way through a step. */
export interface Visit {
  readonly req: Request;
  readonly res: Response;
  /** Where the router is mounted, as this request sees it. external-address.ts turns it into what browsers see. */
  readonly mount: string;
}

/** This site, as people reach it. */
export const originOf = ({ settings }: Parts): string => new URL(settings.redirectUri).origin;

/**
 * How a failure is answered: with a way to sign in again that leads to the page that was wanted, by a login that is as
 * strong as the one that failed should have been.
 */
export function withLogin(
  parts: Parts,
  mount: string,
  wanted?: unknown,
  strength: LoginStrength = {},
): ErrorAnswer {
  const { settings, log, pages } = parts;
  const { login } = settings.routes;
  const home = startPage(settings, mount);
  const query = new URLSearchParams(wanted === undefined ? {} : { returnTo: returnTo(wanted, home) });
  for (const [name, value] of Object.entries(strengthAsQuery(strength))) query.set(name, value);
  const wish = query.size > 0 ? `?${query}` : "";
  return {
    hooks: settings.hooks,
    log,
    pages,
    origin: originOf(parts),
    startPage: home,
    login: login === false ? undefined : linkTo(settings, mount, login) + wish,
  };
}

/** How it is told that somebody who is logged in may not do this: with a way out, for who has another account. */
export function withLogout({ settings, log, pages }: Parts, mount: string): ErrorAnswer {
  const { hooks, routes } = settings;
  const logout = routes.logout === false ? undefined : linkTo(settings, mount, routes.logout);
  return { hooks, log, pages, startPage: startPage(settings, mount), logout, isLogin: false };
}

/**
 * How a failure is answered that no login would mend: with a way to try the same again. An address with a code, the
 * callback's of whichever router, belongs into no page: that one is reloaded.
 */
export function withRetry(
  { settings, log, pages }: Parts,
  { req, mount }: Pick<Visit, "req" | "mount">,
): ErrorAnswer {
  const query = readQuery(req);
  const canBeLinked = req.method === "GET" && !query.has("code") && !query.has(POSTED);
  const retry = canBeLinked ? addressOf(settings, mount, req) : undefined;
  return { hooks: settings.hooks, log, pages, startPage: startPage(settings, mount), retry, isLogin: false };
}
