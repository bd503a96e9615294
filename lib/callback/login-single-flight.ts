import { type NotShared, SHARE_OUTCOME_MS } from "./run-once-across-processes.js";

const MAX_RUNS = 10_000;

/**
 * Runs the work of one login once. If this callback is the first, the work is called before this function
 * returns.
 *
 * - Callbacks with the same id and code share the result or the failure, until ten seconds after the work has
 *   ended.
 * - Later callbacks with the same id and code get "too late".
 * - A callback with the same id and another code gets "another code".
 */
export type LoginSingleFlight<T> = (
  id: string,
  code: string,
  work: () => Promise<T>,
) => Promise<T> | NotShared;

interface LoginRun<T> {
  readonly outcome: Promise<T>;
  readonly code: string;
  readonly startedAt: number;
  finishedAt: number | undefined;
}

/**
 * Creates the single flight of all logins of one portalAuth() in this process. A double click sends the
 * callback twice, and both requests carry the cookie of the same attempt. A code that is sent a second time
 * revokes the tokens of its first use (RFC 6749, section 4.1.2), so the second request waits for the first.
 *
 * A run is forgotten when the cookie of its attempt has expired, or when there are over 10,000 runs and it is
 * the oldest. A run that has not finished is never forgotten.
 *
 * @param lifetimeMs how long a login may take. Afterwards its cookie is invalid.
 */
export function createLoginSingleFlight<T>(lifetimeMs: number): LoginSingleFlight<T> {
  const runs = new Map<string, LoginRun<T>>(); // the oldest first
  return function runOnce(id, code, work) {
    removeOldRuns(runs, lifetimeMs);
    const known = runs.get(id);
    if (known && known.code !== code) return "another code";
    if (known) return isRecent(known) ? known.outcome : "too late";
    const run: LoginRun<T> = { outcome: work(), code, startedAt: Date.now(), finishedAt: undefined };
    const markFinished = () => {
      run.finishedAt = Date.now();
    };
    run.outcome.then(markFinished, markFinished);
    runs.set(id, run);
    return run.outcome;
  };
}

const isRecent = ({ finishedAt }: LoginRun<unknown>): boolean =>
  finishedAt === undefined || Date.now() < finishedAt + SHARE_OUTCOME_MS;

/**
 * Removes expired runs, and the oldest if there are too many. A run that has not finished is never removed.
 */
function removeOldRuns(runs: Map<string, LoginRun<unknown>>, lifetimeMs: number): void {
  const now = Date.now();
  for (const [id, { startedAt, finishedAt }] of runs) {
    if (startedAt + lifetimeMs > now && runs.size < MAX_RUNS) return;
    if (finishedAt !== undefined) runs.delete(id);
  }
}
