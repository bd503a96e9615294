import {
  type CompactJWSHeaderParameters,
  type CryptoKey,
  createLocalJWKSet,
  type FlattenedJWSInput,
} from "jose";
import { fetchKeySet } from "./fetch-key-set.js";
import type { ProviderFetch } from "./provider-fetch.js";

const MAX_AGE_MS = 10 * 60 * 1000;

const ACCEPT = "application/json, application/jwk-set+json";

type FindKey = (header: CompactJWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

/** The provider's public keys. They are fetched at first use, and for ten minutes they are reused. */
export class SigningKeys {
  readonly #uri: string;
  readonly #fetch: ProviderFetch;
  #find: FindKey | undefined;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<void> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;

  constructor(uri: string, fetch: ProviderFetch) {
    this.#uri = uri;
    this.#fetch = fetch;
  }

  /** Returns how long ago the keys were fetched, in milliseconds. Infinity before the first fetch. */
  get ageMs(): number {
    return performance.now() - this.#loadedAt;
  }

  /**
   * Finds the key that a token names. Rejects as jose does if no key matches, or more than one.
   *
   * @param failurePauseMs after a failed fetch, the next one waits so long, in milliseconds
   */
  async find(
    header: CompactJWSHeaderParameters,
    token: FlattenedJWSInput,
    failurePauseMs: number,
  ): Promise<CryptoKey> {
    if (!this.#find || this.ageMs > MAX_AGE_MS) await this.reload(failurePauseMs);
    return (this.#find as FindKey)(header, token);
  }

  /** Fetches the keys. Concurrent callers share one request. */
  async reload(failurePauseMs: number): Promise<void> {
    const failure = this.#failure;
    if (failure && performance.now() - failure.at < failurePauseMs) throw failure.error;
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    await this.#pending;
  }

  async #load(): Promise<void> {
    try {
      const keys = await fetchKeySet(this.#fetch, this.#uri, new Headers({ accept: ACCEPT }));
      this.#find = createLocalJWKSet({ keys } as Parameters<typeof createLocalJWKSet>[0]);
      this.#loadedAt = performance.now();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = { error, at: performance.now() };
      throw error;
    }
  }
}
