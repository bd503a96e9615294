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
 * If a refresh takes longer, requests get the old token while it is valid. The time counts from the start of
 * the refresh. If the provider is slow, or a process was killed during a refresh, later requests get the old
 * token at once.
 */
const MAX_WAIT_MS = 2000;

/** Requirements for the tokens of a request. */
export interface TokenRequirement {
  /**
   * The version of the tokens that a resource has rejected before they expired. Newer tokens are required.
   */
  readonly rejectedVersion?: number;
}

/**
 * Returns the login of this request, with an access token that stays valid for at least `refreshLeeway`. An
 * older token is refreshed first.
 *
 * @throws PortalAuthError `login_required`, `token_expired`, `refresh_refused` or `refresh_identity_mismatch`
 *   if the user must sign in again. Failures that may be temporary have status 503: `refresh_failed` and
 *   those of the provider
 */
export async function getFreshSession(
  router: RouterContext,
  req: Request,
  requirement: TokenRequirement = {},
): Promise<PortalSession> {
  const session = readSession(req, router.settings);
  if (!session) throw new PortalAuthError("login_required");
  if (isSufficient(router, session, requirement)) return session;
  const isStillValid = requirement.rejectedVersion === undefined && !isExpired(router, session);
  if (session.tokens.refresh_token === undefined) {
    if (isStillValid) return session;
    throw new PortalAuthError("token_expired");
  }
  try {
    return await refreshForRequest(router, req, session, requirement, isStillValid);
  } catch (error) {
    if (needsLogin(error)) throw error;
    // The provider may recover before the token expires.
    if (isStillValid && !isExpired(router, session)) return session;
    throw toTemporaryError(error);
  }
}

/** After a refresh because of a rejected token, the next rejection causes no refresh for so long. */
const REJECTION_PAUSE_SECONDS = 5 * 60;

/**
 * Returns the login with a new token, after a resource has rejected the token before it expired.
 *
 * Undefined if there is no refresh token. Also undefined if the rejected token is itself the result of such a
 * refresh in the last five minutes: a resource that answers 401 to every token must not cause a refresh for
 * each call.
 *
 * @throws PortalAuthError as getFreshSession() does
 */
export async function refreshRejectedToken(router: RouterContext, req: Request, session: PortalSession) {
  const { after_rejection, obtained_at, tokens, version } = session;
  const isFinal =
    after_rejection === true && router.settings.clock() / 1000 < obtained_at + REJECTION_PAUSE_SECONDS;
  if (isFinal || tokens.refresh_token === undefined) return undefined;
  return getFreshSession(router, req, { rejectedVersion: version });
}

/**
 * Returns the same as refreshRejectedToken(), but undefined if no new token is available now, for example
 * because the provider is down. Then the caller returns the 401 of the resource, which says more than a 503.
 *
 * @throws PortalAuthError if the user must sign in again, or a hook failed
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

/**
 * Returns whether the access token stays valid for the leeway. For a token with a shorter lifetime than twice
 * the leeway, half the lifetime counts instead.
 */
export function isFresh({ settings }: RouterContext, { tokens, obtained_at }: PortalSession): boolean {
  if (tokens.expires_at === undefined) return true; // unknown: the token is valid until a resource rejects it
  const lifetime = tokens.expires_at - (obtained_at ?? tokens.expires_at);
  const leeway = lifetime > 0 ? Math.min(settings.refreshLeeway, lifetime / 2) : settings.refreshLeeway;
  return settings.clock() / 1000 + leeway < tokens.expires_at;
}

const isSufficient = (
  router: RouterContext,
  session: PortalSession,
  { rejectedVersion }: TokenRequirement,
): boolean =>
  isFresh(router, session) && (rejectedVersion === undefined || session.version > rejectedVersion);

const isExpired = ({ settings }: RouterContext, { tokens }: PortalSession): boolean =>
  hasExpired(tokens, settings.clock);

/** Returns whether only a new login can solve this failure. */
export const needsLogin = (error: unknown): boolean =>
  endsSession(error) || isCode(error, "login_required") || isCode(error, "token_expired");

const isCode = (error: unknown, code: PortalAuthErrorCode): boolean =>
  error instanceof PortalAuthError && error.code === code;

async function refreshForRequest(
  router: RouterContext,
  req: Request,
  session: PortalSession,
  requirement: TokenRequirement,
  isStillValid: boolean,
) {
  const login = getLoginHandle(req, router.settings);
  const remainingMs = Math.max(0, MAX_WAIT_MS - router.refreshOnce.getAgeMs(login.key));
  const work = refreshToNewer(router, req, login, session, requirement).then(
    (record) => {
      updateRequestLogin(req, router.settings, login.key, record);
      return record;
    },
    (error) => {
      if (endsSession(error) || isCode(error, "login_required"))
        updateRequestLogin(req, router.settings, login.key, undefined); // the login has ended
      throw error;
    },
  );
  if (!isStillValid) return work;
  // The refresh continues for later requests. If the token expires meanwhile, this request waits for it, too.
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
  const refreshRequest = {
    hasNewTokens: isNewer,
    isAfterRejection: requirement.rejectedVersion !== undefined,
  };
  const refresh = () => router.refreshOnce(login.key, createRefresh(router, req, login, refreshRequest));
  const record = await refresh();
  // This request may have joined a refresh of a request with an older copy of the login.
  return record.version > version ? record : refresh();
}

/**
 * Converts a failure that does not end the session into one with status 503, so that the caller tries again.
 */
function toTemporaryError(thrown: unknown): PortalAuthError {
  const error = toPortalAuthError(thrown);
  if (error.status === 503 || error.code === "hook_failed") return error;
  const { code, detail, hint, providerDescription } = error;
  const originalError = `${code}: ${detail ?? hint}`;
  return new PortalAuthError("refresh_failed", { detail: originalError, providerDescription, cause: error });
}
