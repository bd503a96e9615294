import type { Request } from "express";
import { logFailure } from "../answer/log.js";
import type { RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import { getLoginHandle, readSession } from "../session/request-session.js";
import { createRefresh } from "./refresh-login.js";

/** A refresh token with a shorter lifetime is not refreshed ahead of time. */
const MIN_LIFETIME_SECONDS = 10;

/**
 * Refreshes the tokens of an active user before the refresh token expires, in the background of a request.
 * The request does not wait for it and does not see its result.
 *
 * Once half of the refresh token's lifetime is over, the first request refreshes it, for all requests and
 * processes. Without `refresh_expires_at`, this function reads one property and does nothing.
 */
export function keepRefreshTokenAlive(router: RouterContext, req: Request): void {
  const session = readSession(req, router.settings);
  if (session?.tokens.refresh_expires_at === undefined || !isDue(router, session)) return;
  const login = getLoginHandle(req, router.settings);
  if (router.refreshCircuitBreaker.getFailure(login.key)) return; // without reading the store
  const isNewer = (stored: PortalSession) => stored.version > session.version;
  const task = createRefresh(router, req, login, {
    hasNewTokens: isNewer,
    isAfterRejection: false,
    isNeeded: false,
  });
  router.refreshOnce(login.key, task).catch((error: unknown) => logStoreFailure(router, error));
}

/** Returns whether half of the refresh token's lifetime is over, and the token has not expired. */
function isDue({ settings }: RouterContext, { tokens, obtained_at, started_at }: PortalSession): boolean {
  const { refresh_token, refresh_expires_at: expiresAt } = tokens;
  if (refresh_token === undefined || expiresAt === undefined) return false;
  const now = settings.clock() / 1000;
  const issuedAt = obtained_at ?? started_at;
  const lifetime = expiresAt - issuedAt;
  return lifetime >= MIN_LIFETIME_SECONDS && now < expiresAt && now >= issuedAt + lifetime / 2;
}

/**
 * Failures of the provider are logged where they happen. A session that has ended meanwhile is not a failure.
 */
function logStoreFailure({ log }: RouterContext, error: unknown): void {
  if (error instanceof PortalAuthError && error.code === "session_store_failed") logFailure(log, error);
}
