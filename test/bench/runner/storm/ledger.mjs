import { clock } from "./clock.mjs";
import { LEEWAY_SECONDS } from "./world.mjs";

/** What the portal answered so shortly before a kill may never have reached the store. */
const LAST_MOMENTS_MS = 1000;
const MOST_HISTORY = 6;
const SECOND_MS = 1000;

/** What the portal wrote down, put to account. A token set is known by its refresh token. */
export class Ledger {
  #killed;
  /** The refreshes of each token set, in the order of their coming. */
  #refreshes = new Map();
  /** When the access token of each set ends. */
  #endsAt = new Map();

  constructor(entries, killed) {
    this.#killed = killed;
    for (const entry of entries) {
      if (entry.given) this.#endsAt.set(entry.given, entry.endsAt);
      if (!entry.presented) continue; // a login
      const others = this.#refreshes.get(entry.presented) ?? [];
      this.#refreshes.set(entry.presented, [...others, entry]);
    }
  }

  /**
   * A token set expired, for us, when it was first presented at a time when its access token was good for no longer
   * than the leeway, give or take the second to which ends are told: the app counts from when it asked, the portal from
   * when it answered, and a second may have begun in between. A set that is presented earlier is a grant for no expiry, and one that is presented again a
   * second grant for the same; unless the kill leaves nothing else to do.
   */
  account() {
    const sum = { grants: 0, expiries: 0, early: 0, again: 0, afterKill: 0, good: 0 };
    for (const [token, refreshes] of this.#refreshes) {
      const [first, ...more] = refreshes;
      const isEarly = first.at < this.#endsAt.get(token) - LEEWAY_SECONDS * 1000 - SECOND_MS;
      const isCaught = this.#isCaughtByKill(refreshes);
      sum.grants += isCaught ? 1 : refreshes.length;
      sum[isEarly ? "early" : "expiries"] += 1;
      sum[isCaught ? "afterKill" : "again"] += more.length;
      sum.good += refreshes.filter(({ given }) => given).length;
    }
    return sum;
  }

  /**
   * Whether a session was lost to the kill itself; it is known by the tokens that answers told of. The last that it got
   * from the portal must be what the killed process got in its last moments, and nobody may ever have seen it.
   */
  isCaughtByKill(told) {
    const last = [...this.#chainOf(told)].at(-1);
    return last !== undefined && this.#isCaughtByKill(last) && !told.has(goodOne(last).given);
  }

  /** The last that the portal knows of a session, as lines to read. */
  history(told) {
    const refreshes = [...this.#chainOf(told)].flat().slice(-MOST_HISTORY);
    return refreshes.map(({ at, by, presented, status, said, answeredAt = at, given }) => {
      const outcome = given ? `got ${given}` : `was told ${status} ${said}`;
      return `${clock(at)} ${by} presented ${presented}, and at ${clock(answeredAt)} ${outcome}`;
    });
  }

  /** The refreshes of a session's token sets, set by set. */
  *#chainOf(told) {
    let [token] = told;
    for (let refreshes = this.#refreshes.get(token); refreshes; refreshes = this.#refreshes.get(token)) {
      yield refreshes;
      token = goodOne(refreshes)?.given;
    }
  }

  /** The portal gave a new set to the killed process, nearly at its last moment, and nobody presented that set. */
  #isCaughtByKill(refreshes) {
    const { by, given, answeredAt } = goodOne(refreshes) ?? {};
    if (!given || by !== this.#killed?.name) return false;
    return answeredAt > this.#killed.at - LAST_MOMENTS_MS && !this.#refreshes.has(given);
  }
}

/** A refresh token that is good once has one good answer at most. */
const goodOne = (refreshes) => refreshes.find(({ given }) => given);
