import { logFailure } from "../answer/log.js";
import type { LoggedOut, LogoutReason } from "../events.js";
import { callHook } from "../hooks.js";
import type { Parts, Visit } from "../parts.js";
import { revokeQuietly } from "../revoke-quietly.js";
import type { EndedSession } from "../session/persons/persons-sessions.js";
import type { PortalSession } from "../session/stored.js";

/** Tells who listens how many sessions were ended, and why. */
export function tellEvent({ log }: Parts, reason: LogoutReason, sessions: number, more: Partial<Told> = {}): void {
  log.tell("logout", () => ({ reason, sessions, had_login: sessions > 0, at_portal: false, ...more }));
}

type Told = Pick<LoggedOut, "had_login" | "at_portal">;

/** Tells the application that a session is gone. */
export async function tellHook(
  { settings: { hooks }, log }: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  { claims, tokens }: PortalSession,
): Promise<void> {
  await callHook("onLogout", () => hooks.onLogout?.({ req, reason, claims, tokens })).catch((error) =>
    logFailure(log, error),
  );
}

/**
 * What follows when sessions were ended from elsewhere: onLogout is called for each, one after the other. Then their
 * refresh tokens are revoked, and those of the copies, without anybody waiting for it.
 *
 * @param copies other token sets of a login that ended
 */
export async function afterwards(
  parts: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  ended: readonly EndedSession[],
  copies: readonly PortalSession[] = [],
): Promise<void> {
  const logins = await tellHookOfEach(parts, req, reason, ended);
  void revokeQuietly(parts, refreshTokensOf([...logins, ...copies]));
}

/** Calls onLogout for each session that held a login, one after the other. Returns these logins. */
export async function tellHookOfEach(
  parts: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  ended: readonly EndedSession[],
): Promise<PortalSession[]> {
  const logins = ended.flatMap(({ login }) => (login?.tokens && login.claims ? [login] : []));
  for (const login of logins) await tellHook(parts, req, reason, login);
  return logins;
}

export const refreshTokensOf = (logins: readonly PortalSession[]): (string | undefined)[] =>
  logins.map(({ tokens }) => tokens.refresh_token);
