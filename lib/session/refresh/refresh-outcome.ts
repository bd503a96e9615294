import { PortalAuthError } from "../../errors.js";
import { pause } from "../pause.js";
import type { PortalSession } from "../stored.js";
import { mayBringTokens, release } from "./claim.js";
import { KEEP_TRYING_MS, type Refresh, type Renewed } from "./refresh.js";

/** So long somebody who was taken for dead may still bring the tokens that the portal gave them. */
const GRACE_MS = 10_000;
const LOOK_AGAIN_MS = 500;

/**
 * Who was cut off from the store for longer than the lease may find that another has taken over: what that one was given
 * was asked for later, and stays; or what it will be given, so its claim stays.
 */
export async function keep(
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
      const { refreshing, version, unconfirmed } = stored.portal;
      const isOurs = refreshing?.by === by;
      const theirs = isOurs ? undefined : keeper.open(id, stored.portal);
      if (theirs && isLater(theirs, held)) {
        kept = theirs;
        return undefined;
      }
      kept = renewedSession(held, renewed, refresh, version);
      const more = { ...(!isOurs && refreshing && { refreshing }), ...(unconfirmed && { unconfirmed }) };
      return { ...stored, portal: { ...kept, ...more } };
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
  { refreshing, unconfirmed, after_refusal, ...held }: PortalSession,
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
export async function end(
  id: string,
  by: string,
  refresh: Refresh,
  refused: PortalSession,
  error: unknown,
): Promise<PortalSession> {
  const { keeper } = refresh;
  const graceEndsAt = performance.now() + GRACE_MS;
  let mayBeOutrun = keeper.mayCollide() || mayBringTokens(refused, by, refresh);
  for (;;) {
    const isOver = performance.now() >= graceEndsAt;
    let isRefused = false;
    let newer: PortalSession | undefined;
    await keeper.update(id, (stored) => {
      const portal = stored.portal && keeper.open(id, stored.portal);
      isRefused = portal?.tokens.refresh_token === refused.tokens.refresh_token;
      newer = isRefused ? undefined : portal;
      mayBeOutrun ||= portal !== undefined && mayBringTokens(portal, by, refresh);
      return isRefused && (isOver || !mayBeOutrun) ? null : undefined;
    });
    if (newer) {
      await release(id, by, keeper);
      return newer;
    }
    if (!isRefused || isOver || !mayBeOutrun) throw error;
    await pause(LOOK_AGAIN_MS);
  }
}
