import { JOIN_WITHIN_MS } from "./attempt-claims.js";

const MOST = 10_000;

/**
 * Runs the work of one login once. Callbacks with the same id and code, meanwhile or within ten seconds, share its outcome.
 * Returns "too late" for such a callback later on, and "another code" for one with another code.
 */
export type Once<T> = (
  id: string,
  code: string,
  work: () => Promise<T>,
) => Promise<T> | "too late" | "another code";

interface Entry<T> {
  readonly outcome: Promise<T>;
  readonly code: string;
  readonly since: number;
  settledAt: number | undefined;
}

/**
 * A double click sends the callback twice, and both carry the cookie of a login that is not yet spent. A code that is
 * sent a second time ends the tokens of its first use (RFC 6749, section 4.1.2), so the second waits for the first.
 *
 * @param lifetimeMs how long a login may take: afterwards its cookie opens nothing
 */
export function createOnce<T>(lifetimeMs: number): Once<T> {
  const known = new Map<string, Entry<T>>(); // oldest first
  return function once(id, code, work) {
    forget(known, lifetimeMs);
    const running = known.get(id);
    if (running && running.code !== code) return "another code";
    if (running) return isRecent(running) ? running.outcome : "too late";
    const entry: Entry<T> = { outcome: work(), code, since: Date.now(), settledAt: undefined };
    const settle = () => {
      entry.settledAt = Date.now();
    };
    entry.outcome.then(settle, settle);
    known.set(id, entry);
    return entry.outcome;
  };
}

const isRecent = ({ settledAt }: Entry<unknown>): boolean =>
  settledAt === undefined || Date.now() < settledAt + JOIN_WITHIN_MS;

/** What is too old, and the oldest of what is too many; never what is still under way. */
function forget(known: Map<string, Entry<unknown>>, lifetimeMs: number): void {
  const now = Date.now();
  for (const [id, { since, settledAt }] of known) {
    if (since + lifetimeMs > now && known.size < MOST) return;
    if (settledAt !== undefined) known.delete(id);
  }
}
