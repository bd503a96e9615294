import { randomUUID } from "node:crypto";
import { PortalAuthError } from "../../errors.js";
import type { Tell } from "../../events.js";
import { pause } from "../pause.js";
import { createJoin } from "../queue.js";
import type { PortalSession } from "../stored.js";
import { claim, createWatch, LEASE_MS, release, renewClaim, stands } from "./claim.js";
import { KEEP_TRYING_MS, type Refresh } from "./refresh.js";
import { end, keep } from "./refresh-outcome.js";
import { RefreshWatch } from "./refresh-watch.js";

/** Who waits for another process looks again after so long, and then after ever longer. */
const LOOK_AGAIN_MS = 25;
const LOOK_AGAIN_AT_MOST_MS = 500;

/**
 * Brings newer tokens for a session, once, whoever asks, in whichever process. In a process all share one promise. Among
 * processes the session itself says who refreshes: the claim is written by the store's own read-change-write, so that
 * one wins, and what it refreshes is what was stored at that moment. The claim is a lease: its holder renews it, and one
 * that was killed holds nobody up for longer.
 *
 * @throws PortalAuthError `login_required` when the session has ended, and what `renew` throws
 */
export interface RefreshOnce {
  (id: string, refresh: Refresh): Promise<PortalSession>;
  /** Resolves when no refresh of this process is under way any more: a process that ends before loses the new tokens. */
  settled(): Promise<void>;
}

export function createRefreshOnce(tell: Tell): RefreshOnce {
  const join = createJoin<PortalSession>();
  const by = randomUUID(); // one for all: a claim whose answer was lost is our own, and is taken up again
  const underWay = new Map<string, { readonly number: number; readonly watch: RefreshWatch }>();
  let last = 0;
  const begin = (id: string, refresh: Refresh) => {
    last += 1;
    const watch = new RefreshWatch(tell, last);
    underWay.set(id, { number: last, watch });
    return refreshOnce(id, by, refresh, watch)
      .catch((error) => {
        watch.failed(error, false); // where nothing has told it yet
        throw error;
      })
      .finally(() => underWay.delete(id));
  };
  const once = (id: string, refresh: Refresh) => {
    const joined = underWay.get(id);
    joined?.watch.joined();
    if (joined) tell("refresh.joined", () => ({ refresh: joined.number }));
    return join(id, () => begin(id, refresh));
  };
  return Object.assign(once, { settled: join.settled });
}

async function refreshOnce(id: string, by: string, refresh: Refresh, watch: RefreshWatch): Promise<PortalSession> {
  const giveUpAt = performance.now() + refresh.renewAtMostMs + KEEP_TRYING_MS + LEASE_MS;
  const isHeld = createWatch();
  for (let wait = LOOK_AGAIN_MS; performance.now() < giveUpAt; wait = Math.min(1.5 * wait, LOOK_AGAIN_AT_MOST_MS)) {
    const { enough, mine } = await claim(id, by, refresh, isHeld);
    if (enough) return watch.waitedFor(enough);
    if (mine && (await stands(id, by, refresh))) return hold(id, by, refresh, mine, watch);
    watch.waits();
    await pause(wait * (0.5 + Math.random()));
  }
  throw new PortalAuthError("refresh_failed", { detail: "another process does not come to an end" });
}

/** Asks the portal while the claim is renewed, and keeps what it answers. */
async function hold(
  id: string,
  by: string,
  refresh: Refresh,
  held: PortalSession,
  watch: RefreshWatch,
): Promise<PortalSession> {
  watch.begins();
  const stopRenewing = renewClaim(id, by, refresh);
  try {
    const renewed = await refresh.renew(held);
    const kept = await keep(id, by, refresh, held, renewed);
    if (renewed.failure) watch.failed(renewed.failure, false);
    else watch.done(renewed.tokens.refresh_token !== held.tokens.refresh_token);
    if (renewed.failure && !refresh.isEnough(kept)) throw renewed.failure;
    return kept;
  } catch (error) {
    watch.failed(error, refresh.endsSession(error));
    if (refresh.endsSession(error)) return await end(id, by, refresh, held, error);
    await release(id, by, refresh.keeper);
    throw error;
  } finally {
    stopRenewing();
  }
}
