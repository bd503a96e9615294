import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import { pause } from "../util/pause.js";
import { type ClaimIds, type ClaimWatch, getClaimLifeMs, removeClaim } from "./refresh-claim.js";
import { type RefreshResult, type RefreshTask, SAVE_RETRY_MS, type UpdatableLogin } from "./refresh-task.js";

const POLL_MS = 500;
/** For so long a store that fails is asked again to release a claim. Nobody waits for it but close(). */
const RELEASE_RETRY_MS = 10_000;

/**
 * Saves what the provider has answered. If this process was cut off from the store, another one may have
 * taken over. Newer tokens of that one stay: it has asked for them later. Its claim stays, too.
 */
export async function saveTokens(task: RefreshTask, claim: string, held: LoginRecord, result: RefreshResult) {
  const { login, onUnsavedTokens: onOrphan } = task;
  const saved = await retryStoreCall(SAVE_RETRY_MS, () =>
    login.update((stored) => {
      const isTakenOver = stored.refreshing?.id !== claim;
      if (isTakenOver && hasNewerTokens(stored, held)) return undefined;
      return createRefreshedRecord(task, removeClaim(stored, claim), result);
    }),
  );
  if (saved) return saved;
  const { tokens } = result;
  // If the token has not rotated, the logout has revoked it already.
  if (tokens.refresh_token !== held.tokens.refresh_token) onOrphan(tokens);
  throw new PortalAuthError("login_required", { detail: "the session was ended during the refresh" });
}

/**
 * By the version, as a provider may give the same refresh token again; and by the token, as a failure may
 * bring a new one.
 */
const hasNewerTokens = ({ version, tokens }: LoginRecord, held: LoginRecord): boolean =>
  version > held.version || tokens.refresh_token !== held.tokens.refresh_token;

function createRefreshedRecord(
  { clock, isAfterRefusal: afterRefusal }: RefreshTask,
  { after_refusal, ...stored }: LoginRecord,
  { tokens, failure }: RefreshResult,
): LoginRecord {
  // after a failure the access token is the old one, with the facts about it
  if (failure) return { ...stored, tokens, ...(after_refusal && { after_refusal }) };
  const obtained_at = Math.floor(clock() / 1000);
  const version = stored.version + 1;
  return { ...stored, tokens, version, obtained_at, ...(afterRefusal && { after_refusal: true }) };
}

async function retryStoreCall<T>(tryForMs: number, write: () => Promise<T>): Promise<T> {
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
export async function releaseClaim(login: UpdatableLogin, claim: string): Promise<void> {
  const release = (stored: LoginRecord) =>
    stored.refreshing?.id === claim ? removeClaim(stored, claim) : undefined;
  await retryStoreCall(RELEASE_RETRY_MS, () => login.update(release)).catch(() => {});
}

interface RefusedRefresh {
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
export async function endRefusedLogin(
  task: RefreshTask,
  { refused, error, ids, watch }: RefusedRefresh,
): Promise<LoginRecord> {
  for (;;) {
    let canDeliver = false;
    const stored = await task.login.update((login) => {
      if (hasNewerTokens(login, refused)) return undefined;
      const claim = ids.findClaimOfOtherProcess(login, task);
      if (claim) watch.recordLook(claim);
      canDeliver = watch.canDeliver(getClaimLifeMs(task));
      return canDeliver ? undefined : "remove";
    });
    if (stored && hasNewerTokens(stored, refused)) return stored;
    if (!stored || !canDeliver) throw error;
    await pause(POLL_MS);
  }
}
