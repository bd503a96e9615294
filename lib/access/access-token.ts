import type { Request } from "express";
import type { RouterContext } from "../context/router-context.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import {
  getLoginHandle,
  type LoginHandle,
  readSession,
  updateRequestLogin,
} from "../session/request-session.js";
import { hasExpired } from "../util/time.js";
import { withTimeout } from "../util/with-timeout.js";
import { createRefresh, endsSession } from "./refresh-login.js";

/**
 * If a refresh takes longer, requests get the old token while it is good. This counts from the beginning of the refresh: if
 * the provider is slow, or a process was killed during a refresh, later requests get the old token at once.
 */
const MAX_WAIT_MS = 2000;

/** What is wanted of the tokens. */
export interface TokenRequirement {
  /** The version of a token set that somebody refused, although it had not ended: any newer one will do. */
  readonly rejectedVersion?: number;
}

/**
 * The login of this request, with an access token that is good for the leeway at least; refreshed when it was not.
 *
 * @throws PortalAuthError `login_required`, `token_expired`, `refresh_refused` and `refresh_identity_mismatch` when the
 *   user must sign in again; `refresh_failed` and the provider's own failures, all of them 503, when it may work later
 */
export async function getFreshSession(
  router: RouterContext,
  req: Request,
  requirement: TokenRequirement = {},
): Promise<PortalSession> {
  const session = readSession(req, router.settings);
  if (!session) throw new PortalAuthError("login_required");
  if (isSufficient(router, session, requirement)) return session;
  const isGood = requirement.rejectedVersion === undefined && !isExpired(router, session);
  if (session.tokens.refresh_token === undefined) {
    if (isGood) return session;
    throw new PortalAuthError("token_expired");
  }
  try {
    return await refreshForRequest(router, req, session, requirement, isGood);
  } catch (error) {
    if (needsLogin(error)) throw error;
    if (isGood && !isExpired(router, session)) return session; // the portal may come back before the token ends
    throw toTemporaryError(error);
  }
}

/** So long after a refresh that a refusal has brought another refusal brings none. */
const REJECTION_PAUSE_SECONDS = 5 * 60;

/**
 * The login with a new token, as a resource has refused this one although it has not ended. Undefined where there is none
 * to be had, and where this one came in the same way: a resource that answers 401 to everything would cost the portal a
 * refresh for each call, from every process.
 *
 * @throws PortalAuthError as freshSession() does
 */
export async function refreshRejectedToken(router: RouterContext, req: Request, session: PortalSession) {
  const { after_refusal, obtained_at, tokens, version } = session;
  const isFinal =
    after_refusal === true && router.settings.clock() / 1000 < obtained_at + REJECTION_PAUSE_SECONDS;
  if (isFinal || tokens.refresh_token === undefined) return undefined;
  return getFreshSession(router, req, { rejectedVersion: version });
}

/**
 * The same for who hands on what the resource has answered: its 401 says more than that there is no other token right now.
 *
 * @throws PortalAuthError where the person must sign in again for the portal's own reasons, and as a hook fails
 */
export async function refreshRejectedTokenUnlessDown(
  router: RouterContext,
  req: Request,
  session: PortalSession,
) {
  try {
    return await refreshRejectedToken(router, req, session);
  } catch (error) {
    if (isCode(error, "token_expired") || (error as PortalAuthError).status === 503) return undefined;
    throw error;
  }
}

/** Whether the access token lasts for the leeway. Of one that lives no longer than that, half its life. */
export function isFresh({ settings }: RouterContext, { tokens, obtained_at }: PortalSession): boolean {
  if (tokens.expires_at === undefined) return true; // the portal does not say: it is good until somebody refuses it
  const life = tokens.expires_at - (obtained_at ?? tokens.expires_at);
  const leeway = life > 0 ? Math.min(settings.refreshLeeway, life / 2) : settings.refreshLeeway;
  return settings.clock() / 1000 + leeway < tokens.expires_at;
}

const isSufficient = (
  router: RouterContext,
  session: PortalSession,
  { rejectedVersion: refused }: TokenRequirement,
): boolean => isFresh(router, session) && (refused === undefined || session.version > refused);

const isExpired = ({ settings }: RouterContext, { tokens }: PortalSession): boolean =>
  hasExpired(tokens, settings.clock);

/** Whether this failure means that only a new login helps. */
export const needsLogin = (error: unknown): boolean =>
  endsSession(error) || isCode(error, "login_required") || isCode(error, "token_expired");

const isCode = (error: unknown, code: PortalAuthErrorCode): boolean =>
  error instanceof PortalAuthError && error.code === code;

async function refreshForRequest(
  router: RouterContext,
  req: Request,
  session: PortalSession,
  requirement: TokenRequirement,
  isGood: boolean,
) {
  const login = getLoginHandle(req, router.settings);
  const remainingMs = Math.max(0, MAX_WAIT_MS - router.refreshOnce.getAgeMs(login.key));
  const work = refreshToNewer(router, req, login, session, requirement).then(
    (portal) => {
      updateRequestLogin(req, router.settings, login.key, portal);
      return portal;
    },
    (error) => {
      if (endsSession(error) || isCode(error, "login_required"))
        updateRequestLogin(req, router.settings, login.key, undefined); // it is gone
      throw error;
    },
  );
  if (!isGood) return work;
  // the refresh continues for the next request; if the token expires meanwhile, this one waits for it, too
  return withTimeout(work, remainingMs, () => (isExpired(router, session) ? work : session));
}

async function refreshToNewer(
  router: RouterContext,
  req: Request,
  login: LoginHandle,
  { version = 0 }: PortalSession,
  requirement: TokenRequirement,
) {
  const isNewer = (stored: PortalSession) =>
    stored.version > version && isSufficient(router, stored, requirement);
  const wanted = { hasNewTokens: isNewer, isAfterRefusal: requirement.rejectedVersion !== undefined };
  const refresh = () => router.refreshOnce(login.key, createRefresh(router, req, login, wanted));
  const portal = await refresh();
  return portal.version > version ? portal : refresh(); // it was under way already, for somebody with an older copy
}

/** A failure that does not end the session is reported as one to try again, whatever the provider meant. */
function toTemporaryError(thrown: unknown): PortalAuthError {
  const error = toPortalAuthError(thrown);
  if (error.status === 503 || error.code === "hook_failed") return error;
  const { code, detail, hint, providerDescription } = error;
  const seen = `${code}: ${detail ?? hint}`;
  return new PortalAuthError("refresh_failed", { detail: seen, providerDescription, cause: error });
}
