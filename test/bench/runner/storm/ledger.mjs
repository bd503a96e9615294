import { formatTime } from "./time-of-day.mjs";
import { LEEWAY_SECONDS } from "./world.mjs";

/** New tokens that the provider sent within this time before the kill may never have reached the store. */
const BEFORE_KILL_MS = 1000;
const MAX_HISTORY = 6;
const SECOND_MS = 1000;

/** The token requests that the provider has recorded. A token set is identified by its refresh token. */
export class Ledger {
  #killed;
  /** The refreshes of each token set, in the order of their arrival. */
  #refreshes = new Map();
  /** The expiry of the access token of each set. */
  #expiresAt = new Map();

  constructor(entries, killed) {
    this.#killed = killed;
    for (const entry of entries) {
      if (entry.issued) this.#expiresAt.set(entry.issued, entry.expiresAt);
      if (!entry.presented) continue; // a login
      const others = this.#refreshes.get(entry.presented) ?? [];
      this.#refreshes.set(entry.presented, [...others, entry]);
    }
  }

  /**
   * Counts refreshes and expiries. A token set has expired if, at its first refresh, its access token is
   * valid for no longer than the leeway, plus one second. The provider counts from its response, the
   * application from its request, both in whole seconds. An earlier refresh is `early`, a second one of the
   * same set is `again`. Further refreshes that the kill made necessary are only counted as `afterKill`.
   */
  count() {
    const counts = { grants: 0, expiries: 0, early: 0, again: 0, afterKill: 0, successful: 0 };
    for (const [token, refreshes] of this.#refreshes) {
      const [first, ...others] = refreshes;
      const isEarly = first.at < this.#expiresAt.get(token) - LEEWAY_SECONDS * 1000 - SECOND_MS;
      const isByKill = this.#isSetLostByKill(refreshes);
      counts.grants += isByKill ? 1 : refreshes.length;
      counts[isEarly ? "early" : "expiries"] += 1;
      counts[isByKill ? "afterKill" : "again"] += others.length;
      counts.successful += refreshes.filter(({ issued }) => issued).length;
    }
    return counts;
  }

  /**
   * Returns whether the kill itself lost a session. `seen` are the refresh tokens in the responses of the
   * session. The last token set of the session must have gone to the killed process shortly before the kill,
   * and no response may have shown it.
   */
  isLostByKill(seen) {
    const last = [...this.#getChain(seen)].at(-1);
    return last !== undefined && this.#isSetLostByKill(last) && !seen.has(findSuccessful(last).issued);
  }

  /** Formats the last token requests of a session. */
  formatHistory(seen) {
    const refreshes = [...this.#getChain(seen)].flat().slice(-MAX_HISTORY);
    return refreshes.map(({ at, processName, presented, status, body, respondedAt = at, issued }) => {
      const result = issued ? `got ${issued}` : `got ${status} ${body}`;
      const request = `${formatTime(at)} ${processName} presented ${presented}`;
      return `${request}, and at ${formatTime(respondedAt)} ${result}`;
    });
  }

  /** Yields the refreshes of each token set of a session, in order. */
  *#getChain(seen) {
    let [token] = seen;
    for (let refreshes = this.#refreshes.get(token); refreshes; refreshes = this.#refreshes.get(token)) {
      yield refreshes;
      token = findSuccessful(refreshes)?.issued;
    }
  }

  /**
   * Returns whether the killed process got the new token set shortly before the kill, and no process has
   * presented it.
   */
  #isSetLostByKill(refreshes) {
    const { processName, issued, respondedAt } = findSuccessful(refreshes) ?? {};
    if (!issued || processName !== this.#killed?.name) return false;
    return respondedAt > this.#killed.at - BEFORE_KILL_MS && !this.#refreshes.has(issued);
  }
}

/**
 * Returns the successful refresh of a token set. There is at most one, because a refresh token is valid once.
 */
const findSuccessful = (refreshes) => refreshes.find(({ issued }) => issued);
