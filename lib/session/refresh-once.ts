import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { TokenSet } from "../tokens.js";
import type { Keeper } from "./keeper.js";
import { pause } from "./pause.js";
import { createJoin } from "./queue.js";
import type { PortalSession, RefreshClaim, StoredPortal, StoredSession } from "./stored.js";

/** So long the others believe that somebody refreshes, unless it is renewed: a process that was killed renews nothing. */
const LEASE_MS = 5000;
const RENEW_LEASE_MS = LEASE_MS / 3;
/** The clocks of two machines may differ by so much without anybody having noticed. */
const CLOCKS_DIFFER_MS = 30_000;
/** A claim that has ended so long ago was left behind, even if the clocks of two machines are minutes apart. */
const LONG_AGO_MS = 10 * 60_000;
/** Who waits for another process looks again after so long, and then after ever longer. */
const LOOK_AGAIN_MS = 25;
const LOOK_AGAIN_AT_MOST_MS = 500;
/** So long somebody who was taken for dead may still bring the tokens that the portal gave them. */
const GRACE_MS = 10_000;
/** Where two may have claimed a session at the same moment, whose claim has come to stay is seen after so long. */
const SETTLE_MS = 100;
/** A store that is down when new tokens shall be kept is asked again for so long: a rotated refresh token is the only one. */
const KEEP_TRYING_MS = 30_000;

/** What a refresh came to. */
export interface Renewed {
  readonly tokens: TokenSet;
  /** Thrown once the tokens are kept: the portal has answered, and what came after has failed. */
  readonly failure?: PortalAuthError;
}

export interface Refresh {
  readonly keeper: Keeper;
  readonly clock: Clock;
  /** Whether these tokens will do, as somebody else has brought them meanwhile. */
  readonly isEnough: (stored: PortalSession) => boolean;
  /** Why the portal need not be asked just now, if there is a reason: tokens that somebody else has brought will still do. */
  readonly obstacle: () => PortalAuthError | undefined;
  /** Whether it is done because a resource has refused a token that had not ended. */
  readonly afterRefusal: boolean;
  /**
   * Asks the portal. Called while this process holds the session's claim, with what is stored then. Must come to an end:
   * the session is nobody else's before.
   */
  readonly renew: (stored: PortalSession) => Promise<Renewed>;
  /** After so long `renew` has come to an end. */
  readonly renewAtMostMs: number;
  /** Whether what `renew` threw means that this login is over. */
  readonly endsSession: (error: unknown) => boolean;
  /** The session was ended while the portal was asked: its new refresh token belongs to nobody. */
  readonly onOrphan: (tokens: TokenSet) => void;
}

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

export function createRefreshOnce(): RefreshOnce {
  const join = createJoin<PortalSession>();
  const by = randomUUID(); // one for all: a claim whose answer was lost is our own, and is taken up again
  const once = (id: string, refresh: Refresh) => join(id, () => refreshOnce(id, by, refresh));
  return Object.assign(once, { settled: join.settled });
}

async function refreshOnce(id: string, by: string, refresh: Refresh): Promise<PortalSession> {
  const giveUpAt = performance.now() + refresh.renewAtMostMs + KEEP_TRYING_MS + LEASE_MS;
  const isHeld = createWatch();
  for (let wait = LOOK_AGAIN_MS; performance.now() < giveUpAt; wait = Math.min(1.5 * wait, LOOK_AGAIN_AT_MOST_MS)) {
    const { enough, mine } = await claim(id, by, refresh, isHeld);
    if (enough) return enough;
    if (mine && (await stands(id, by, refresh))) return hold(id, by, refresh, mine);
    await pause(wait * (0.5 + Math.random()));
  }
  throw new PortalAuthError("refresh_failed", { detail: "another process does not come to an end" });
}

type IsHeld = (refreshing: RefreshClaim | undefined) => boolean;

/** The claim of somebody else, if there is one that may be alive. */
const othersClaim = ({ refreshing }: PortalSession, by: string, now: number): RefreshClaim | undefined =>
  refreshing && refreshing.by !== by && now < refreshing.until + LONG_AGO_MS ? refreshing : undefined;

/**
 * Whether somebody else holds the claim. Two machines' clocks need not agree, so what counts is whether the claim is
 * renewed while we look.
 */
function createWatch(): IsHeld {
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
async function claim(id: string, by: string, { keeper, clock, isEnough, obstacle }: Refresh, isHeld: IsHeld) {
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
async function stands(id: string, by: string, { keeper }: Refresh): Promise<boolean> {
  if (!keeper.mayCollide()) return true;
  await pause(SETTLE_MS);
  return (await keeper.read(id))?.portal?.refreshing?.by === by;
}

const claimed = (stored: StoredSession, portal: StoredPortal, by: string, now: number): StoredSession => ({
  ...stored,
  portal: { ...portal, refreshing: { by, until: now + LEASE_MS } },
});

/** Asks the portal while the claim is renewed, and keeps what it answers. */
async function hold(id: string, by: string, refresh: Refresh, held: PortalSession): Promise<PortalSession> {
  const { keeper, clock } = refresh;
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
  try {
    const renewed = await refresh.renew(held);
    const kept = await keep(id, by, refresh, held, renewed);
    if (renewed.failure && !refresh.isEnough(kept)) throw renewed.failure;
    return kept;
  } catch (error) {
    if (refresh.endsSession(error)) return await end(id, by, refresh, held, error);
    await release(id, by, keeper);
    throw error;
  } finally {
    clearInterval(renewing);
  }
}

/**
 * Who was cut off from the store for longer than the lease may find that another has taken over: what that one was given
 * was asked for later, and stays; or what it will be given, so its claim stays.
 */
async function keep(
  id: string,
  by: string,
  { keeper, onOrphan, ...refresh }: Refresh,
  held: PortalSession,
  renewed: Renewed,
): Promise<PortalSession> {
  let kept: PortalSession | undefined;
  await untilItWorks(() =>
    keeper.update(id, (stored) => {
      kept = undefined;
      if (!stored.portal) return undefined;
      const { refreshing, version } = stored.portal;
      const isOurs = refreshing?.by === by;
      const theirs = isOurs ? undefined : keeper.open(id, stored.portal);
      if (theirs && isLater(theirs, held)) {
        kept = theirs;
        return undefined;
      }
      kept = renewedSession(held, renewed, refresh, version);
      return { ...stored, portal: isOurs || !refreshing ? kept : { ...kept, refreshing } };
    }),
  );
  if (kept) return kept;
  const { tokens } = renewed;
  // the old one is no orphan: a logout has revoked it, and who has moved the login to another session's id goes on with it
  if (tokens.refresh_token !== held.tokens.refresh_token) onOrphan(tokens);
  throw new PortalAuthError("login_required", { detail: "the session was ended during the refresh" });
}

/** By the version, as a portal may give the same refresh token again; and by that, as a failure may have kept a new one. */
const isLater = ({ version, tokens }: PortalSession, held: PortalSession): boolean =>
  (version ?? 0) > (held.version ?? 0) || tokens.refresh_token !== held.tokens.refresh_token;

function renewedSession(
  { refreshing, after_refusal, ...held }: PortalSession,
  { tokens, failure }: Renewed,
  { clock, afterRefusal }: Pick<Refresh, "clock" | "afterRefusal">,
  storedVersion = 0,
): PortalSession {
  const version = Math.max(storedVersion, held.version ?? 0);
  // of a failure the access token is the old one, as it was
  if (failure) return { ...held, tokens, version, ...(after_refusal && { after_refusal }) };
  const obtained_at = Math.floor(clock() / 1000);
  return { ...held, tokens, version: version + 1, obtained_at, ...(afterRefusal && { after_refusal: true }) };
}

async function untilItWorks(write: () => Promise<unknown>): Promise<void> {
  const giveUpAt = performance.now() + KEEP_TRYING_MS;
  for (let wait = 50; ; wait = Math.min(2 * wait, 2000)) {
    try {
      return void (await write());
    } catch (cause) {
      if (performance.now() + wait > giveUpAt)
        throw new PortalAuthError("session_store_failed", { detail: "new tokens could not be kept", cause });
      await pause(wait);
    }
  }
}

/**
 * Ends the session, if the token that was refused is still the stored one; else somebody has brought another. Where
 * somebody else has claimed the session as well, they may have been answered already and only be slow to keep it: they
 * have a while for that.
 */
async function end(
  id: string,
  by: string,
  { keeper, clock, renewAtMostMs }: Refresh,
  refused: PortalSession,
  error: unknown,
): Promise<PortalSession> {
  const mayBringTokens = (portal: PortalSession): boolean => {
    const claim = othersClaim(portal, by, clock());
    return claim !== undefined && clock() < claim.until + renewAtMostMs + KEEP_TRYING_MS + CLOCKS_DIFFER_MS;
  };
  const graceEndsAt = performance.now() + GRACE_MS;
  let mayBeOutrun = keeper.mayCollide() || mayBringTokens(refused);
  for (;;) {
    const isOver = performance.now() >= graceEndsAt;
    let isRefused = false;
    let newer: PortalSession | undefined;
    await keeper.update(id, (stored) => {
      const portal = stored.portal && keeper.open(id, stored.portal);
      isRefused = portal?.tokens.refresh_token === refused.tokens.refresh_token;
      newer = isRefused ? undefined : portal;
      mayBeOutrun ||= portal !== undefined && mayBringTokens(portal);
      return isRefused && (isOver || !mayBeOutrun) ? null : undefined;
    });
    if (newer) {
      await release(id, by, keeper);
      return newer;
    }
    if (!isRefused || isOver || !mayBeOutrun) throw error;
    await pause(LOOK_AGAIN_AT_MOST_MS);
  }
}

async function release(id: string, by: string, keeper: Keeper): Promise<void> {
  await keeper
    .update(id, (stored) => {
      if (stored.portal?.refreshing?.by !== by) return undefined;
      const { refreshing, ...portal } = stored.portal;
      return { ...stored, portal };
    })
    .catch(() => {}); // the lease ends by itself
}
