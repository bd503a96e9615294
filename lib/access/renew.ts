import type { Request } from "express";
import { logAnyway, logShared } from "../answer/log.js";
import { asPortalAuthError } from "../as-portal-auth-error.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors.js";
import { callOnTokens } from "../hooks.js";
import type { Parts } from "../parts.js";
import { refresh } from "../portal/refresh.js";
import { revokeQuietly } from "../revoke-quietly.js";
import type { Refresh, Renewed } from "../session/refresh/refresh.js";
import type { Place } from "../session/session.js";
import type { PortalSession } from "../session/stored.js";
import type { TokenSet } from "../tokens.js";
import { withinTime } from "../within-time.js";
import type { Blame } from "./outage.js";

/** Discovery, the refresh itself, and keys that are fetched once or, as they do not fit, twice. */
const PORTAL_REQUESTS = 4;
/** A hook that takes longer has failed: everybody who wants this session's token waits for it. */
const HOOK_MS = 20_000;

/** What speaks of one person's tokens, and not of the portal or of how this application is known there. */
const OF_ONE_PERSON: readonly PortalAuthErrorCode[] = [
  "token_refused",
  "id_token_invalid",
  "id_token_signature_invalid",
  "nonce_mismatch",
];

/** The part of a refresh that depends on who asks for it. */
interface Renewal extends Pick<Refresh, "isEnough" | "afterRefusal"> {
  /** Whether a request waits for the token. A refresh ahead of time needs a clear refusal to end the session. Default true. */
  readonly isNeeded?: boolean;
}

/** How the tokens of this session are renewed, if it falls to this process. */
export function renewal(
  parts: Parts,
  req: Request,
  { id, keeper }: Place,
  { isEnough, afterRefusal, isNeeded = true }: Renewal,
): Refresh {
  return {
    keeper,
    clock: parts.settings.clock,
    isEnough,
    afterRefusal,
    endsSession,
    obstacle: () => parts.outage.current(id),
    renew: (stored) => renew(parts, req, id, stored, isNeeded),
    renewAtMostMs: 1000 * (PORTAL_REQUESTS * parts.settings.httpTimeout) + HOOK_MS,
    // nobody will have these: a logout that came while the portal was asked could not revoke them
    onOrphan: ({ refresh_token }) => void revokeQuietly(parts, [refresh_token]),
  };
}

/** The failures after which a session is over: a refusal by the provider or by the application, or a mix-up of users. */
const ENDING: readonly PortalAuthErrorCode[] = ["refresh_refused", "refresh_identity_mismatch", "login_refused"];

/** Whether this failure of a refresh ends the session. */
export const endsSession = (error: unknown): boolean => error instanceof PortalAuthError && ENDING.includes(error.code);

async function renew(
  parts: Parts,
  req: Request,
  id: string,
  stored: PortalSession,
  isNeeded: boolean,
): Promise<Renewed> {
  if (stored.tokens.refresh_token === undefined) throw new PortalAuthError("token_expired");
  const { tokens, unverified } = await askPortal(parts, id, stored, isNeeded && hasEnded(parts, stored));
  if (unverified) return { tokens: onlyRefreshToken(stored.tokens, tokens), failure: unverified };
  try {
    const { claims } = stored;
    const asking = callOnTokens(parts.settings.hooks, tokens, { req, grant: "refresh_token", claims });
    const kept = await withinTime(asking, HOOK_MS, hookTooSlow);
    parts.outage.forget(id);
    return { tokens: kept };
  } catch (error) {
    if (endsSession(error)) void revokeQuietly(parts, [tokens.refresh_token]);
    if (endsSession(error) || !(error instanceof PortalAuthError)) throw error;
    logShared(parts.log, error);
    parts.outage.remember(id, error, "session");
    return { tokens: onlyRefreshToken(stored.tokens, tokens), failure: error };
  }
}

function hookTooSlow(): never {
  const detail = `onTokens took more than ${HOOK_MS / 1000} s; in it req.portal waits for these very tokens: use tokens.access_token`;
  throw new PortalAuthError("hook_failed", { detail });
}

const hasEnded = ({ settings }: Parts, { tokens }: PortalSession): boolean =>
  settings.clock() / 1000 >= (tokens.expires_at ?? Number.POSITIVE_INFINITY);

/** @param isLastWord whether a refusal whose reason is not clear ends the session */
async function askPortal({ getPortal, outage, log }: Parts, id: string, stored: PortalSession, isLastWord: boolean) {
  outage.check(id);
  const hasFailed = (error: PortalAuthError) => {
    logShared(log, error, logAnyway);
    if (!endsSession(error)) return outage.remember(id, error, whose(error));
    outage.isBack(); // the portal has answered
    outage.forget(id);
  };
  try {
    const refreshed = await refresh(await getPortal(), stored, isLastWord);
    if (refreshed.unverified) hasFailed(refreshed.unverified);
    else outage.isBack();
    return refreshed;
  } catch (thrown) {
    const error = asPortalAuthError(thrown);
    hasFailed(error);
    throw error;
  }
}

const whose = ({ code }: PortalAuthError): Blame => (OF_ONE_PERSON.includes(code) ? "session" : "portal");

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
