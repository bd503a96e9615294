import { randomUUID } from "node:crypto";
import type { EmitEvent } from "../events/event-emitter.js";
import type { LoginRecord } from "../session/login-record.js";
import { keepNewest } from "../util/bounded-map.js";
import { createSingleFlight } from "../util/queue.js";
import { ClaimIds, ClaimWatch } from "./refresh-claim.js";
import { releaseClaim } from "./refresh-outcome.js";
import { RefreshReport } from "./refresh-report.js";
import { RefreshRun } from "./refresh-run.js";
import type { RefreshTask, UpdatableLogin } from "./refresh-task.js";

const MAX_WATCHES = 1000;

/**
 * Refreshes the tokens of a login once, however many requests and processes need them. In a process, all
 * requests share one promise. Among processes, the one that claims the login refreshes it: the claim is
 * written by the store's own compare-and-set, so one process wins, and it refreshes what is stored at that
 * moment.
 *
 * A claim is not renewed. Another process takes it over after it has watched it for as long as a claim lasts,
 * 30 s by default; time in which the store or that process stood still does not count.
 */
export interface RefreshSingleFlight {
  /**
   * @throws PortalAuthError `login_required` if the session has ended, and what `prepare` and `Renew` throw
   */
  (id: string, task: RefreshTask): Promise<LoginRecord>;
  /**
   * How long ago the refresh of this login began that runs in this process, in milliseconds; 0 if none runs.
   */
  getAgeMs(id: string): number;
  /**
   * Resolves when no refresh runs in this process, and no claim is left: new tokens would be lost with the
   * process.
   */
  waitForAll(): Promise<void>;
}

export function createRefreshSingleFlight(emit: EmitEvent): RefreshSingleFlight {
  const refreshes = createSingleFlight<LoginRecord>();
  const releases = createSingleFlight<void>();
  const ids = new ClaimIds(randomUUID());
  const running = new Map<string, RefreshRun>();
  /** Of refreshes that have failed: the next one continues to watch. */
  const watches = new Map<string, ClaimWatch>();
  const release = (login: UpdatableLogin, claim: string) =>
    void releases(claim, () => releaseClaim(login, claim));
  let count = 0;

  function begin(id: string, task: RefreshTask): Promise<LoginRecord> {
    count += 1;
    const watch = watches.get(id) ?? new ClaimWatch();
    watches.delete(id);
    const run = new RefreshRun({ task, ids, watch, release, report: new RefreshReport(emit, count) });
    running.set(id, run);
    return run
      .start()
      .catch((error) => {
        keepNewest(watches, id, watch, MAX_WATCHES);
        throw error;
      })
      .finally(() => running.delete(id));
  }

  function refreshOnce(id: string, task: RefreshTask): Promise<LoginRecord> {
    running.get(id)?.addRequest(task);
    const outcome = refreshes(id, () => begin(id, task));
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
