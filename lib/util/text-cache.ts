import type { Clock } from "../contract/clock.js";

interface CachedValue<Value> {
  readonly text: string;
  readonly value: Value;
  usedAt: number;
}

/**
 * Caches the values that were computed from texts, each under a key. If the texts are too long together, the
 * least recently used one is dropped. A value that was not used for some time is dropped, too.
 */
export class TextCache<Value> {
  readonly #cached = new Map<string, CachedValue<Value>>();
  readonly #maxCharacters: number;
  readonly #maxUnusedMs: number;
  readonly #clock: Clock;
  #characters = 0;

  /**
   * @param maxCharacters limit for all texts together
   * @param maxUnusedMs in milliseconds
   */
  constructor(maxCharacters: number, maxUnusedMs: number, clock: Clock) {
    this.#maxCharacters = maxCharacters;
    this.#maxUnusedMs = maxUnusedMs;
    this.#clock = clock;
  }

  /** Returns undefined if no value of this text is cached under this key. */
  find(key: string, text: string): { readonly value: Value } | undefined {
    const found = this.#cached.get(key);
    if (found?.text !== text) return undefined;
    this.#cached.delete(key);
    this.#cached.set(key, found);
    found.usedAt = this.#clock();
    return found;
  }

  /** Saves a value, and replaces the one under the same key. Returns the value. */
  save(key: string, text: string, value: Value): Value {
    this.#drop(key);
    const now = this.#clock();
    this.#cached.set(key, { text, value, usedAt: now });
    this.#characters += text.length;
    for (const [oldestKey, { usedAt }] of this.#cached) {
      if (this.#characters <= this.#maxCharacters && now < usedAt + this.#maxUnusedMs) break;
      this.#drop(oldestKey);
    }
    return value;
  }

  #drop(key: string): void {
    const found = this.#cached.get(key);
    if (!found) return;
    this.#cached.delete(key);
    this.#characters -= found.text.length;
  }
}
