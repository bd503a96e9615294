import type { Clock } from "../contract/clock.js";

interface Cached<Value> {
  readonly text: string;
  readonly value: Value;
  usedAt: number;
}

/**
 * Remembers what was made of a text, under a key. It drops what was not used for the longest time, when the
 * texts have too many characters together, and what was not used for `keepMs`.
 */
export class TextCache<Value> {
  readonly #cached = new Map<string, Cached<Value>>();
  readonly #maxCharacters: number;
  readonly #maxUnusedMs: number;
  readonly #clock: Clock;
  #length = 0;

  /**
   * @param most the characters of all texts
   * @param keepMs in milliseconds
   */
  constructor(most: number, keepMs: number, clock: Clock) {
    this.#maxCharacters = most;
    this.#maxUnusedMs = keepMs;
    this.#clock = clock;
  }

  /** Returns undefined if this text was not kept under this key. */
  find(key: string, text: string): { readonly value: Value } | undefined {
    const found = this.#cached.get(key);
    if (found?.text !== text) return undefined;
    this.#cached.delete(key);
    this.#cached.set(key, found);
    found.usedAt = this.#clock();
    return found;
  }

  /** Keeps a value in place of the one under the same key. Returns the value. */
  save(key: string, text: string, value: Value): Value {
    this.#drop(key);
    const now = this.#clock();
    this.#cached.set(key, { text, value, usedAt: now });
    this.#length += text.length;
    for (const [oldest, { usedAt }] of this.#cached) {
      if (this.#length <= this.#maxCharacters && now < usedAt + this.#maxUnusedMs) break;
      this.#drop(oldest);
    }
    return value;
  }

  #drop(key: string): void {
    const found = this.#cached.get(key);
    if (!found) return;
    this.#cached.delete(key);
    this.#length -= found.text.length;
  }
}
