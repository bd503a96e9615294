import session, { type SessionData } from "express-session";
import type { Clock } from "../clock.js";

const SWEEP_SECONDS = 60;

/**
 * Sessions in the memory of this process. Unlike express-session's own it forgets what has expired: at the first
 * write after a minute, so that no timer keeps the process alive.
 */
export class MemoryStore extends session.Store {
  readonly #kept = new Map<string, { json: string; endsAt: number }>();
  readonly #clock: Clock;
  #sweepAt = 0;

  #onFirst: (() => void) | undefined;

  /** @param onFirst told when the first session is kept */
  constructor(clock: Clock = Date.now, onFirst?: () => void) {
    super();
    this.#clock = clock;
    this.#onFirst = onFirst;
  }

  override get(id: string, done: (error: unknown, found?: SessionData | null) => void): void {
    const found = this.#kept.get(id);
    const alive = found && found.endsAt > this.#clock();
    process.nextTick(done, null, alive ? JSON.parse(found.json) : null);
  }

  override set(id: string, data: SessionData, done?: (error?: unknown) => void): void {
    this.#onFirst?.();
    this.#onFirst = undefined;
    this.#sweep();
    this.#kept.set(id, { json: JSON.stringify(data), endsAt: this.#endOf(data) });
    if (done) process.nextTick(done);
  }

  override destroy(id: string, done?: (error?: unknown) => void): void {
    this.#kept.delete(id);
    if (done) process.nextTick(done);
  }

  override length(done: (error: unknown, length: number) => void): void {
    process.nextTick(done, null, this.#kept.size);
  }

  #sweep(): void {
    const now = this.#clock();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_SECONDS * 1000;
    for (const [id, { endsAt }] of this.#kept) if (endsAt <= now) this.#kept.delete(id);
  }

  /** A session without an expiry of its own lasts until the browser closes; a day bounds what we can know of that. */
  #endOf({ cookie }: SessionData): number {
    return cookie.expires ? new Date(cookie.expires).getTime() : this.#clock() + 24 * 60 * 60 * 1000;
  }
}
