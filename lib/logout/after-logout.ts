import { logFailure } from "../answer/log.js";
import { revokeTokens } from "../context/revoke-tokens.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import type { LoggedOut, LogoutReason } from "../contract/events.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { callHook } from "../hooks/call-hook.js";
import type { PortalSession } from "../session/login-record.js";
import type { EndedSession, EndSessionsResult } from "../session/user-sessions.js";
import { withTimeout } from "../util/with-timeout.js";

/** Emits the event `logout`, with the number of ended sessions and the reason. */
export function emitLogout(
  { log }: RouterContext,
  reason: LogoutReason,
  sessions: number,
  details: Partial<LogoutDetails> = {},
): void {
  log.emit("logout", () => ({ reason, sessions, had_login: sessions > 0, at_provider: false, ...details }));
}

type LogoutDetails = Pick<LoggedOut, "had_login" | "at_provider">;

/** How long a logout waits for the application's hook. */
const HOOK_TIMEOUT_MS = 5000;

/**
 * Revokes the refresh tokens of sessions that another request has ended, and calls onLogout for each of them.
 * The revocation does not wait for the hook.
 */
export async function revokeAndCallHooks(
  router: RouterContext,
  req: RequestContext["req"],
  reason: LogoutReason,
  ended: readonly EndedSession[],
): Promise<void> {
  const logins = getLogins(ended);
  void revokeTokens(router, getRefreshTokens(logins));
  await callLogoutHooks(router, req, reason, logins);
}

/**
 * Emits `logout` after a logout that the provider has requested, and starts the revocation and the hooks. The
 * response to the provider does not wait for them.
 *
 * @throws PortalAuthError if other sessions may still exist
 */
export function finishProviderLogout(
  router: RouterContext,
  req: RequestContext["req"],
  reason: LogoutReason,
  { ended, failure }: EndSessionsResult,
): void {
  if (ended.length > 0 || !failure) emitLogout(router, reason, ended.length, { at_provider: true });
  void revokeAndCallHooks(router, req, reason, ended);
  if (failure) throw failure;
}

/**
 * Finishes a logout that happened before this request but could not find the session of this request. The
 * request does not wait. A login that has reached its maximum age only loses its refresh token, because the
 * user has not signed out.
 */
export function finishLateLogout(
  router: RouterContext,
  req: RequestContext["req"],
  login: PortalSession,
  reason: LogoutReason | "too_old",
): void {
  if (reason === "too_old") {
    void revokeTokens(router, getRefreshTokens([login]));
    return;
  }
  emitLogout(router, reason, 1, { at_provider: reason !== "everywhere" });
  // A hook needs req.portal, which is attached after the session is loaded.
  setImmediate(() => void revokeAndCallHooks(router, req, reason, [{ id: login.login_id, login }]));
}

/**
 * Calls onLogout for each of these logins, one after the other. Each call has a timeout of 5 s. The returned
 * promise resolves after 5 s at the latest. The remaining calls then continue in the background.
 */
export async function callLogoutHooks(
  router: RouterContext,
  req: RequestContext["req"],
  reason: LogoutReason,
  logins: readonly PortalSession[],
): Promise<void> {
  await withTimeout(callForEach(), HOOK_TIMEOUT_MS, () => {});

  async function callForEach(): Promise<void> {
    for (const login of logins)
      await callLogoutHook(router, req, reason, login).catch((error) => logFailure(router.log, error));
  }
}

/** @throws PortalAuthError `hook_failed`, also if the hook takes too long */
async function callLogoutHook(
  { settings: { hooks } }: RouterContext,
  req: RequestContext["req"],
  reason: LogoutReason,
  { claims, tokens }: PortalSession,
): Promise<void> {
  const hookCall = callHook("onLogout", () => hooks.onLogout?.({ req, reason, claims, tokens }));
  await withTimeout(hookCall, HOOK_TIMEOUT_MS, (): never => {
    throw new PortalAuthError("hook_failed", {
      detail: `onLogout did not return within ${HOOK_TIMEOUT_MS / 1000} s`,
    });
  });
}

/** Returns the logins of ended sessions, without those that could not be decoded. */
export const getLogins = (ended: readonly EndedSession[]): PortalSession[] =>
  ended.flatMap(({ login }) => login ?? []);

/** Returns the refresh token of each login; undefined for a login without one. */
export const getRefreshTokens = (logins: readonly PortalSession[]): (string | undefined)[] =>
  logins.map(({ tokens }) => tokens.refresh_token);
