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
import { omitUndefined } from "../util/omit-undefined.js";
import { hasExpired } from "../util/time.js";
import { withTimeout } from "../util/with-timeout.js";

/**
 * Failures of the tokens of one user. They say nothing about the provider, or about its configuration of this
 * client.
 */
const SESSION_FAILURES: readonly PortalAuthErrorCode[] = [
  "token_refused",
  "id_token_invalid",
  "id_token_signature_invalid",
  "nonce_mismatch",
];

/** The part of a refresh that depends on its caller. */
interface RefreshRequest extends Pick<RefreshTask, "hasNewTokens" | "isAfterRejection"> {
  /**
   * Whether a request waits for the token. A refresh ahead of time ends the session only after a clear
   * refusal. Default true.
   */
  readonly isNeeded?: boolean;
}

/**
 * Creates the task that refreshes the tokens of this login, if this process is the one that refreshes them.
 */
export function createRefresh(
  router: RouterContext,
  req: Request,
  login: LoginHandle,
  { hasNewTokens, isAfterRejection, isNeeded = true }: RefreshRequest,
): RefreshTask {
  const maxRefreshMs = getMaxRefreshMs(router.settings);
  return {
    login,
    clock: router.settings.clock,
    hasNewTokens,
    isAfterRejection,
    shouldEndLogin: endsSession,
    async prepare() {
      const provider = await findProvider(router, login.key);
      return (stored, onSlow) =>
        refreshLogin({ router, req, id: login.key, provider, isNeeded, maxRefreshMs, onSlow }, stored);
    },
    maxRefreshMs,
    // A logout during the refresh could not revoke these tokens.
    onUnsavedTokens: ({ refresh_token }) => void revokeTokens(router, [refresh_token]),
  };
}

/**
 * The failures after which a session has ended: the provider or the application refuses it, or the response
 * is about another user.
 */
const SESSION_ENDING_FAILURES: readonly PortalAuthErrorCode[] = [
  "refresh_refused",
  "refresh_identity_mismatch",
  "login_refused",
];

/** Returns whether this failure of a refresh ends the session. */
export const endsSession = (error: unknown): boolean =>
  error instanceof PortalAuthError && SESSION_ENDING_FAILURES.includes(error.code);

/** @throws PortalAuthError if the provider is down, or was down a moment ago */
async function findProvider(router: RouterContext, id: string): Promise<Provider> {
  const { refreshCircuitBreaker: circuitBreaker, getProvider } = router;
  const failure = circuitBreaker.getFailure(id);
  if (failure) throw failure;
  try {
    return await getProvider();
  } catch (thrown) {
    circuitBreaker.beginAttempt(id); // this counts as the trial
    throw rememberFailure(router, id, thrown);
  }
}

interface RefreshContext {
  readonly router: RouterContext;
  readonly req: Request;
  readonly id: string;
  readonly provider: Provider;
  readonly isNeeded: boolean;
  readonly maxRefreshMs: number;
  readonly onSlow: (error: PortalAuthError) => void;
}

/** Does not wait for anything before it sends the refresh token. */
async function refreshLogin(context: RefreshContext, stored: PortalSession): Promise<RefreshResult> {
  const { router, req, id, maxRefreshMs } = context;
  const endsAt = performance.now() + maxRefreshMs;
  if (stored.tokens.refresh_token === undefined) throw new PortalAuthError("token_expired");
  const { tokens, unverified } = await requestTokens(context, stored, endsAt);
  if (unverified) return { tokens: replaceRefreshToken(stored.tokens, tokens), failure: unverified };
  try {
    const { claims } = stored;
    const hookResult = callOnTokens(router.settings.hooks, tokens, { req, grant: "refresh_token", claims });
    const newTokens = await withTimeout(hookResult, endsAt - performance.now(), () =>
      throwHookTimeout(maxRefreshMs),
    );
    router.refreshCircuitBreaker.recordSessionSuccess(id);
    return { tokens: newTokens };
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
  const detail = `${limit}; in onTokens, req.portal waits for these tokens: use tokens.access_token`;
  throw new PortalAuthError("hook_failed", { detail });
}

async function requestTokens(context: RefreshContext, stored: PortalSession, endsAt: number) {
  const { router, id, provider, isNeeded } = context;
  const { refreshCircuitBreaker: circuitBreaker, settings } = router;
  circuitBreaker.beginAttempt(id);
  // While the access token is valid, a refusal of unclear meaning does not end the session.
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
  /** Called when the timeout is over. Undefined once the provider has responded. */
  noteSlow: ((reason: unknown) => void) | undefined;
  /** The failure that was noted at the timeout. */
  slow: PortalAuthError | undefined;
}

/** Notes a failure if the provider has not responded within PORTAL_HTTP_TIMEOUT. It may still respond. */
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

/** The timer continues after the response. It references only the watch, so it keeps no request in memory. */
function callWhenOver(timeout: AbortSignal, watch: SlownessWatch): void {
  timeout.addEventListener("abort", () => watch.noteSlow?.(timeout.reason));
}

/** Logs a failure of the provider, and records it in the refresh circuit breaker. */
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
 * Returns the tokens to save after a response that must not be used. The refresh token is the new one,
 * because the old one may be revoked. The access token stays the old one, so the next request refreshes
 * again.
 */
function replaceRefreshToken(old: Readonly<TokenSet>, received: TokenSet): TokenSet {
  const { refresh_token, refresh_expires_at } = received;
  const { refresh_expires_at: _, ...rest } = old;
  return { ...rest, ...omitUndefined({ refresh_token, refresh_expires_at }) };
}
