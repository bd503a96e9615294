import type { LoginRecord } from "./login-record.js";
import type { LoginStorage } from "./login-storage.js";

/** Returns the minimum time between two extensions: one minute, or a tenth of a shorter idle time. */
const getExtensionStep = (idleMs: number): number => Math.min(60_000, idleMs / 10);

/**
 * The idle time changes if the application sets `cookie.maxAge`, or if `sessionIdle` changes at a restart.
 */
const isIdleTimeChanged = ({ idle_ms }: LoginRecord, idleMs: number): boolean =>
  Math.abs(idleMs - idle_ms) >= getExtensionStep(idleMs);

/**
 * Returns whether this request should extend the idle time of a login. That is at most once a minute. If the
 * idle time is below 10 minutes, it is at most once per tenth of it. It is also due if the idle time has
 * changed.
 *
 * @param lifeMs time until the login expires if no other request comes, in milliseconds.
 * @param idleMs lifetime of its session after its last use, in milliseconds.
 */
export const isIdleExtensionDue = (record: LoginRecord, lifeMs: number, idleMs: number): boolean =>
  idleMs - lifeMs >= getExtensionStep(idleMs) || isIdleTimeChanged(record, idleMs);

/**
 * Extends a login that was used: it now expires after `idle_ms` milliseconds without a request. Writes the
 * record's expiry, and lists the login again under its user. In our own store, express-session has extended
 * the record with the session, so only the list is written.
 *
 * If the idle time has changed, the record is rewritten too. If the login has ended since the request loaded
 * it, it stays ended. Rejects if the store fails.
 */
export async function extendIdleTime(
  { isOurStore, logins }: LoginStorage,
  key: string,
  record: LoginRecord,
  idle_ms: number,
): Promise<void> {
  if (!isOurStore && !(await logins.records.touch(key, idle_ms))) return;
  const isSame = !isIdleTimeChanged(record, idle_ms);
  const listed = isSame ? record : await logins.update(key, (stored) => ({ ...stored, idle_ms }));
  if (listed) await logins.addToIndex(key, listed);
}
