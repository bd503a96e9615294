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
 * What follows when sessions were ended from elsewhere: the application is told of each, one after the other, and then their
 * refresh tokens, which nobody has any more, are ended at the portal. Nobody waits for that.
 */
export async function afterwards(
  parts: Parts,
  req: Visit["req"],
  reason: LogoutReason,
  ended: readonly EndedSession[],
): Promise<void> {
  const logins = ended.flatMap(({ login }) => (login?.tokens && login.claims ? [login] : []));
  for (const login of logins) await tellHook(parts, req, reason, login);
  void revokeAll(
    parts,
    logins.map(({ tokens }) => tokens.refresh_token),
  );
}

/** Of one login that several sessions held, what each has made of its tokens since; those of the first are not meant. */
export function revokeCopies(parts: Parts, [first, ...copies]: readonly PortalSession[]): Promise<void> {
  const tokens = new Set(copies.map((copy) => copy.tokens.refresh_token));
  tokens.delete(first?.tokens.refresh_token);
  return revokeAll(parts, tokens);
}

async function revokeAll(parts: Parts, refreshTokens: Iterable<string | undefined>): Promise<void> {
  for (const token of refreshTokens) await revokeQuietly(parts, token);
}
