import type { LoginRecord, RefreshClaim } from "../session/login-record.js";
import { type RefreshTask, SAVE_RETRY_MS } from "./refresh-task.js";

/**
 * If the store takes longer for an answer, or a process for its next look, then the store, the network or the
 * process stood still. A working store answers within milliseconds, and looks follow each other within a
 * second. Shorter pauses do no harm: a claim leaves the process that holds it as much time for the store's
 * answer, and again for saving.
 */
export const STALL_MS = 5000;
/** An attempt to save that begins in time ends when the store's deadline ends it (`withDeadline`). */
const STORE_DEADLINE_MS = 10_000;
/** A claim of this age was left behind, even if the clocks of two machines are minutes apart. */
const ABANDONED_MS = 10 * 60_000;

/** How long a claim lasts: the store's answer to it, the refresh, and the saving. 30 s by default. */
export const getClaimLifeMs = ({ maxRefreshMs: renewAtMostMs }: Pick<RefreshTask, "maxRefreshMs">): number =>
  renewAtMostMs + 2 * STALL_MS;

/**
 * Creates the ids of a process's claims. Each claim has a new one, so a look can tell a new claim from an old
 * one.
 */
export class ClaimIds {
  readonly #process: string;
  #count = 0;

  constructor(process: string) {
    this.#process = process;
  }

  create(): string {
    this.#count += 1;
    return `${this.#process}.${this.#count}`;
  }

  /**
   * The claim of another process, unless it was left behind. A claim of this process counts only while it
   * refreshes.
   */
  findClaimOfOtherProcess(
    { refreshing }: LoginRecord,
    { clock }: Pick<RefreshTask, "clock">,
  ): RefreshClaim | undefined {
    if (!refreshing || refreshing.id.startsWith(`${this.#process}.`)) return undefined;
    return clock() - refreshing.claimed_at < ABANDONED_MS ? refreshing : undefined;
  }
}

/** What this process has seen of the claim that another process holds on one login. */
export class ClaimWatch {
  #id: string | undefined;
  #firstSeenAt = Number.NEGATIVE_INFINITY;
  #watchedSince = 0;
  #lastLookAt = 0;

  /**
   * Takes note of a look at the claim. Time in which the store or this process stood still does not count.
   */
  recordLook(claim: RefreshClaim | undefined): void {
    const now = performance.now();
    if (claim?.id !== this.#id) {
      this.#id = claim?.id;
      this.#firstSeenAt = claim ? now : Number.NEGATIVE_INFINITY;
      this.#watchedSince = now;
    }
    if (now - this.#lastLookAt > STALL_MS) this.#watchedSince = now;
    this.#lastLookAt = now;
  }

  /** Whether a claim that lasts so long has been watched to its end. */
  hasWatchedFor(claimLifeMs: number): boolean {
    return this.#lastLookAt - this.#watchedSince >= claimLifeMs;
  }

  /**
   * Whether the process of the claim may still save tokens. It is answered while its claim lasts (30 s after
   * this process first saw it at the latest), saves for KEEP_TRYING_MS (30 s), and its last attempt takes 10
   * s: 70 s in all.
   */
  canDeliver(claimLifeMs: number): boolean {
    return performance.now() < this.#firstSeenAt + claimLifeMs + SAVE_RETRY_MS + STORE_DEADLINE_MS;
  }
}

/** The same login without this claim, as it is when its refresh has ended. */
export function removeClaim(login: LoginRecord, id: string): LoginRecord {
  if (login.refreshing?.id !== id) return login;
  const { refreshing, ...others } = login;
  return others;
}
