import { SHARE_OUTCOME_MS } from "./run-once-across-processes.js";

const MAX_RUNS = 10_000;

/**
 * Runs the work of one login once. Callbacks with the same id and code, meanwhile or within ten seconds, share its outcome.
 * Returns "too late" for such a callback later on, and "another code" for one with another code.
 */
export type LoginSingleFlight<T> = (
  id: string,
  code: string,
  work: () => Promise<T>,
) => Promise<T> | "too late" | "another code";

interface LoginRun<T> {
  readonly outcome: Promise<T>;
  readonly code: string;
  readonly startedAt: number;
  finishedAt: number | undefined;
}

/**
 * A double click sends the callback twice, and both carry the cookie of a login that is not yet spent. A code that is
 * sent a second time ends the tokens of its first use (RFC 6749, section 4.1.2), so the second waits for the first.
 *
 * @param lifetimeMs how long a login may take: afterwards its cookie opens nothing
 */
export function createLoginSingleFlight<T>(lifetimeMs: number): LoginSingleFlight<T> {
  const known = new Map<string, LoginRun<T>>(); // oldest first
  return function once(id, code, work) {
    removeOldRuns(known, lifetimeMs);
    const running = known.get(id);
    if (running && running.code !== code) return "another code";
    if (running) return isRecent(running) ? running.outcome : "too late";
    const entry: LoginRun<T> = { outcome: work(), code, startedAt: Date.now(), finishedAt: undefined };
    const settle = () => {
      entry.finishedAt = Date.now();
    };
    entry.outcome.then(settle, settle);
    known.set(id, entry);
    return entry.outcome;
  };
}

const isRecent = ({ finishedAt: settledAt }: LoginRun<unknown>): boolean =>
  settledAt === undefined || Date.now() < settledAt + SHARE_OUTCOME_MS;

/** What is too old, and the oldest of what is too many; never what is still under way. */
function removeOldRuns(known: Map<string, LoginRun<unknown>>, lifetimeMs: number): void {
  const now = Date.now();
  for (const [id, { startedAt: since, finishedAt: settledAt }] of known) {
    if (since + lifetimeMs > now && known.size < MAX_RUNS) return;
    if (settledAt !== undefined) known.delete(id);
  }
}
