import type { SigningKeys } from "./signing-keys.js";

/** Decides whether a token that no known key verifies causes a new fetch of the keys. */
export interface RefetchPolicy {
  /** After a failed fetch, the next one waits so long, in milliseconds. */
  readonly failurePauseMs: number;
  /** Returns whether the keys may be fetched again for a token with this `kid`. */
  mayRefetch(kid: string, keys: SigningKeys): boolean;
  /** Records that the keys were fetched for this `kid`, and still do not verify the token. */
  recordMiss(kid: string): void;
  /** Records that the keys were fetched for this `kid`, and now verify the token. */
  recordSuccess(kid: string): void;
}

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 30_000;
const MAX_KIDS = 100;

interface Miss {
  readonly until: number;
  readonly waitMs: number;
}

/**
 * For tokens that come directly from the provider. For an unknown `kid`, the keys are fetched again after 1
 * s, then after 2, 4, 8, 16 and 30 s. A rotation works at once. A key that is published a little late works
 * at the first login after that.
 */
export class RefetchByKid implements RefetchPolicy {
  readonly failurePauseMs = 0;
  /** Oldest first. */
  readonly #misses = new Map<string, Miss>();

  mayRefetch(kid: string): boolean {
    const miss = this.#misses.get(kid);
    return miss === undefined || performance.now() >= miss.until;
  }

  recordMiss(kid: string): void {
    if (!this.mayRefetch(kid)) return; // concurrent tokens share one fetch, so they count once
    const waitMs = Math.min((this.#misses.get(kid)?.waitMs ?? FIRST_WAIT_MS / 2) * 2, MAX_WAIT_MS);
    this.#misses.delete(kid);
    this.#misses.set(kid, { until: performance.now() + waitMs, waitMs });
    const [oldest] = this.#misses.keys();
    if (this.#misses.size > MAX_KIDS && oldest !== undefined) this.#misses.delete(oldest);
  }

  recordSuccess(kid: string): void {
    this.#misses.delete(kid);
  }
}

const UNTRUSTED_PAUSE_MS = 30_000;
const UNTRUSTED_FAILURE_PAUSE_MS = 5000;

/** For tokens from any sender. For all of them together, the keys are fetched at most every 30 s. */
export class RefetchRarely implements RefetchPolicy {
  readonly failurePauseMs = UNTRUSTED_FAILURE_PAUSE_MS;

  mayRefetch(_kid: string, keys: SigningKeys): boolean {
    return keys.ageMs >= UNTRUSTED_PAUSE_MS;
  }

  recordMiss(): void {}

  recordSuccess(): void {}
}
