import { PortalAuthError } from "../../errors.js";
import type { Keeper } from "../keeper.js";
import { pause } from "../pause.js";
import type { PortalSession, RefreshClaim, StoredPortal, StoredSession } from "../stored.js";
import { KEEP_TRYING_MS, type Refresh } from "./refresh.js";

/** So long the others believe that somebody refreshes, unless it is renewed: a process that was killed renews nothing. */
export const LEASE_MS = 5000;
const RENEW_LEASE_MS = LEASE_MS / 3;
/** The clocks of two machines may differ by so much without anybody having noticed. */
const CLOCKS_DIFFER_MS = 30_000;
/** A claim that has ended so long ago was left behind, even if the clocks of two machines are minutes apart. */
const LONG_AGO_MS = 10 * 60_000;
/** Where two may have claimed a session at the same moment, whose claim has come to stay is seen after so long. */
const SETTLE_MS = 100;

type IsHeld = (refreshing: RefreshClaim | undefined) => boolean;

/** The claim of somebody else, if there is one that may be alive. */
const othersClaim = ({ refreshing }: PortalSession, by: string, now: number): RefreshClaim | undefined =>
  refreshing && refreshing.by !== by && now < refreshing.until + LONG_AGO_MS ? refreshing : undefined;

/**
 * Whether somebody else holds the claim. Two machines' clocks need not agree, so what counts is whether the claim is
 * renewed while we look.
 */
export function createWatch(): IsHeld {
  let seen: RefreshClaim | undefined;
  let since = 0;
  return function isHeld(claim) {
    if (!claim) return false;
    if (seen?.by !== claim.by || seen.until !== claim.until) {
      seen = claim;
      since = performance.now();
    }
    return performance.now() - since < LEASE_MS;
  };
}

/** Claims the session, unless its tokens will do or another process holds it. */
export async function claim(id: string, by: string, { keeper, clock, isEnough, obstacle }: Refresh, isHeld: IsHeld) {
  let seen: PortalSession | undefined;
  let outcome: "enough" | "mine" | "theirs" | undefined;
  const reason = obstacle();
  // one that was left behind need not be watched by who will not claim the session anyway
  const isTheirs = (claim: RefreshClaim | undefined) =>
    !(reason && claim && claim.until + CLOCKS_DIFFER_MS < clock()) && isHeld(claim);
  await keeper.update(id, (stored) => {
    outcome = undefined;
    seen = stored.portal && keeper.open(id, stored.portal);
    if (!seen || !stored.portal) return undefined;
    if (isEnough(seen)) outcome = "enough";
    else outcome = isTheirs(othersClaim(seen, by, clock())) ? "theirs" : "mine";
    return outcome === "mine" && !reason ? claimed(stored, stored.portal, by, clock()) : undefined;
  });
  if (!outcome || !seen) throw new PortalAuthError("login_required", { detail: "the session has ended" });
  if (outcome === "mine" && reason) throw reason;
  return { enough: outcome === "enough" && seen, mine: outcome === "mine" && seen };
}

/** Whether the claim is still ours, where another process may have written its own over it: while the lock is down. */
export async function stands(id: string, by: string, { keeper }: Refresh): Promise<boolean> {
  if (!keeper.mayCollide()) return true;
  await pause(SETTLE_MS);
  return (await keeper.read(id))?.portal?.refreshing?.by === by;
}

const claimed = (stored: StoredSession, portal: StoredPortal, by: string, now: number): StoredSession => ({
  ...stored,
  portal: { ...portal, refreshing: { by, until: now + LEASE_MS } },
});

/** Renews the claim until told to stop. */
export function renewClaim(id: string, by: string, { keeper, clock }: Pick<Refresh, "keeper" | "clock">): () => void {
  let isRenewing = false;
  const renewing = setInterval(async () => {
    if (isRenewing) return; // a store that is slow gets no queue of them
    isRenewing = true;
    await keeper
      .update(id, (stored) =>
        stored.portal?.refreshing?.by === by ? claimed(stored, stored.portal, by, clock()) : undefined,
      )
      .catch(() => {}); // it is tried again, and the lease covers three times
    isRenewing = false;
  }, RENEW_LEASE_MS);
  return () => clearInterval(renewing);
}

export async function release(id: string, by: string, keeper: Keeper): Promise<void> {
  await keeper
    .update(id, (stored) => {
      if (stored.portal?.refreshing?.by !== by) return undefined;
      const { refreshing, ...portal } = stored.portal;
      return { ...stored, portal };
    })
    .catch(() => {}); // the lease ends by itself
}

/** Whether somebody else has claimed this session who may have been answered by the portal, and be slow to keep that. */
export function mayBringTokens(portal: PortalSession, by: string, { clock, renewAtMostMs }: Refresh): boolean {
  const claim = othersClaim(portal, by, clock());
  return claim !== undefined && clock() < claim.until + renewAtMostMs + KEEP_TRYING_MS + CLOCKS_DIFFER_MS;
}
