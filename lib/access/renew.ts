import type { Request } from "express";
import { logFailure, tell } from "../answer/log.js";
import { PortalAuthError } from "../errors.js";
import { callOnTokens } from "../hooks.js";
import type { Parts } from "../parts.js";
import { revoke } from "../portal/log-out.js";
import { refresh } from "../portal/refresh.js";
import type { Refresh, Renewed } from "../session/refresh-once.js";
import type { Place } from "../session/session.js";
import type { PortalSession } from "../session/stored.js";
import type { TokenSet } from "../tokens.js";

/** How the tokens of this session are renewed, if it falls to this process. */
export function renewal(
  parts: Parts,
  req: Request,
  { id, keeper }: Place,
  isEnough: (stored: PortalSession) => boolean,
): Refresh {
  return {
    keeper,
    clock: parts.settings.clock,
    clockTolerance: parts.settings.clockTolerance,
    isEnough,
    endsSession,
    obstacle: () => parts.outage.current(id),
    renew: (stored) => renew(parts, req, id, stored),
    onOrphan: (tokens) => void revokeOrphan(parts, tokens),
  };
}

/** The portal, or the application, says that this login is over. */
export const endsSession = (error: unknown): boolean =>
  error instanceof PortalAuthError && (error.code === "refresh_refused" || error.code === "login_refused");

async function renew(parts: Parts, req: Request, id: string, stored: PortalSession): Promise<Renewed> {
  if (stored.tokens.refresh_token === undefined) throw new PortalAuthError("token_expired");
  const { tokens, unverified } = await askPortal(parts, id, stored);
  if (unverified) return { tokens: onlyRefreshToken(stored.tokens, tokens), failure: unverified };
  try {
    const { claims } = stored;
    return { tokens: await callOnTokens(parts.settings.hooks, tokens, { req, grant: "refresh_token", claims }) };
  } catch (error) {
    if (endsSession(error) || !(error instanceof PortalAuthError)) throw error;
    logFailure(parts.log, error);
    return { tokens: onlyRefreshToken(stored.tokens, tokens), failure: error };
  }
}

async function askPortal({ getPortal, outage, log }: Parts, id: string, stored: PortalSession) {
  outage.check(id);
  try {
    const refreshed = await refresh(await getPortal(), stored);
    if (refreshed.unverified) outage.remember(id, refreshed.unverified);
    else outage.forget(id);
    return refreshed;
  } catch (error) {
    if (!(error instanceof PortalAuthError)) throw error;
    tell(log, error);
    if (endsSession(error))
      outage.forget(id); // the portal has answered
    else outage.remember(id, error);
    throw error;
  }
}

/**
 * What is kept of an answer that nobody may use: the refresh token, as the old one may have ended with it. The old
 * access token stays, so the next request refreshes again.
 */
function onlyRefreshToken(old: Readonly<TokenSet>, answer: TokenSet): TokenSet {
  const { refresh_token, refresh_expires_at } = answer;
  const { refresh_expires_at: _, ...rest } = old;
  return {
    ...rest,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(refresh_expires_at !== undefined && { refresh_expires_at }),
  };
}

/** A logout came while the portal was asked. It could not revoke what was not there yet. */
async function revokeOrphan({ getPortal, log }: Parts, { refresh_token }: TokenSet): Promise<void> {
  if (refresh_token === undefined) return;
  try {
    await revoke(await getPortal(), refresh_token);
  } catch (error) {
    logFailure(log, new PortalAuthError("revocation_failed", { detail: (error as PortalAuthError).code }));
  }
}
