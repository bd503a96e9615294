import type { SigningKeys } from "./signing-keys.js";

/** Decides whether a token that no known key verifies causes a new fetch of the keys. */
export interface RefetchPolicy {
  /** How long a failed fetch is not repeated, in milliseconds. */
  readonly failurePauseMs: number;
  mayRefetch(kid: string, keys: SigningKeys): boolean;
  /** The keys were fetched for this `kid`, and still verify nothing. */
  recordMiss(kid: string): void;
  /** The keys were fetched for this `kid`, and now verify the token. */
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
 * For tokens that come directly from the provider. An unknown `kid` is asked for again after 1 s, then after 2, 4, 8, 16 and
 * 30 s. A rotation works at once, and a key that is published a little late is found at the first login after that.
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
    if (!this.mayRefetch(kid)) return; // concurrent tokens share one fetch, and count once
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

/** For tokens that anybody can send: whatever they name, the keys are fetched for them at most every 30 s. */
export class RefetchRarely implements RefetchPolicy {
  readonly failurePauseMs = UNTRUSTED_FAILURE_PAUSE_MS;

  mayRefetch(_kid: string, keys: SigningKeys): boolean {
    return keys.ageMs >= UNTRUSTED_PAUSE_MS;
  }

  recordMiss(): void {}

  recordSuccess(): void {}
}
