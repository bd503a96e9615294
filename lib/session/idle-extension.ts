import type { LoginRecord } from "./login-record.js";
import type { LoginStorage } from "./login-storage.js";

/** The idle end moves at most once a minute, and ten times within a shorter life. */
const getExtensionStep = (idleMs: number): number => Math.min(60_000, idleMs / 10);

/** An application can give its session another life, and so can the option `sessionIdle` after a restart. */
const isIdleTimeChanged = ({ idle_ms }: LoginRecord, idleMs: number): boolean =>
  Math.abs(idleMs - idle_ms) >= getExtensionStep(idleMs);

/**
 * Whether the idle end of a login is due to move.
 *
 * @param lifeMs how long the login lives without another request, in milliseconds
 * @param idleMs how long its session lives from its last use, in milliseconds
 */
export const isIdleExtensionDue = (record: LoginRecord, lifeMs: number, idleMs: number): boolean =>
  idleMs - lifeMs >= getExtensionStep(idleMs) || isIdleTimeChanged(record, idleMs);

/**
 * Moves the idle end of a login that was used, and lists it again. A store of ours moves it with the session.
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
