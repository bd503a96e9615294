import type { LoginRecord, RefreshClaim } from "../session/login-record.js";
import { type RefreshTask, SAVE_RETRY_MS } from "./refresh-task.js";

/**
 * After a longer pause, the store, the network or this process stood still. The pause is the store's response
 * time, or the time between two looks of a process at a claim.
 *
 * A working store responds within milliseconds, and a process looks at least once a second. Shorter pauses
 * are harmless: a claim reserves this time for the store's response, and again for saving.
 */
export const STALL_MS = 5000;
/** The last attempt to save ends after this time at the latest (`withDeadline`). */
const STORE_DEADLINE_MS = 10_000;
/** An older claim was abandoned, even if the clocks of two machines differ by minutes. */
const ABANDONED_MS = 10 * 60_000;

/**
 * Returns the lifetime of a claim, in milliseconds: the time for the store's response, the refresh and the
 * saving. Default: 30 s. RefreshRun waits three such lifetimes for another process.
 */
export const getClaimLifeMs = ({ maxRefreshMs }: Pick<RefreshTask, "maxRefreshMs">): number =>
  maxRefreshMs + 2 * STALL_MS;

/** Creates the ids of a process's claims. Each claim has an id of its own, so each look can identify it. */
export class ClaimIds {
  readonly #processId: string;
  #count = 0;

  constructor(processId: string) {
    this.#processId = processId;
  }

  create(): string {
    this.#count += 1;
    return `${this.#processId}.${this.#count}`;
  }

  /**
   * Returns the claim of another process, unless it was abandoned. A claim of this process counts only while
   * its refresh runs.
   */
  findClaimOfOtherProcess(
    { refreshing }: LoginRecord,
    { clock }: Pick<RefreshTask, "clock">,
  ): RefreshClaim | undefined {
    if (!refreshing || refreshing.id.startsWith(`${this.#processId}.`)) return undefined;
    return clock() - refreshing.claimed_at < ABANDONED_MS ? refreshing : undefined;
  }
}

/** Measures how long this process has watched the claim that another process holds on a login. */
export class ClaimWatch {
  #claimId: string | undefined;
  #firstSeenAt = Number.NEGATIVE_INFINITY;
  #watchedSince = 0;
  #lastReadAt = 0;

  /** Records that the claim was read. The measurement restarts if the store or this process stood still. */
  recordRead(claim: RefreshClaim | undefined): void {
    const now = performance.now();
    if (claim?.id !== this.#claimId) {
      this.#claimId = claim?.id;
      this.#firstSeenAt = claim ? now : Number.NEGATIVE_INFINITY;
      this.#watchedSince = now;
    }
    if (now - this.#lastReadAt > STALL_MS) this.#watchedSince = now;
    this.#lastReadAt = now;
  }

  /** Returns whether this process has watched the claim for its whole lifetime. */
  hasWatchedFor(claimLifeMs: number): boolean {
    return this.#lastReadAt - this.#watchedSince >= claimLifeMs;
  }

  /**
   * Returns whether the process that holds the claim may still save tokens. With the defaults it can, until
   * 70 s after this process first saw the claim:
   *
   * - 30 s: the lifetime of the claim
   * - 30 s: `SAVE_RETRY_MS`, in which it tries to save the tokens
   * - 10 s: the deadline of its last attempt
   */
  canDeliver(claimLifeMs: number): boolean {
    return performance.now() < this.#firstSeenAt + claimLifeMs + SAVE_RETRY_MS + STORE_DEADLINE_MS;
  }
}

/** Returns the login without the claim with this id. A login without this claim is returned unchanged. */
export function removeClaim(login: LoginRecord, claimId: string): LoginRecord {
  if (login.refreshing?.id !== claimId) return login;
  const { refreshing, ...others } = login;
  return others;
}
