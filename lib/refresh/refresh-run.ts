import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import { pause } from "../util/pause.js";
import { hasExpired } from "../util/time.js";
import { type ClaimIds, type ClaimWatch, getClaimLifeMs, STALL_MS } from "./refresh-claim.js";
import { endRefusedLogin, saveTokens } from "./refresh-outcome.js";
import type { RefreshReport } from "./refresh-report.js";
import type { RefreshTask, SendRefresh, UpdatableLogin } from "./refresh-task.js";

/**
 * The pause after the first look at a login that another process refreshes. Each pause is longer than the one
 * before.
 */
const FIRST_POLL_MS = 25;
const MAX_POLL_MS = 500;

interface RunOptions {
  readonly task: RefreshTask;
  readonly ids: ClaimIds;
  readonly watch: ClaimWatch;
  readonly release: (login: UpdatableLogin, claim: string) => void;
  readonly report: RefreshReport;
}

/**
 * What a look has found: new enough tokens, a login that may be claimed, or one that another process
 * refreshes.
 */
type LoginState = "enough" | "free" | "held";

/** One refresh of one login in this process. */
export class RefreshRun {
  readonly #options: RunOptions;
  readonly #task: RefreshTask;
  readonly #startedAt = performance.now();
  readonly #slowProvider: Promise<never>;
  #onSlow!: (error: PortalAuthError) => void;
  /** Whether a request waits whose access token was refused by a resource. */
  #isTokenRefused: boolean;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#task = options.task;
    this.#isTokenRefused = options.task.isAfterRefusal;
    this.#slowProvider = new Promise((_, reject) => {
      this.#onSlow = reject;
    });
    this.#slowProvider.catch(() => {}); // perhaps no request waits
  }

  get ageMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Another request shares this refresh. */
  addRequest({ isAfterRefusal: afterRefusal }: RefreshTask): void {
    this.#isTokenRefused ||= afterRefusal;
    this.#options.report.reportJoined();
  }

  /** Returns the outcome of this refresh for a request, which does not wait for a slow provider to the end. */
  limitWait(outcome: Promise<LoginRecord>): Promise<LoginRecord> {
    return Promise.race([outcome, this.#slowProvider]);
  }

  async start(): Promise<LoginRecord> {
    try {
      return await this.#refreshOrWait();
    } catch (error) {
      this.#options.report.reportFailed(error, false); // unless it has been reported
      throw error;
    }
  }

  /** Waits long enough to watch a claim to its end, even if the watch starts anew in between. */
  async #refreshOrWait(): Promise<LoginRecord> {
    const { ids, report } = this.#options;
    const giveUpAt = this.#startedAt + 3 * getClaimLifeMs(this.#task);
    let sendRefresh: SendRefresh | undefined;
    for (let wait = FIRST_POLL_MS; performance.now() < giveUpAt; wait = Math.min(1.5 * wait, MAX_POLL_MS)) {
      const claim = sendRefresh && ids.create();
      const { login, found: state, isClaimed } = await this.#readAndClaim(claim);
      if (state === "enough") return report.reportWaited(login);
      if (sendRefresh && claim && isClaimed) return this.#refreshClaimed(claim, login, sendRefresh);
      if (state === "free" && !sendRefresh) {
        sendRefresh = await this.#task.prepare();
        continue;
      }
      report.startWaiting();
      await pause(wait * (0.5 + Math.random()));
    }
    throw new PortalAuthError("refresh_failed", { detail: "another process does not come to an end" });
  }

  /**
   * Looks at the stored login, and claims it if it is free and the id of a claim is given. A claim whose
   * answer took too long is released: another process may have watched it meanwhile.
   */
  async #readAndClaim(
    claim: string | undefined,
  ): Promise<{ login: LoginRecord; found: LoginState; isClaimed: boolean }> {
    const { login, clock } = this.#task;
    const askedAt = performance.now();
    let state = "held" as LoginState;
    let isClaimed = false;
    try {
      const stored = await login.update((current) => {
        state = this.#findState(current);
        if (state !== "free" || !claim) return undefined;
        return { ...current, refreshing: { id: claim, claimed_at: clock() } };
      });
      if (!stored) throw new PortalAuthError("login_required", { detail: "the session has ended" });
      const isOurs = stored.refreshing !== undefined && stored.refreshing.id === claim;
      isClaimed = isOurs && performance.now() - askedAt <= STALL_MS;
      return { login: stored, found: state, isClaimed };
    } finally {
      if (claim && state === "free" && !isClaimed) this.#release(claim);
    }
  }

  /** A claim is not taken over while the old access token is of use: a request gets that one meanwhile. */
  #findState(login: LoginRecord): LoginState {
    const { ids, watch } = this.#options;
    if (this.#task.hasNewTokens(login)) return "enough";
    const claim = ids.findClaimOfOtherProcess(login, this.#task);
    watch.recordLook(claim);
    if (!claim) return "free";
    const isNeeded = this.#isTokenRefused || hasExpired(login.tokens, this.#task.clock);
    return isNeeded && watch.hasWatchedFor(getClaimLifeMs(this.#task)) ? "free" : "held";
  }

  /** Refreshes the login that this process has claimed. */
  async #refreshClaimed(claim: string, held: LoginRecord, sendRefresh: SendRefresh): Promise<LoginRecord> {
    const { ids, report, watch } = this.#options;
    report.startRefresh();
    try {
      const result = await sendRefresh(held, this.#onSlow);
      const saved = await saveTokens(this.#task, claim, held, result);
      if (result.failure) report.reportFailed(result.failure, false);
      else report.reportDone(result.tokens.refresh_token !== held.tokens.refresh_token);
      if (result.failure && !this.#task.hasNewTokens(saved)) throw result.failure;
      return saved;
    } catch (error) {
      const isOver = this.#task.shouldEndLogin(error);
      report.reportFailed(error, isOver);
      const ended = isOver
        ? endRefusedLogin(this.#task, { refused: held, error, ids, watch })
        : Promise.reject(error);
      return ended.finally(() => this.#release(claim));
    }
  }

  #release(claim: string): void {
    this.#options.release(this.#task.login, claim);
  }
}
