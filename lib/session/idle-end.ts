import type { LoginPlace } from "./login-place.js";
import type { LoginRecord } from "./login-record.js";

/** The idle end moves at most once a minute, and ten times within a shorter life. */
const stepOf = (idleMs: number): number => Math.min(60_000, idleMs / 10);

/** An application can give its session another life, and so can the option `sessionIdle` after a restart. */
const hasOtherLife = ({ idle_ms }: LoginRecord, idleMs: number): boolean =>
  Math.abs(idleMs - idle_ms) >= stepOf(idleMs);

/**
 * Whether the idle end of a login is due to move.
 *
 * @param lifeMs how long the login lives without another request, in milliseconds
 * @param idleMs how long its session lives from its last use, in milliseconds
 */
export const isIdleEndDue = (record: LoginRecord, lifeMs: number, idleMs: number): boolean =>
  idleMs - lifeMs >= stepOf(idleMs) || hasOtherLife(record, idleMs);

/**
 * Moves the idle end of a login that was used, and lists it again. A store of ours moves it with the session.
 */
export async function moveIdleEnd(
  { isOurStore, logins }: LoginPlace,
  key: string,
  record: LoginRecord,
  idle_ms: number,
): Promise<void> {
  if (!isOurStore && !(await logins.records.touch(key, idle_ms))) return;
  const isSame = !hasOtherLife(record, idle_ms);
  const listed = isSame ? record : await logins.update(key, (stored) => ({ ...stored, idle_ms }));
  if (listed) await logins.list(key, listed);
}
