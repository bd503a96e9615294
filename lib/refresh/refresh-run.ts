import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import { pause } from "../util/pause.js";
import { hasExpired } from "../util/time.js";
import { type ClaimIds, type ClaimWatch, claimLastsMs, STOOD_STILL_MS } from "./claim.js";
import type { Refresh, RefreshedLogin, Renew } from "./refresh.js";
import { endLogin, save } from "./refresh-outcome.js";
import type { RefreshReport } from "./refresh-report.js";

/**
 * The pause after the first look at a login that another process refreshes. Each pause is longer than the one
 * before.
 */
const LOOK_AGAIN_MS = 25;
const LOOK_AGAIN_AT_MOST_MS = 500;

interface RunOptions {
  readonly refresh: Refresh;
  readonly ids: ClaimIds;
  readonly watch: ClaimWatch;
  readonly release: (login: RefreshedLogin, claim: string) => void;
  readonly report: RefreshReport;
}

/**
 * What a look has found: new enough tokens, a login that may be claimed, or one that another process
 * refreshes.
 */
type Found = "enough" | "free" | "held";

/** One refresh of one login in this process. */
export class RefreshRun {
  readonly #options: RunOptions;
  readonly #refresh: Refresh;
  readonly #beganAt = performance.now();
  readonly #slow: Promise<never>;
  #onSlow!: (error: PortalAuthError) => void;
  /** Whether a request waits whose access token was refused by a resource. */
  #isRefused: boolean;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#refresh = options.refresh;
    this.#isRefused = options.refresh.afterRefusal;
    this.#slow = new Promise((_, reject) => {
      this.#onSlow = reject;
    });
    this.#slow.catch(() => {}); // perhaps no request waits
  }

  get ageMs(): number {
    return performance.now() - this.#beganAt;
  }

  /** Another request shares this refresh. */
  join({ afterRefusal }: Refresh): void {
    this.#isRefused ||= afterRefusal;
    this.#options.report.joined();
  }

  /** Returns the outcome of this refresh for a request, which does not wait for a slow provider to the end. */
  forRequest(outcome: Promise<LoginRecord>): Promise<LoginRecord> {
    return Promise.race([outcome, this.#slow]);
  }

  async start(): Promise<LoginRecord> {
    try {
      return await this.#refreshOrWait();
    } catch (error) {
      this.#options.report.failed(error, false); // unless it has been reported
      throw error;
    }
  }

  /** Waits long enough to watch a claim to its end, even if the watch starts anew in between. */
  async #refreshOrWait(): Promise<LoginRecord> {
    const { ids, report } = this.#options;
    const giveUpAt = this.#beganAt + 3 * claimLastsMs(this.#refresh);
    let renew: Renew | undefined;
    for (
      let wait = LOOK_AGAIN_MS;
      performance.now() < giveUpAt;
      wait = Math.min(1.5 * wait, LOOK_AGAIN_AT_MOST_MS)
    ) {
      const claim = renew && ids.next();
      const { login, found, isClaimed } = await this.#look(claim);
      if (found === "enough") return report.waitedFor(login);
      if (renew && claim && isClaimed) return this.#hold(claim, login, renew);
      if (found === "free" && !renew) {
        renew = await this.#refresh.prepare();
        continue;
      }
      report.waits();
      await pause(wait * (0.5 + Math.random()));
    }
    throw new PortalAuthError("refresh_failed", { detail: "another process does not come to an end" });
  }

  /**
   * Looks at the stored login, and claims it if it is free and the id of a claim is given. A claim whose
   * answer took too long is released: another process may have watched it meanwhile.
   */
  async #look(claim: string | undefined): Promise<{ login: LoginRecord; found: Found; isClaimed: boolean }> {
    const { login, clock } = this.#refresh;
    const askedAt = performance.now();
    let found = "held" as Found;
    let isClaimed = false;
    try {
      const stored = await login.update((current) => {
        found = this.#judge(current);
        if (found !== "free" || !claim) return undefined;
        return { ...current, refreshing: { id: claim, claimed_at: clock() } };
      });
      if (!stored) throw new PortalAuthError("login_required", { detail: "the session has ended" });
      const isOurs = stored.refreshing !== undefined && stored.refreshing.id === claim;
      isClaimed = isOurs && performance.now() - askedAt <= STOOD_STILL_MS;
      return { login: stored, found, isClaimed };
    } finally {
      if (claim && found === "free" && !isClaimed) this.#release(claim);
    }
  }

  /** A claim is not taken over while the old access token is of use: a request gets that one meanwhile. */
  #judge(login: LoginRecord): Found {
    const { ids, watch } = this.#options;
    if (this.#refresh.isEnough(login)) return "enough";
    const claim = ids.othersClaim(login, this.#refresh);
    watch.look(claim);
    if (!claim) return "free";
    const isNeeded = this.#isRefused || hasExpired(login.tokens, this.#refresh.clock);
    return isNeeded && watch.isOver(claimLastsMs(this.#refresh)) ? "free" : "held";
  }

  /** Refreshes the login that this process has claimed. */
  async #hold(claim: string, held: LoginRecord, renew: Renew): Promise<LoginRecord> {
    const { ids, report, watch } = this.#options;
    report.begins();
    try {
      const renewed = await renew(held, this.#onSlow);
      const saved = await save(this.#refresh, claim, held, renewed);
      if (renewed.failure) report.failed(renewed.failure, false);
      else report.done(renewed.tokens.refresh_token !== held.tokens.refresh_token);
      if (renewed.failure && !this.#refresh.isEnough(saved)) throw renewed.failure;
      return saved;
    } catch (error) {
      const isOver = this.#refresh.endsSession(error);
      report.failed(error, isOver);
      const ended = isOver
        ? endLogin(this.#refresh, { refused: held, error, ids, watch })
        : Promise.reject(error);
      return ended.finally(() => this.#release(claim));
    }
  }

  #release(claim: string): void {
    this.#options.release(this.#refresh.login, claim);
  }
}
