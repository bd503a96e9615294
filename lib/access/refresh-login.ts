import type { Request } from "express";
import { logSharedFailure, logUnconditionally } from "../answer/log.js";
import { revokeTokens } from "../context/revoke-tokens.js";
import type { RouterContext } from "../context/router-context.js";
import type { TokenSet } from "../contract/tokens.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { callOnTokens } from "../hooks/call-on-tokens.js";
import type { Provider } from "../provider/discovery.js";
import { createNetworkError } from "../provider/provider-fetch.js";
import { refreshTokens } from "../provider/refresh-tokens.js";
import { createRequestTimeout } from "../provider/request-timeout.js";
import type { FailureScope } from "../refresh/refresh-circuit-breaker.js";
import { getMaxRefreshMs, type RefreshResult, type RefreshTask } from "../refresh/refresh-task.js";
import type { PortalSession } from "../session/login-record.js";
import type { LoginHandle } from "../session/request-session.js";
import { hasExpired } from "../util/time.js";
import { withTimeout } from "../util/with-timeout.js";

/** What speaks of one person's tokens, and not of the portal or of how this application is known there. */
const SESSION_FAILURES: readonly PortalAuthErrorCode[] = [
  "token_refused",
  "id_token_invalid",
  "id_token_signature_invalid",
  "nonce_mismatch",
];

/** The part of a refresh that depends on who asks for it. */
interface RefreshRequest extends Pick<RefreshTask, "hasNewTokens" | "isAfterRefusal"> {
  /** Whether a request waits for the token. A refresh ahead of time needs a clear refusal to end the session. Default true. */
  readonly isNeeded?: boolean;
}

/** How the tokens of this login are refreshed, if this process does it. */
export function createRefresh(
  router: RouterContext,
  req: Request,
  login: LoginHandle,
  { hasNewTokens, isAfterRefusal, isNeeded = true }: RefreshRequest,
): RefreshTask {
  const renewAtMostMs = getMaxRefreshMs(router.settings);
  return {
    login,
    clock: router.settings.clock,
    hasNewTokens,
    isAfterRefusal,
    shouldEndLogin: endsSession,
    async prepare() {
      const provider = await findProvider(router, login.key);
      return (stored, onSlow) =>
        refreshLogin({ router, req, id: login.key, provider, isNeeded, renewAtMostMs, onSlow }, stored);
    },
    maxRefreshMs: renewAtMostMs,
    // a logout that came while the provider was asked could not revoke these
    onUnsavedTokens: ({ refresh_token }) => void revokeTokens(router, [refresh_token]),
  };
}

/** The failures after which a session is over: a refusal by the provider or by the application, or a mix-up of users. */
const SESSION_ENDING_FAILURES: readonly PortalAuthErrorCode[] = [
  "refresh_refused",
  "refresh_identity_mismatch",
  "login_refused",
];

/** Whether this failure of a refresh ends the session. */
export const endsSession = (error: unknown): boolean =>
  error instanceof PortalAuthError && SESSION_ENDING_FAILURES.includes(error.code);

/** @throws PortalAuthError if the provider is down, or was a moment ago */
async function findProvider(router: RouterContext, id: string): Promise<Provider> {
  const { refreshCircuitBreaker: circuitBreaker, getProvider } = router;
  const failure = circuitBreaker.getFailure(id);
  if (failure) throw failure;
  try {
    return await getProvider();
  } catch (thrown) {
    circuitBreaker.beginAttempt(id); // this was the trial
    throw rememberFailure(router, id, thrown);
  }
}

interface RefreshContext {
  readonly router: RouterContext;
  readonly req: Request;
  readonly id: string;
  readonly provider: Provider;
  readonly isNeeded: boolean;
  readonly renewAtMostMs: number;
  readonly onSlow: (error: PortalAuthError) => void;
}

/** Waits for nothing before the refresh token is sent. */
async function refreshLogin(context: RefreshContext, stored: PortalSession): Promise<RefreshResult> {
  const { router, req, id, renewAtMostMs } = context;
  const endsAt = performance.now() + renewAtMostMs;
  if (stored.tokens.refresh_token === undefined) throw new PortalAuthError("token_expired");
  const { tokens, unverified } = await requestTokens(context, stored, endsAt);
  if (unverified) return { tokens: replaceRefreshToken(stored.tokens, tokens), failure: unverified };
  try {
    const { claims } = stored;
    const asking = callOnTokens(router.settings.hooks, tokens, { req, grant: "refresh_token", claims });
    const kept = await withTimeout(asking, endsAt - performance.now(), () => throwHookTimeout(renewAtMostMs));
    router.refreshCircuitBreaker.recordSessionSuccess(id);
    return { tokens: kept };
  } catch (thrown) {
    const error = toPortalAuthError(thrown);
    if (endsSession(error)) {
      void revokeTokens(router, [tokens.refresh_token]);
      throw error;
    }
    logSharedFailure(router.log, error);
    router.refreshCircuitBreaker.recordFailure(id, error, "session");
    return { tokens: replaceRefreshToken(stored.tokens, tokens), failure: error };
  }
}

function throwHookTimeout(milliseconds: number): never {
  const limit = `the provider and onTokens took more than ${milliseconds / 1000} s`;
  const detail = `${limit}; in it req.portal waits for these very tokens: use tokens.access_token`;
  throw new PortalAuthError("hook_failed", { detail });
}

async function requestTokens(context: RefreshContext, stored: PortalSession, endsAt: number) {
  const { router, id, provider, isNeeded } = context;
  const { refreshCircuitBreaker: circuitBreaker, settings } = router;
  circuitBreaker.beginAttempt(id);
  // if the access token is still good, a refusal whose reason is not clear does not end the session
  const isUnclearRefusalFinal = isNeeded && hasExpired(stored.tokens, settings.clock);
  const watch = watchForSlowness(context);
  try {
    const refreshed = await refreshTokens(provider, stored, { isUnclearRefusalFinal, endsAt });
    if (refreshed.unverified) rememberFailure(router, id, refreshed.unverified);
    else circuitBreaker.recordProviderSuccess();
    return refreshed;
  } catch (thrown) {
    throw watch.slow && isTimeout(thrown) ? watch.slow : rememberFailure(router, id, thrown);
  } finally {
    watch.noteSlow = undefined;
  }
}

const isTimeout = (error: unknown): boolean =>
  error instanceof PortalAuthError && error.code === "portal_timeout";

interface SlownessWatch {
  /** Called when the time is over. Undefined once the provider has answered. */
  noteSlow: ((reason: unknown) => void) | undefined;
  /** The failure that was noted when the time was over. */
  slow: PortalAuthError | undefined;
}

/** Notes a failure if the provider has not answered within PORTAL_HTTP_TIMEOUT. It may still answer. */
function watchForSlowness({ router, id, provider, onSlow }: RefreshContext): SlownessWatch {
  const { origin } = new URL(String(provider.metadata.token_endpoint));
  const watch: SlownessWatch = {
    noteSlow(reason) {
      watch.slow = rememberFailure(router, id, createNetworkError(reason, origin));
      onSlow(watch.slow);
    },
    slow: undefined,
  };
  callWhenOver(createRequestTimeout(1000 * router.settings.httpTimeout), watch);
  return watch;
}

/** The timer runs on after the answer. It holds the watch only, so that it keeps no request in memory. */
function callWhenOver(timeout: AbortSignal, watch: SlownessWatch): void {
  timeout.addEventListener("abort", () => watch.noteSlow?.(timeout.reason));
}

/** Logs a failure of the provider, and remembers it. */
function rememberFailure(
  { refreshCircuitBreaker: circuitBreaker, log }: RouterContext,
  id: string,
  thrown: unknown,
): PortalAuthError {
  const error = toPortalAuthError(thrown);
  logSharedFailure(log, error, logUnconditionally);
  if (endsSession(error)) {
    circuitBreaker.recordProviderSuccess(); // the provider has answered
    circuitBreaker.recordSessionSuccess(id);
  } else circuitBreaker.recordFailure(id, error, getFailureScope(error));
  return error;
}

const getFailureScope = ({ code }: PortalAuthError): FailureScope =>
  SESSION_FAILURES.includes(code) ? "session" : "provider";

/**
 * What is kept of an answer that nobody may use: the refresh token, as the old one may have ended with it. The old
 * access token stays, so the next request refreshes again.
 */
function replaceRefreshToken(old: Readonly<TokenSet>, answer: TokenSet): TokenSet {
  const { refresh_token, refresh_expires_at } = answer;
  const { refresh_expires_at: _, ...rest } = old;
  return {
    ...rest,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(refresh_expires_at !== undefined && { refresh_expires_at }),
  };
}
