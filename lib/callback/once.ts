import { LIFETIME_MS } from "../login/transaction.js"; // afterwards a login's cookie opens nothing

const MOST = 10_000;

/** Runs the work of one login once: whoever comes with the same id, meanwhile or later, shares its outcome. */
export type Once<T> = (id: string, work: () => Promise<T>) => Promise<T>;

/**
 * A double click sends the callback twice, and both carry the cookie of a login that is not yet spent. A code that is
 * sent a second time ends the tokens of its first use (RFC 6749, section 4.1.2), so the second waits for the first.
 */
export function createOnce<T>(): Once<T> {
  const known = new Map<string, { readonly outcome: Promise<T>; readonly since: number; settled: boolean }>(); // oldest first
  return function once(id, work) {
    forget(known);
    const running = known.get(id);
    if (running) return running.outcome;
    const entry = { outcome: work(), since: Date.now(), settled: false };
    const settle = () => {
      entry.settled = true;
    };
    entry.outcome.then(settle, settle);
    known.set(id, entry);
    return entry.outcome;
  };
}

/** What is too old, and the oldest of what is too many; never what is still under way. */
function forget(known: Map<string, { readonly since: number; readonly settled: boolean }>): void {
  const now = Date.now();
  for (const [id, { since, settled }] of known) {
    if (since + LIFETIME_MS > now && known.size < MOST) return;
    if (settled) known.delete(id);
  }
}
