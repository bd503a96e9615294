import session, { type SessionData } from "express-session";

const SWEEP_SECONDS = 60;

/**
 * Sessions in the memory of this process. Unlike express-session's own it forgets what has expired: at the first
 * write after a minute, so that no timer keeps the process alive.
 */
export class MemoryStore extends session.Store {
  readonly #kept = new Map<string, { json: string; endsAt: number }>();
  #sweepAt = 0;

  override get(id: string, done: (error: unknown, found?: SessionData | null) => void): void {
    const found = this.#kept.get(id);
    const alive = found && found.endsAt > Date.now();
    process.nextTick(done, null, alive ? JSON.parse(found.json) : null);
  }

  override set(id: string, data: SessionData, done?: (error?: unknown) => void): void {
    this.#sweep();
    this.#kept.set(id, { json: JSON.stringify(data), endsAt: endOf(data) });
    if (done) process.nextTick(done);
  }

  override touch(id: string, data: SessionData, done?: () => void): void {
    const found = this.#kept.get(id);
    if (found && found.endsAt > Date.now()) {
      // the stored copy stays as it is, only its end moves: a request that changed nothing must write nothing back
      const stored = JSON.parse(found.json) as SessionData;
      this.#kept.set(id, { json: JSON.stringify({ ...stored, cookie: data.cookie }), endsAt: endOf(data) });
    }
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
    const now = Date.now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_SECONDS * 1000;
    for (const [id, { endsAt }] of this.#kept) if (endsAt <= now) this.#kept.delete(id);
  }
}

/** A session without an expiry of its own lasts until the browser closes; a day bounds what we can know of that. */
function endOf({ cookie }: SessionData): number {
  return cookie.expires ? new Date(cookie.expires).getTime() : Date.now() + 24 * 60 * 60 * 1000;
}
