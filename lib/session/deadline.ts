import { PortalAuthError } from "../errors.js";
import { withinTime } from "../within-time.js";

const DEADLINE_MS = 10_000;

/**
 * Waits for a store, and not for ever: a connection that died without a word would hold up everybody who wants the same
 * session after it. What comes later is asked whether it is late, and must then leave things as they are.
 *
 * @throws PortalAuthError `session_store_failed`
 */
export function withDeadline<T>(work: (isLate: () => boolean) => Promise<T>): Promise<T> {
  let isLate = false;
  return withinTime(
    work(() => isLate),
    DEADLINE_MS,
    (): never => {
      isLate = true;
      throw new PortalAuthError("session_store_failed", { detail: `no answer within ${DEADLINE_MS / 1000} s` });
    },
  );
}
