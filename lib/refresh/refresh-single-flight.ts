import { randomUUID } from "node:crypto";
import type { EmitEvent } from "../events/event-emitter.js";
import type { LoginRecord } from "../session/login-record.js";
import { BoundedMap } from "../util/bounded-map.js";
import { createSingleFlight } from "../util/single-flight.js";
import { ClaimIds, ClaimWatch } from "./refresh-claim.js";
import { releaseClaim } from "./refresh-outcome.js";
import { RefreshReport } from "./refresh-report.js";
import { RefreshRun } from "./refresh-run.js";
import type { RefreshTask, UpdatableLogin } from "./refresh-task.js";

const MAX_WATCHES = 1000;

/**
 * Refreshes the tokens of a login once, even if many requests and processes need them.
 *
 * - In a process, all requests share one promise.
 * - Among processes, only the process that claims the login refreshes it. It writes the claim with the
 *   store's compare-and-set, so exactly one process succeeds. It refreshes the tokens that are stored at that
 *   moment.
 *
 * A claim has a fixed lifetime, 30 s by default. Another process may claim the login after watching the claim
 * for that time. Time in which the store or the watching process did not respond is not counted.
 */
export interface RefreshSingleFlight {
  /**
   * Resolves to the login after its tokens were refreshed, here or by another request or process.
   *
   * @throws PortalAuthError
   *   - `login_required` if the login has ended
   *   - `refresh_failed` if another process does not finish its refresh
   *   - `session_store_failed` if the store fails
   *   - the errors of `prepare` and `SendRefresh`, and that of `onSlow` if the provider is slow
   */
  (id: string, task: RefreshTask): Promise<LoginRecord>;
  /** Returns the age of the refresh of this login in this process, in milliseconds; 0 if none runs. */
  getAgeMs(id: string): number;
  /**
   * Resolves when no refresh runs in this process, and no release of a claim. Never rejects. Wait for it
   * before the process exits: otherwise new tokens are lost.
   */
  waitForAll(): Promise<void>;
}

/** Creates the single flight of one process. */
export function createRefreshSingleFlight(emit: EmitEvent): RefreshSingleFlight {
  const refreshes = createSingleFlight<LoginRecord>();
  const releases = createSingleFlight<void>();
  const ids = new ClaimIds(randomUUID());
  const running = new Map<string, RefreshRun>();
  /**
   * How long failed refreshes have already watched a claim. The next refresh of the login continues to watch.
   */
  const watches = new BoundedMap<string, ClaimWatch>(MAX_WATCHES);
  let count = 0;

  function release(login: UpdatableLogin, claimId: string): void {
    releases(claimId, () => releaseClaim(login, claimId));
  }

  function start(id: string, task: RefreshTask): Promise<LoginRecord> {
    count += 1;
    const watch = watches.get(id) ?? new ClaimWatch();
    watches.delete(id);
    const run = new RefreshRun({ task, ids, watch, release, report: new RefreshReport(emit, count) });
    running.set(id, run);
    return run
      .start()
      .catch((error) => {
        watches.set(id, watch);
        throw error;
      })
      .finally(() => running.delete(id));
  }

  function refreshOnce(id: string, task: RefreshTask): Promise<LoginRecord> {
    running.get(id)?.addRequest(task);
    const outcome = refreshes(id, () => start(id, task));
    return running.get(id)?.limitWait(outcome) ?? outcome;
  }

  return Object.assign(refreshOnce, {
    getAgeMs: (id: string) => running.get(id)?.ageMs ?? 0,
    async waitForAll() {
      await refreshes.waitForAll();
      await releases.waitForAll();
    },
  });
}
