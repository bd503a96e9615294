import type { Request } from "express";
import { logFailure } from "../answer/log.js";
import type { RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import { getLoginHandle, readSession } from "../session/request-session.js";
import { createRefresh } from "./refresh-login.js";

/** A refresh token that lives shorter than this is not renewed ahead of time, in seconds. */
const MIN_LIFE_SECONDS = 10;

/**
 * Renews the tokens of an active user before the refresh token ends, in the background of a request: the request neither
 * waits for it nor sees its result. Once half of the refresh token's life is over, the first request renews it, for all
 * requests and processes. Without `refresh_expires_at` this reads one property and does nothing.
 */
export function keepRefreshTokenAlive(router: RouterContext, req: Request): void {
  const session = readSession(req, router.settings);
  if (session?.tokens.refresh_expires_at === undefined || !isDue(router, session)) return;
  const login = getLoginHandle(req, router.settings);
  if (router.refreshCircuitBreaker.getFailure(login.key)) return; // without asking the store
  const isEnough = (stored: PortalSession) => stored.version > session.version;
  const task = createRefresh(router, req, login, {
    hasNewTokens: isEnough,
    isAfterRefusal: false,
    isNeeded: false,
  });
  router.refreshOnce(login.key, task).catch((error: unknown) => logStoreFailure(router, error));
}

/** Whether half of the refresh token's life is over, and its end not yet reached. */
function isDue({ settings }: RouterContext, { tokens, obtained_at, started_at }: PortalSession): boolean {
  const { refresh_token, refresh_expires_at: end } = tokens;
  if (refresh_token === undefined || end === undefined) return false;
  const now = settings.clock() / 1000;
  const begin = obtained_at ?? started_at;
  const life = end - begin;
  return life >= MIN_LIFE_SECONDS && now < end && now >= begin + life / 2;
}

/** The provider's failures are logged where they happen. A session that has ended meanwhile is no failure. */
function logStoreFailure({ log }: RouterContext, error: unknown): void {
  if (error instanceof PortalAuthError && error.code === "session_store_failed") logFailure(log, error);
}
