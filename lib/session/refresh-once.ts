import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { TokenSet } from "../tokens.js";
import { withinTime } from "../within-time.js";
import type { Keeper } from "./keeper.js";
import { pause } from "./pause.js";
import { createJoin } from "./queue.js";
import type { PortalSession, RefreshClaim, StoredPortal, StoredSession } from "./stored.js";

/** So long the others believe that somebody refreshes, unless it is renewed: a process that was killed renews nothing. */
const LEASE_MS = 5000;
const RENEW_LEASE_MS = LEASE_MS / 3;
/** Whoever takes longer than that (a hook that never ends) loses the session to the next. */
const HOLD_AT_MOST_MS = 60_000;
const LOOK_AGAIN_MS = 25;
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
  /** How far the clocks of the processes may differ, in seconds. */
  readonly clockTolerance: number;
  /** Whether these tokens will do, as somebody else has brought them meanwhile. */
  readonly isEnough: (stored: PortalSession) => boolean;
  /** Why the portal need not be asked just now, if there is a reason: tokens that somebody else has brought will still do. */
  readonly obstacle: () => PortalAuthError | undefined;
  /** Asks the portal. Called while this process holds the session's claim, with what is stored then. */
  readonly renew: (stored: PortalSession) => Promise<Renewed>;
  /** Whether what `renew` threw means that this login is over. */
  readonly endsSession: (error: unknown) => boolean;
  /** The session was ended while the portal was asked: its new tokens belong to nobody. */
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
  const giveUpAt = performance.now() + HOLD_AT_MOST_MS + 2 * LEASE_MS;
  const isHeld = createWatch(by, refresh);
  while (performance.now() < giveUpAt) {
    const { enough, mine } = await claim(id, by, refresh, isHeld);
    if (enough) return enough;
    if (mine) return hold(id, by, refresh, mine);
    await pause(LOOK_AGAIN_MS * (1 + Math.random()));
  }
  throw new PortalAuthError("refresh_failed", { detail: "another process does not come to an end" });
}

type IsHeld = (refreshing: RefreshClaim | undefined) => boolean;

/**
 * Whether somebody else holds the claim. Two machines' clocks need not agree, so what counts is whether the claim is
 * renewed while we look; the time in it only tells of one that was left behind long ago.
 */
function createWatch(by: string, { clock, clockTolerance }: Refresh): IsHeld {
  let seen: RefreshClaim | undefined;
  let since = 0;
  return function isHeld(refreshing) {
    if (!refreshing || refreshing.by === by) return false;
    if (refreshing.until + clockTolerance * 1000 < clock()) return false;
    if (seen?.by !== refreshing.by || seen.until !== refreshing.until) {
      seen = refreshing;
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
  await keeper.update(id, (stored) => {
    outcome = undefined;
    seen = stored.portal && keeper.open(id, stored.portal);
    if (!seen || !stored.portal) return undefined;
    if (isEnough(seen)) outcome = "enough";
    else outcome = isHeld(seen.refreshing) ? "theirs" : "mine";
    return outcome === "mine" && !reason ? claimed(stored, stored.portal, by, clock()) : undefined;
  });
  if (!outcome || !seen) throw new PortalAuthError("login_required", { detail: "the session has ended" });
  if (outcome === "mine" && reason) throw reason;
  return { enough: outcome === "enough" && seen, mine: outcome === "mine" && seen };
}

const claimed = (stored: StoredSession, portal: StoredPortal, by: string, now: number): StoredSession => ({
  ...stored,
  portal: { ...portal, refreshing: { by, until: now + LEASE_MS } },
});

/** Asks the portal while the claim is renewed, and keeps what it answers. */
async function hold(id: string, by: string, refresh: Refresh, held: PortalSession): Promise<PortalSession> {
  const { keeper, clock } = refresh;
  const renewing = setInterval(() => {
    const renewal = keeper.update(id, (stored) =>
      stored.portal?.refreshing?.by === by ? claimed(stored, stored.portal, by, clock()) : undefined,
    );
    renewal.catch(() => {}); // it is tried again, and the lease covers three times
  }, RENEW_LEASE_MS);
  try {
    const { tokens, failure } = await withinTime(refresh.renew(held), HOLD_AT_MOST_MS, tooSlow);
    const kept = await keep(id, refresh, held, tokens);
    if (failure) throw failure;
    return kept;
  } catch (error) {
    if (refresh.endsSession(error)) return await end(id, refresh, held, error);
    await release(id, by, keeper);
    throw error;
  } finally {
    clearInterval(renewing);
  }
}

/** What comes later finds that the next has taken the session over. */
function tooSlow(): never {
  throw new PortalAuthError("refresh_failed", { detail: "the portal or onTokens took more than a minute" });
}

/** Whoever wrote newer tokens meanwhile had the same refresh token: what came last is what the portal knows last. */
async function keep(
  id: string,
  { keeper, clock, onOrphan }: Refresh,
  held: PortalSession,
  tokens: TokenSet,
): Promise<PortalSession> {
  const { refreshing, ...rest } = held;
  const obtained_at = Math.floor(clock() / 1000);
  let kept: PortalSession | undefined;
  await untilItWorks(() =>
    keeper.update(id, (stored) => {
      kept = undefined;
      if (!stored.portal) return undefined;
      const version = Math.max(stored.portal.version ?? 0, held.version ?? 0) + 1;
      kept = { ...rest, tokens, version, obtained_at };
      return { ...stored, portal: kept };
    }),
  );
  if (kept) return kept;
  onOrphan(tokens);
  throw new PortalAuthError("login_required", { detail: "the session was ended during the refresh" });
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

/** Ends the session, if the token that was refused is still the stored one; else somebody has brought another. */
async function end(id: string, { keeper }: Refresh, refused: PortalSession, error: unknown): Promise<PortalSession> {
  let newer: PortalSession | undefined;
  await keeper.update(id, (stored) => {
    const portal = stored.portal && keeper.open(id, stored.portal);
    const isRefused = portal?.tokens.refresh_token === refused.tokens.refresh_token;
    newer = isRefused ? undefined : portal;
    return isRefused ? null : undefined;
  });
  if (newer) return newer;
  throw error;
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
