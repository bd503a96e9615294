import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import { pause } from "../util/pause.js";
import { type ClaimIds, type ClaimWatch, getClaimLifeMs, removeClaim } from "./refresh-claim.js";
import { type RefreshResult, type RefreshTask, SAVE_RETRY_MS, type UpdatableLogin } from "./refresh-task.js";

const FIRST_RETRY_MS = 50;
const MAX_RETRY_PAUSE_MS = 2000;
const POLL_MS = 500;
/** How long the release of a claim is retried if the store fails. Only `close()` waits for it. */
const RELEASE_RETRY_MS = 10_000;

/**
 * Saves the tokens of a refresh, and releases its claim. If this process was cut off from the store, another
 * one may have taken the login over. Newer tokens of that process stay stored, because its refresh was the
 * later one. Its claim stays, too.
 *
 * @returns the login as it is stored then
 * @throws PortalAuthError `login_required` if the login has ended: rotated tokens are passed to
 *   `onUnsavedTokens`
 * @throws PortalAuthError `session_store_failed` if the store fails for 30 s
 */
export async function saveTokens(
  task: RefreshTask,
  claimId: string,
  claimed: LoginRecord,
  result: RefreshResult,
): Promise<LoginRecord> {
  const saved = await retryStoreCall(SAVE_RETRY_MS, () =>
    task.login.update((stored) => {
      const isTakenOver = stored.refreshing?.id !== claimId;
      if (isTakenOver && hasNewerTokens(stored, claimed)) return undefined;
      return createRefreshedRecord(task, removeClaim(stored, claimId), result);
    }),
  );
  if (saved) return saved;
  const { tokens } = result;
  // If the token has not rotated, the logout has revoked it already.
  if (tokens.refresh_token !== claimed.tokens.refresh_token) task.onUnsavedTokens(tokens);
  throw new PortalAuthError("login_required", { detail: "the session was ended during the refresh" });
}

/**
 * Compares the version, because a provider may return the same refresh token again. Compares the refresh
 * token, too, because a refresh that fails may have brought a new one.
 */
const hasNewerTokens = ({ version, tokens }: LoginRecord, earlier: LoginRecord): boolean =>
  version > earlier.version || tokens.refresh_token !== earlier.tokens.refresh_token;

function createRefreshedRecord(
  { clock, isAfterRejection }: RefreshTask,
  { after_rejection, ...stored }: LoginRecord,
  { tokens, failure }: RefreshResult,
): LoginRecord {
  // After a failure the access token is the old one, so the facts about it stay.
  if (failure) return { ...stored, tokens, ...(after_rejection && { after_rejection }) };
  const obtained_at = Math.floor(clock() / 1000);
  const version = stored.version + 1;
  return { ...stored, tokens, version, obtained_at, ...(isAfterRejection && { after_rejection: true }) };
}

async function retryStoreCall<T>(retryForMs: number, call: () => Promise<T>): Promise<T> {
  const endsAt = performance.now() + retryForMs;
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_PAUSE_MS)) {
    try {
      return await call();
    } catch (cause) {
      if (performance.now() + waitMs > endsAt)
        throw new PortalAuthError("session_store_failed", { detail: "new tokens could not be saved", cause });
      await pause(waitMs);
    }
  }
}

/**
 * Releases a claim, if it is still stored. If the store fails for 10 s, the claim stays and expires. Never
 * rejects.
 */
export async function releaseClaim(login: UpdatableLogin, claimId: string): Promise<void> {
  const release = (stored: LoginRecord) =>
    stored.refreshing?.id === claimId ? removeClaim(stored, claimId) : undefined;
  await retryStoreCall(RELEASE_RETRY_MS, () => login.update(release)).catch(() => {});
}

interface RefusedRefresh {
  readonly refused: LoginRecord;
  readonly error: unknown;
  readonly ids: ClaimIds;
  readonly watch: ClaimWatch;
}

/**
 * Ends a login whose refresh token the provider has refused: removes its record from the store.
 *
 * Another process may have used the same refresh token, and may be slow to save. It holds a claim, or held
 * one that this process took over. The login ends only when no such claim can deliver tokens
 * (`ClaimWatch.canDeliver`).
 *
 * @returns the stored login, if it has newer tokens: it does not end then
 * @throws the error of the refused refresh, if the login has ended
 * @throws PortalAuthError `session_store_failed` if the store fails
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
      if (claim) watch.recordRead(claim);
      canDeliver = watch.canDeliver(getClaimLifeMs(task));
      return canDeliver ? undefined : "remove";
    });
    if (stored && hasNewerTokens(stored, refused)) return stored;
    if (!stored || !canDeliver) throw error;
    await pause(POLL_MS);
  }
}
