const REMEMBER_MS = 10 * 60 * 1000; // as long as a login may take: afterwards its cookie opens nothing
const MOST = 10_000;

/** Runs the work of one login once: whoever comes with the same id, meanwhile or later, shares its outcome. */
export type Once<T> = (id: string, work: () => Promise<T>) => Promise<T>;

/**
 * A double click sends the callback twice, and both carry the cookie of a login that is not yet spent. A code that is
 * sent a second time ends the tokens of its first use (RFC 6749, section 4.1.2), so the second waits for the first.
 */
export function createOnce<T>(): Once<T> {
  const known = new Map<string, { readonly outcome: Promise<T>; readonly since: number }>(); // oldest first
  return function once(id, work) {
    const now = Date.now();
    for (const [key, { since }] of known) {
      if (since + REMEMBER_MS > now && known.size < MOST) break;
      known.delete(key);
    }
    const outcome = known.get(id)?.outcome ?? work();
    if (!known.has(id)) known.set(id, { outcome, since: now });
    return outcome;
  };
}
