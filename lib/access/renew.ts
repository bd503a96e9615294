import type { Request } from "express";
import { logSharedFailure, logUnconditionally } from "../answer/log.js";
import { revokeTokens } from "../context/revoke-tokens.js";
import type { RouterContext } from "../context/router-context.js";
import type { TokenSet } from "../contract/tokens.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { callOnTokens } from "../hooks/call-on-tokens.js";
import type { Provider } from "../provider/discovery.js";
import { networkFailure } from "../provider/provider-fetch.js";
import { refresh } from "../provider/refresh-tokens.js";
import { requestTimeout } from "../provider/request-timeout.js";
import { longestRenewMs, type Refresh, type Renewed } from "../refresh/refresh.js";
import type { Blame } from "../refresh/refresh-circuit-breaker.js";
import type { PortalSession } from "../session/login-record.js";
import type { StoredLogin } from "../session/session.js";
import { hasExpired } from "../util/time.js";
import { withinTime } from "../util/with-timeout.js";

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

/** How the tokens of this login are refreshed, if this process does it. */
export function renewal(
  router: RouterContext,
  req: Request,
  login: StoredLogin,
  { isEnough, afterRefusal, isNeeded = true }: Renewal,
): Refresh {
  const renewAtMostMs = longestRenewMs(router.settings);
  return {
    login,
    clock: router.settings.clock,
    isEnough,
    afterRefusal,
    endsSession,
    async prepare() {
      const provider = await findPortal(router, login.key);
      return (stored, onSlow) =>
        renew({ router, req, id: login.key, provider, isNeeded, renewAtMostMs, onSlow }, stored);
    },
    renewAtMostMs,
    // a logout that came while the provider was asked could not revoke these
    onOrphan: ({ refresh_token }) => void revokeTokens(router, [refresh_token]),
  };
}

/** The failures after which a session is over: a refusal by the provider or by the application, or a mix-up of users. */
const ENDING: readonly PortalAuthErrorCode[] = [
  "refresh_refused",
  "refresh_identity_mismatch",
  "login_refused",
];

/** Whether this failure of a refresh ends the session. */
export const endsSession = (error: unknown): boolean =>
  error instanceof PortalAuthError && ENDING.includes(error.code);

/** @throws PortalAuthError if the provider is down, or was a moment ago */
async function findPortal(router: RouterContext, id: string): Promise<Provider> {
  const { refreshCircuitBreaker: outage, getProvider } = router;
  const failure = outage.current(id);
  if (failure) throw failure;
  try {
    return await getProvider();
  } catch (thrown) {
    outage.check(id); // this was the trial
    throw noteFailure(router, id, thrown);
  }
}

interface Renewing {
  readonly router: RouterContext;
  readonly req: Request;
  readonly id: string;
  readonly provider: Provider;
  readonly isNeeded: boolean;
  readonly renewAtMostMs: number;
  readonly onSlow: (error: PortalAuthError) => void;
}

/** Waits for nothing before the refresh token is sent. */
async function renew(renewing: Renewing, stored: PortalSession): Promise<Renewed> {
  const { router, req, id, renewAtMostMs } = renewing;
  const endsAt = performance.now() + renewAtMostMs;
  if (stored.tokens.refresh_token === undefined) throw new PortalAuthError("token_expired");
  const { tokens, unverified } = await askPortal(renewing, stored, endsAt);
  if (unverified) return { tokens: onlyRefreshToken(stored.tokens, tokens), failure: unverified };
  try {
    const { claims } = stored;
    const asking = callOnTokens(router.settings.hooks, tokens, { req, grant: "refresh_token", claims });
    const kept = await withinTime(asking, endsAt - performance.now(), () => hookTooSlow(renewAtMostMs));
    router.refreshCircuitBreaker.forget(id);
    return { tokens: kept };
  } catch (thrown) {
    const error = toPortalAuthError(thrown);
    if (endsSession(error)) {
      void revokeTokens(router, [tokens.refresh_token]);
      throw error;
    }
    logSharedFailure(router.log, error);
    router.refreshCircuitBreaker.remember(id, error, "session");
    return { tokens: onlyRefreshToken(stored.tokens, tokens), failure: error };
  }
}

function hookTooSlow(milliseconds: number): never {
  const limit = `the provider and onTokens took more than ${milliseconds / 1000} s`;
  const detail = `${limit}; in it req.portal waits for these very tokens: use tokens.access_token`;
  throw new PortalAuthError("hook_failed", { detail });
}

async function askPortal(renewing: Renewing, stored: PortalSession, endsAt: number) {
  const { router, id, provider, isNeeded } = renewing;
  const { refreshCircuitBreaker: outage, settings } = router;
  outage.check(id);
  // if the access token is still good, a refusal whose reason is not clear does not end the session
  const isLastWord = isNeeded && hasExpired(stored.tokens, settings.clock);
  const watch = watchForSlowness(renewing);
  try {
    const refreshed = await refresh(provider, stored, { isLastWord, endsAt });
    if (refreshed.unverified) noteFailure(router, id, refreshed.unverified);
    else outage.isBack();
    return refreshed;
  } catch (thrown) {
    throw watch.slow && isTimeout(thrown) ? watch.slow : noteFailure(router, id, thrown);
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
function watchForSlowness({ router, id, provider, onSlow }: Renewing): SlownessWatch {
  const { origin } = new URL(String(provider.metadata.token_endpoint));
  const watch: SlownessWatch = {
    noteSlow(reason) {
      watch.slow = noteFailure(router, id, networkFailure(reason, origin));
      onSlow(watch.slow);
    },
    slow: undefined,
  };
  callWhenOver(requestTimeout(1000 * router.settings.httpTimeout), watch);
  return watch;
}

/** The timer runs on after the answer. It holds the watch only, so that it keeps no request in memory. */
function callWhenOver(timeout: AbortSignal, watch: SlownessWatch): void {
  timeout.addEventListener("abort", () => watch.noteSlow?.(timeout.reason));
}

/** Logs a failure of the provider, and remembers it. */
function noteFailure(
  { refreshCircuitBreaker: outage, log }: RouterContext,
  id: string,
  thrown: unknown,
): PortalAuthError {
  const error = toPortalAuthError(thrown);
  logSharedFailure(log, error, logUnconditionally);
  if (endsSession(error)) {
    outage.isBack(); // the provider has answered
    outage.forget(id);
  } else outage.remember(id, error, whose(error));
  return error;
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
