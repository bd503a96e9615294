import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import { pause } from "../util/pause.js";
import { hasExpired } from "../util/time.js";
import { type ClaimIds, type ClaimWatch, getClaimLifeMs, STALL_MS } from "./refresh-claim.js";
import { endRefusedLogin, saveTokens } from "./refresh-outcome.js";
import type { RefreshReport } from "./refresh-report.js";
import type { RefreshTask, SendRefresh, UpdatableLogin } from "./refresh-task.js";

/**
 * The pause after the first look at a login that another process refreshes. Each pause is longer than the
 * last.
 */
const FIRST_POLL_MS = 25;
const MAX_POLL_MS = 500;

interface RunOptions {
  readonly task: RefreshTask;
  readonly ids: ClaimIds;
  readonly watch: ClaimWatch;
  readonly release: (login: UpdatableLogin, claimId: string) => void;
  readonly report: RefreshReport;
}

/**
 * The state of a stored login:
 *
 * - "fresh": its tokens are new enough
 * - "free": this process may claim it
 * - "claimed": another process refreshes it
 */
type RefreshState = "fresh" | "free" | "claimed";

interface ReadResult {
  readonly login: LoginRecord;
  readonly state: RefreshState;
  /** Whether this process has claimed the login. */
  readonly hasClaim: boolean;
}

/** One refresh of one login in this process. */
export class RefreshRun {
  readonly #options: RunOptions;
  readonly #task: RefreshTask;
  readonly #startedAt = performance.now();
  readonly #slowProvider: Promise<never>;
  #onSlow!: (error: PortalAuthError) => void;
  /** Whether a resource has rejected the access token of one of the waiting requests. */
  #isTokenRejected: boolean;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#task = options.task;
    this.#isTokenRejected = options.task.isAfterRejection;
    this.#slowProvider = new Promise((_, reject) => {
      this.#onSlow = reject;
    });
    this.#slowProvider.catch(() => {}); // It must not count as unhandled if no request waits.
  }

  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Adds a request that shares this refresh. */
  addRequest({ isAfterRejection }: RefreshTask): void {
    this.#isTokenRejected ||= isAfterRejection;
    this.#options.report.reportJoined();
  }

  /** Returns the outcome of this refresh for a request. It rejects earlier if the provider is slow. */
  limitWait(outcome: Promise<LoginRecord>): Promise<LoginRecord> {
    return Promise.race([outcome, this.#slowProvider]);
  }

  async start(): Promise<LoginRecord> {
    try {
      return await this.#refreshOrWait();
    } catch (error) {
      this.#options.report.reportFailed(error, false); // Does nothing if it was reported already.
      throw error;
    }
  }

  /**
   * Refreshes the login, or waits until another process has done so. Waits at most three lifetimes of a
   * claim, because the watch of a claim can restart.
   */
  async #refreshOrWait(): Promise<LoginRecord> {
    const { ids, report } = this.#options;
    const endsAt = this.#startedAt + 3 * getClaimLifeMs(this.#task);
    let sendRefresh: SendRefresh | undefined;
    for (
      let waitMs = FIRST_POLL_MS;
      performance.now() < endsAt;
      waitMs = Math.min(1.5 * waitMs, MAX_POLL_MS)
    ) {
      const claimId = sendRefresh && ids.create();
      const { login, state, hasClaim } = await this.#readAndClaim(claimId);
      if (state === "fresh") {
        report.reportWaited();
        return login;
      }
      if (sendRefresh && claimId && hasClaim) return this.#refreshClaimed(claimId, login, sendRefresh);
      if (state === "free" && !sendRefresh) {
        sendRefresh = await this.#task.prepare();
        continue;
      }
      report.startWaiting();
      await pause(waitMs * (0.5 + Math.random()));
    }
    throw new PortalAuthError("refresh_failed", { detail: "another process has not finished its refresh" });
  }

  /**
   * Reads the stored login. Claims it if it is free and the id of a claim is given. If the store took too
   * long, the claim is released: another process may have watched it long enough to take it over.
   */
  async #readAndClaim(claimId: string | undefined): Promise<ReadResult> {
    const { login, clock } = this.#task;
    const startedAt = performance.now();
    let state = "claimed" as RefreshState;
    let hasClaim = false;
    try {
      const stored = await login.update((current) => {
        state = this.#findState(current);
        if (state !== "free" || !claimId) return undefined;
        return { ...current, refreshing: { id: claimId, claimed_at: clock() } };
      });
      if (!stored) throw new PortalAuthError("login_required", { detail: "the session has ended" });
      const isStored = stored.refreshing !== undefined && stored.refreshing.id === claimId;
      hasClaim = isStored && performance.now() - startedAt <= STALL_MS;
      return { login: stored, state, hasClaim };
    } finally {
      if (claimId && state === "free" && !hasClaim) this.#release(claimId);
    }
  }

  /**
   * Returns the state of a login. The claim of another process is taken over only if the old access token can
   * no longer be used.
   */
  #findState(login: LoginRecord): RefreshState {
    const { ids, watch } = this.#options;
    if (this.#task.hasNewTokens(login)) return "fresh";
    const claim = ids.findClaimOfOtherProcess(login, this.#task);
    watch.recordRead(claim);
    if (!claim) return "free";
    const isNeeded = this.#isTokenRejected || hasExpired(login.tokens, this.#task.clock);
    return isNeeded && watch.hasWatchedFor(getClaimLifeMs(this.#task)) ? "free" : "claimed";
  }

  /** Refreshes the login that this process has claimed. */
  async #refreshClaimed(
    claimId: string,
    claimed: LoginRecord,
    sendRefresh: SendRefresh,
  ): Promise<LoginRecord> {
    const { ids, report, watch } = this.#options;
    report.startRefresh();
    try {
      const result = await sendRefresh(claimed, this.#onSlow);
      const saved = await saveTokens(this.#task, claimId, claimed, result);
      if (result.failure) report.reportFailed(result.failure, false);
      else report.reportDone(result.tokens.refresh_token !== claimed.tokens.refresh_token);
      if (result.failure && !this.#task.hasNewTokens(saved)) throw result.failure;
      return saved;
    } catch (error) {
      const endsLogin = this.#task.shouldEndLogin(error);
      report.reportFailed(error, endsLogin);
      const outcome = endsLogin
        ? endRefusedLogin(this.#task, { refused: claimed, error, ids, watch })
        : Promise.reject(error);
      return outcome.finally(() => this.#release(claimId));
    }
  }

  #release(claimId: string): void {
    this.#options.release(this.#task.login, claimId);
  }
}
