import { LIFETIME_MS } from "../login/transaction.js"; // afterwards a login's cookie opens nothing

const MOST = 10_000;
/** A double click needs no longer; a cookie that was copied shall be worth nothing later. */
const JOIN_WITHIN_MS = 10_000;

/**
 * Runs the work of one login once: whoever comes with the same id and code, meanwhile or right after, shares its outcome.
 * Undefined for who comes later, or with another code.
 */
export type Once<T> = (id: string, code: string, work: () => Promise<T>) => Promise<T> | undefined;

interface Entry<T> {
  readonly outcome: Promise<T>;
  readonly code: string;
  readonly since: number;
  settledAt: number | undefined;
}

/**
 * A double click sends the callback twice, and both carry the cookie of a login that is not yet spent. A code that is
 * sent a second time ends the tokens of its first use (RFC 6749, section 4.1.2), so the second waits for the first.
 */
export function createOnce<T>(): Once<T> {
  const known = new Map<string, Entry<T>>(); // oldest first
  return function once(id, code, work) {
    forget(known);
    const running = known.get(id);
    if (running) return mayJoin(running, code) ? running.outcome : undefined;
    const entry: Entry<T> = { outcome: work(), code, since: Date.now(), settledAt: undefined };
    const settle = () => {
      entry.settledAt = Date.now();
    };
    entry.outcome.then(settle, settle);
    known.set(id, entry);
    return entry.outcome;
  };
}

const mayJoin = ({ code: its, settledAt }: Entry<unknown>, code: string): boolean =>
  its === code && (settledAt === undefined || Date.now() < settledAt + JOIN_WITHIN_MS);

/** What is too old, and the oldest of what is too many; never what is still under way. */
function forget(known: Map<string, Entry<unknown>>): void {
  const now = Date.now();
  for (const [id, { since, settledAt }] of known) {
    if (since + LIFETIME_MS > now && known.size < MOST) return;
    if (settledAt !== undefined) known.delete(id);
  }
}
