import type { Clock } from "../contract/clock.js";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { BoundedMap } from "../util/bounded-map.js";

const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;
/** A session that has failed lets other sessions try first: the provider may fail for its user alone. */
const MAX_EXTRA_PAUSE_MS = 5000;
/** The other sessions wait at most this long for the outcome of a trial. */
const MAX_TRIAL_MS = 60_000;
const MAX_SESSIONS = 1000;

/** Says what a failure is about: this session alone, or the provider. */
export type FailureScope = "session" | "provider";

interface FailureState {
  readonly failure: PortalAuthError;
  readonly scope: FailureScope;
  readonly pauseMs: number;
  nextAttemptAt: number;
  /** The session that makes the trial for all sessions, until it has an outcome. */
  trialSession?: string | undefined;
}

/**
 * Stops refreshes for a while after they have failed. Without it, each request with an expired token would
 * send a refresh, and a provider that recovers would get all of them at once.
 *
 * - A session that has failed waits before it tries again: 1 s, then twice as long after each failure, up to
 *   30 s.
 * - If a second session fails before any refresh has succeeded, the provider is down, and all sessions wait.
 *   Then one session makes a trial. The others continue after it has succeeded.
 * - The failures of one session do not stop other sessions: the provider may fail for its user alone.
 */
export class RefreshCircuitBreaker {
  readonly #clock: Clock;
  readonly #sessionFailures = new BoundedMap<string, FailureState>(MAX_SESSIONS);
  #providerFailure: FailureState | undefined;
  /** The session of the last failure of the provider. Undefined after a success. */
  #lastFailedSession: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns the failure for which this session must wait; undefined if it may refresh. */
  getFailure(id: string): PortalAuthError | undefined {
    const ofSession = this.#sessionFailures.get(id);
    if (ofSession && this.#isAhead(ofSession.nextAttemptAt)) return ofSession.failure;
    const ofProvider = this.#providerFailure;
    if (!ofProvider) return undefined;
    const extraPauseMs = ofSession ? Math.min(ofProvider.pauseMs, MAX_EXTRA_PAUSE_MS) : 0;
    return this.#isAhead(ofProvider.nextAttemptAt + extraPauseMs) ? ofProvider.failure : undefined;
  }

  /**
   * Called before a request to the provider. While the provider is down, this session makes the trial.
   *
   * @throws PortalAuthError the failure for which this session must wait
   */
  beginAttempt(id: string): void {
    const failure = this.getFailure(id);
    if (failure) throw failure;
    const ofSession = this.#sessionFailures.get(id);
    if (ofSession) ofSession.nextAttemptAt = this.#clock() + ofSession.pauseMs;
    if (!this.#providerFailure) return;
    this.#providerFailure.trialSession = id;
    this.#providerFailure.nextAttemptAt = this.#clock() + MAX_TRIAL_MS;
  }

  /** Records that a refresh of this session has failed. */
  recordFailure(id: string, failure: PortalAuthError, scope: FailureScope): void {
    this.#sessionFailures.set(id, this.#createState(this.#sessionFailures.get(id), failure, scope));
    if (scope === "provider") this.#recordProviderFailure(id, failure);
    else if (this.#providerFailure?.trialSession === id) this.#allowNextTrial(this.#providerFailure);
  }

  /** Records a correct response of the provider, even if a later step of the refresh fails. */
  recordProviderSuccess(): void {
    this.#lastFailedSession = undefined;
    if (!this.#providerFailure) return;
    this.#providerFailure = undefined;
    for (const [id, { scope }] of this.#sessionFailures)
      if (scope === "provider") this.#sessionFailures.delete(id);
  }

  /** Records that this session was refreshed. */
  recordSessionSuccess(id: string): void {
    this.#sessionFailures.delete(id);
  }

  #recordProviderFailure(id: string, failure: PortalAuthError): void {
    const isSecondSession = this.#lastFailedSession !== undefined && this.#lastFailedSession !== id;
    this.#lastFailedSession = id;
    // Several refreshes may run when the provider goes down. Together they count as one failure.
    const counts = this.#providerFailure ? this.#providerFailure.trialSession === id : isSecondSession;
    if (counts) this.#providerFailure = this.#createState(this.#providerFailure, failure, "provider");
  }

  /** The trial has an outcome that says nothing about the provider. */
  #allowNextTrial(state: FailureState): void {
    state.trialSession = undefined;
    state.nextAttemptAt = this.#clock();
  }

  #createState(
    previous: FailureState | undefined,
    failure: PortalAuthError,
    scope: FailureScope,
  ): FailureState {
    const pauseMs = previous ? Math.min(2 * previous.pauseMs, MAX_PAUSE_MS) : FIRST_PAUSE_MS;
    const waitMs = Math.max(pauseMs, 1000 * (failure.retryAfter ?? 0));
    return { failure, scope, pauseMs, nextAttemptAt: this.#clock() + waitMs };
  }

  /** Returns whether a time is ahead. No pause is longer than the limit, even if the clock was set back. */
  #isAhead(time: number): boolean {
    const now = this.#clock();
    return now < time && time - now <= MAX_TRIAL_MS + MAX_EXTRA_PAUSE_MS;
  }
}
