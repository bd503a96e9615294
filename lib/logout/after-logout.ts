import { logFailure } from "../answer/log.js";
import { revokeQuietly } from "../context/revoke-tokens.js";
import type { Parts, Visit } from "../context/router-context.js";
import type { LoggedOut, LogoutReason } from "../contract/events.js";
import { callHook } from "../contract/hooks.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import type { EndedSession, EndedSessions } from "../session/user-sessions.js";
import { withinTime } from "../util/with-timeout.js";

/** Tells who listens how many sessions were ended, and why. */
export function tellEvent(
  { log }: Parts,
  reason: LogoutReason,
  sessions: number,
  more: Partial<Told> = {},
): void {
  log.tell("logout", () => ({ reason, sessions, had_login: sessions > 0, at_portal: false, ...more }));
}

type Told = Pick<LoggedOut, "had_login" | "at_portal">;

/** A logout waits so long for the application's hook. */
const HOOK_MS = 5000;

/**
 * Revokes the refresh tokens of sessions that were ended from elsewhere, and calls onLogout for each of them. The revocation
 * does not wait for the hook.
 */
export async function afterwards(
  parts: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  ended: readonly EndedSession[],
): Promise<void> {
  const logins = loginsOf(ended);
  void revokeQuietly(parts, refreshTokensOf(logins));
  await callOnLogout(parts, req, reason, logins);
}

/**
 * Does the same after a logout that the provider has asked for, and reports how many sessions it has ended. The provider does
 * not wait for it.
 *
 * @throws PortalAuthError why other sessions may still be there
 */
export function afterProviderLogout(
  parts: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  { ended, failure }: EndedSessions,
): void {
  if (ended.length > 0 || !failure) tellEvent(parts, reason, ended.length, { at_portal: true });
  void afterwards(parts, req, reason, ended);
  if (failure) throw failure;
}

/**
 * Does the same for the login of a request that had ended before the request came, by a logout that had not found it. The
 * request does not wait. A login that has reached its age only loses its refresh token: nobody has signed out.
 */
export function afterFoundEnded(
  parts: Parts,
  req: Visit["req"],
  login: PortalSession,
  reason: LogoutReason | "too_old",
): void {
  if (reason === "too_old") {
    void revokeQuietly(parts, refreshTokensOf([login]));
    return;
  }
  tellEvent(parts, reason, 1, { at_portal: reason !== "everywhere" });
  // A hook finds req.portal, which is attached once the session has been loaded.
  setImmediate(() => void afterwards(parts, req, reason, [{ id: login.login_id, login }]));
}

/**
 * Calls onLogout for each of these logins, one after the other. Each call has 5 s. The returned promise settles after 5 s,
 * too: the remaining calls go on, and nobody waits for them.
 */
export async function callOnLogout(
  parts: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  logins: readonly PortalSession[],
): Promise<void> {
  await withinTime(callForEach(), HOOK_MS, () => {});

  async function callForEach(): Promise<void> {
    for (const login of logins)
      await callOnce(parts, req, reason, login).catch((error) => logFailure(parts.log, error));
  }
}

/** @throws PortalAuthError `hook_failed`, also if the hook takes too long */
async function callOnce(
  { settings: { hooks } }: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  { claims, tokens }: PortalSession,
): Promise<void> {
  const called = callHook("onLogout", () => hooks.onLogout?.({ req, reason, claims, tokens }));
  await withinTime(called, HOOK_MS, (): never => {
    throw new PortalAuthError("hook_failed", {
      detail: `onLogout did not return within ${HOOK_MS / 1000} s`,
    });
  });
}

export const loginsOf = (ended: readonly EndedSession[]): PortalSession[] =>
  ended.flatMap(({ login }) => login ?? []);

export const refreshTokensOf = (logins: readonly PortalSession[]): (string | undefined)[] =>
  logins.map(({ tokens }) => tokens.refresh_token);
