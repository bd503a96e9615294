import type { Clock } from "../contract/clock.js";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { keepNewest } from "../util/bounded-map.js";

const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;
/** Who has failed before lets others try first, for so long at most: it may be the one for whom alone the portal fails. */
const OTHERS_FIRST_MS = 5000;
/** Who tries for all is waited for; not for ever. */
const MAX_TRIAL_MS = 60_000;
const MAX_SESSIONS = 1000;

/** Whose a failure may be: of this session alone, or of the portal. */
export type Blame = "session" | "portal";

/**
 * Remembers that refreshing fails at the moment: everybody whose token has ended would ask the portal, again and again,
 * and one that is coming back would be met by all of them at once. So a session that has failed waits before it tries
 * again, shortly at first, and twice as long after each failure. When a second session fails before any has succeeded it
 * is the portal's trouble, and all wait; one tries for them, and the others after it has succeeded. One session alone
 * proves nothing: its person may be one for whom the portal always fails.
 */
export interface RefreshCircuitBreaker {
  /** The failure that is remembered, unless it is time to try again. */
  getFailure(id: string): PortalAuthError | undefined;
  /**
   * Before the portal is asked: whoever passes tries for all.
   *
   * @throws PortalAuthError the failure that is remembered
   */
  beginAttempt(id: string): void;
  recordFailure(id: string, failure: PortalAuthError, blame: Blame): void;
  /** The portal has answered as it should, whatever became of that answer. */
  recordProviderSuccess(): void;
  /** This session has been refreshed. */
  recordSessionSuccess(id: string): void;
}

interface FailureState {
  readonly failure: PortalAuthError;
  readonly blame: Blame;
  readonly pause: number;
  nextAt: number;
  /** Who tries for all, and has not come to an end. */
  trial?: string | undefined;
}

export function createRefreshCircuitBreaker(clock: Clock): RefreshCircuitBreaker {
  let ofAll: FailureState | undefined;
  const ofSessions = new Map<string, FailureState>(); // oldest first
  let failedLast: string | undefined; // with no success since

  const next = (before: FailureState | undefined, failure: PortalAuthError, blame: Blame): FailureState => {
    const pause = before ? Math.min(2 * before.pause, MAX_PAUSE_MS) : FIRST_PAUSE_MS;
    return { failure, blame, pause, nextAt: clock() + Math.max(pause, 1000 * (failure.retryAfter ?? 0)) };
  };

  /** A clock that was set back does not make a pause longer than any is. */
  const isAhead = (moment: number): boolean =>
    clock() < moment && moment - clock() <= MAX_TRIAL_MS + OTHERS_FIRST_MS;

  function current(id: string): PortalAuthError | undefined {
    const own = ofSessions.get(id);
    if (own && isAhead(own.nextAt)) return own.failure;
    if (ofAll && isAhead(ofAll.nextAt + (own ? Math.min(ofAll.pause, OTHERS_FIRST_MS) : 0)))
      return ofAll.failure;
    return undefined;
  }

  function blamePortal(id: string, failure: PortalAuthError): void {
    const isFirst = failedLast === undefined || failedLast === id;
    failedLast = id;
    // several may be under way when the portal goes down: together they have failed once
    if (ofAll ? ofAll.trial === id : !isFirst) ofAll = next(ofAll, failure, "portal");
  }

  return {
    getFailure: current,
    beginAttempt(id) {
      const failure = current(id);
      if (failure) throw failure;
      const own = ofSessions.get(id);
      if (own) own.nextAt = clock() + own.pause;
      if (!ofAll) return;
      ofAll.trial = id;
      ofAll.nextAt = clock() + MAX_TRIAL_MS;
    },
    recordFailure(id, failure, blame) {
      keepNewest(ofSessions, id, next(ofSessions.get(id), failure, blame), MAX_SESSIONS);
      if (blame === "portal") return blamePortal(id, failure);
      if (ofAll?.trial !== id) return;
      ofAll.trial = undefined; // it has come to an end that says nothing of the portal
      ofAll.nextAt = clock();
    },
    recordProviderSuccess() {
      failedLast = undefined;
      if (!ofAll) return;
      ofAll = undefined;
      for (const [id, { blame }] of ofSessions) if (blame === "portal") ofSessions.delete(id);
    },
    recordSessionSuccess(id) {
      ofSessions.delete(id);
    },
  };
}
