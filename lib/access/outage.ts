import type { Clock } from "../clock.js";
import type { PortalAuthError } from "../errors.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Remembers that the portal does not refresh at the moment: everybody whose token has ended would ask it, again and
 * again, and a portal that is coming back would be met by all of them at once. After a pause one may try, and the
 * others after it has succeeded. The pause is short at first, and twice as long after each failure.
 */
export interface Outage {
  /** @throws PortalAuthError the failure that is remembered */
  check(): void;
  remember(failure: PortalAuthError): void;
  forget(): void;
}

export function createOutage(clock: Clock): Outage {
  let failure: PortalAuthError | undefined;
  let pause = 0;
  let nextAt = 0;
  return {
    check() {
      if (!failure) return;
      if (clock() < nextAt) throw failure;
      nextAt = clock() + pause; // this one tries
    },
    remember(error) {
      failure = error;
      pause = Math.min(Math.max(2 * pause, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
      nextAt = clock() + pause;
    },
    forget() {
      failure = undefined;
      pause = 0;
    },
  };
}
