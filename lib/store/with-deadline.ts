import { PortalAuthError } from "../errors/portal-auth-error.js";
import { withTimeout } from "../util/with-timeout.js";

const DEADLINE_MS = 10_000;

/**
 * Waits at most 10 s for calls of the store. A broken connection may never respond, and later calls for the
 * same session wait for this one.
 *
 * @param work calls `isTimedOut` after each response of the store, and writes nothing if it returns true
 * @throws PortalAuthError `session_store_failed`
 */
export function withDeadline<T>(work: (isTimedOut: () => boolean) => Promise<T>): Promise<T> {
  let hasTimedOut = false;
  return withTimeout(
    work(() => hasTimedOut),
    DEADLINE_MS,
    (): never => {
      hasTimedOut = true;
      throw new PortalAuthError("session_store_failed", {
        detail: `no response within ${DEADLINE_MS / 1000} s`,
      });
    },
  );
}
