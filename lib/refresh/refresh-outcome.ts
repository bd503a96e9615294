import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import { pause } from "../util/pause.js";
import { type ClaimIds, type ClaimWatch, claimLastsMs, withoutClaim } from "./claim.js";
import { KEEP_TRYING_MS, type Refresh, type RefreshedLogin, type Renewed } from "./refresh.js";

const LOOK_AGAIN_MS = 500;
/** For so long a store that fails is asked again to release a claim. Nobody waits for it but close(). */
const KEEP_RELEASING_MS = 10_000;

/**
 * Saves what the provider has answered. If this process was cut off from the store, another one may have
 * taken over. Newer tokens of that one stay: it has asked for them later. Its claim stays, too.
 */
export async function save(refresh: Refresh, claim: string, held: LoginRecord, renewed: Renewed) {
  const { login, onOrphan } = refresh;
  const saved = await untilItWorks(KEEP_TRYING_MS, () =>
    login.update((stored) => {
      const isTakenOver = stored.refreshing?.id !== claim;
      if (isTakenOver && isNewer(stored, held)) return undefined;
      return renewedLogin(refresh, withoutClaim(stored, claim), renewed);
    }),
  );
  if (saved) return saved;
  const { tokens } = renewed;
  // If the token has not rotated, the logout has revoked it already.
  if (tokens.refresh_token !== held.tokens.refresh_token) onOrphan(tokens);
  throw new PortalAuthError("login_required", { detail: "the session was ended during the refresh" });
}

/**
 * By the version, as a provider may give the same refresh token again; and by the token, as a failure may
 * bring a new one.
 */
const isNewer = ({ version, tokens }: LoginRecord, held: LoginRecord): boolean =>
  version > held.version || tokens.refresh_token !== held.tokens.refresh_token;

function renewedLogin(
  { clock, afterRefusal }: Refresh,
  { after_refusal, ...stored }: LoginRecord,
  { tokens, failure }: Renewed,
): LoginRecord {
  // after a failure the access token is the old one, with the facts about it
  if (failure) return { ...stored, tokens, ...(after_refusal && { after_refusal }) };
  const obtained_at = Math.floor(clock() / 1000);
  const version = stored.version + 1;
  return { ...stored, tokens, version, obtained_at, ...(afterRefusal && { after_refusal: true }) };
}

async function untilItWorks<T>(tryForMs: number, write: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + tryForMs;
  for (let wait = 50; ; wait = Math.min(2 * wait, 2000)) {
    try {
      return await write();
    } catch (cause) {
      if (performance.now() + wait > giveUpAt)
        throw new PortalAuthError("session_store_failed", { detail: "new tokens could not be kept", cause });
      await pause(wait);
    }
  }
}

/** Releases a claim, if it is still there. If the store fails for longer, the claim ends by itself. */
export async function releaseClaim(login: RefreshedLogin, claim: string): Promise<void> {
  const release = (stored: LoginRecord) =>
    stored.refreshing?.id === claim ? withoutClaim(stored, claim) : undefined;
  await untilItWorks(KEEP_RELEASING_MS, () => login.update(release)).catch(() => {});
}

interface Refused {
  readonly refused: LoginRecord;
  readonly error: unknown;
  readonly ids: ClaimIds;
  readonly watch: ClaimWatch;
}

/**
 * Ends a login whose refresh token the provider has refused, unless newer tokens are stored: those are
 * returned. If another process holds a claim, or held one that this process took over, it may have used the
 * token and be slow to save: the login ends only when no such claim can deliver any more
 * (`ClaimWatch.mayDeliver`).
 */
export async function endLogin(
  refresh: Refresh,
  { refused, error, ids, watch }: Refused,
): Promise<LoginRecord> {
  for (;;) {
    let mayDeliver = false;
    const stored = await refresh.login.update((login) => {
      if (isNewer(login, refused)) return undefined;
      const claim = ids.othersClaim(login, refresh);
      if (claim) watch.look(claim);
      mayDeliver = watch.mayDeliver(claimLastsMs(refresh));
      return mayDeliver ? undefined : "remove";
    });
    if (stored && isNewer(stored, refused)) return stored;
    if (!stored || !mayDeliver) throw error;
    await pause(LOOK_AGAIN_MS);
  }
}
