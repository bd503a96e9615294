import type { Clock } from "../clock.js";
import type { PortalAuthError, PortalAuthErrorCode } from "../errors.js";
import { keepNewest } from "../newest.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const MOST_SESSIONS = 1000;

/** What speaks of one person's tokens, and not of the portal or of how this application is known there. */
const OF_ONE_PERSON: readonly PortalAuthErrorCode[] = [
  "token_refused",
  "id_token_invalid",
  "id_token_signature_invalid",
  "nonce_mismatch",
];

/**
 * Remembers that refreshing fails at the moment: everybody whose token has ended would ask the portal, again and again,
 * and one that is coming back would be met by all of them at once. After a pause one may try, and the others after it has
 * succeeded. The pause is short at first, and twice as long after each failure. What fails for one person is remembered
 * for their session alone.
 */
export interface Outage {
  /** The failure that is remembered, unless it is time to try again. */
  current(id: string): PortalAuthError | undefined;
  /**
   * Before the portal is asked: whoever passes tries for all.
   *
   * @throws PortalAuthError the failure that is remembered
   */
  check(id: string): void;
  remember(id: string, failure: PortalAuthError): void;
  /** The portal has answered as it should. */
  forget(id: string): void;
}

interface Failing {
  readonly failure: PortalAuthError;
  readonly pause: number;
  nextAt: number;
}

export function createOutage(clock: Clock): Outage {
  let ofAll: Failing | undefined;
  const ofSessions = new Map<string, Failing>(); // oldest first
  const failing = (id: string) => [ofAll, ofSessions.get(id)].filter((entry) => entry !== undefined);
  const current = (id: string) => failing(id).find(({ nextAt }) => clock() < nextAt)?.failure;

  return {
    current,
    check(id) {
      const failure = current(id);
      if (failure) throw failure;
      for (const entry of failing(id)) entry.nextAt = clock() + entry.pause; // this one tries
    },
    remember(id, failure) {
      const isOfOne = OF_ONE_PERSON.includes(failure.code);
      const before = isOfOne ? ofSessions.get(id) : ofAll;
      const pause = before ? Math.min(2 * before.pause, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
      const entry = { failure, pause, nextAt: clock() + pause };
      if (isOfOne) keepNewest(ofSessions, id, entry, MOST_SESSIONS);
      else ofAll = entry;
    },
    forget(id) {
      ofAll = undefined;
      ofSessions.delete(id);
    },
  };
}
