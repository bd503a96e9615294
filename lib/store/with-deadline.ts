import { PortalAuthError } from "../errors/portal-auth-error.js";
import { withTimeout } from "../util/with-timeout.js";

const DEADLINE_MS = 10_000;

/**
 * Waits at most 10 s for a call of the store: a broken connection may never answer, and later calls for the
 * same session wait for this one.
 *
 * @param work calls isLate() after each answer of the store, and writes nothing if that returns true
 * @throws PortalAuthError `session_store_failed`
 */
export function withDeadline<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T> {
  let isLate = false;
  return withTimeout(
    work(() => isLate),
    DEADLINE_MS,
    (): never => {
      isLate = true;
      throw new PortalAuthError("session_store_failed", {
        detail: `no answer within ${DEADLINE_MS / 1000} s`,
      });
    },
  );
}
