import { PortalAuthError } from "../errors/portal-auth-error.js";
import { pause } from "../util/pause.js";

const MAX_ATTEMPTS = 50;

/**
 * Repeats a compare-and-set until it has an outcome. If another write came in between, it pauses for a random
 * time, at most 20 ms.
 *
 * @param attempt resolves to `{ outcome }`, or to undefined if another write came in between
 * @throws PortalAuthError `session_store_failed` after too many attempts, and errors of `attempt`
 */
export async function retryCompareAndSet<Outcome>(
  attempt: () => Promise<{ readonly outcome: Outcome } | undefined>,
): Promise<Outcome> {
  for (let count = 0; count < MAX_ATTEMPTS; count += 1) {
    const written = await attempt();
    if (written) return written.outcome;
    await pause(Math.random() * Math.min(count, 10) * 2);
  }
  throw new PortalAuthError("session_store_failed", {
    detail: `${MAX_ATTEMPTS} other writes came in between`,
  });
}
