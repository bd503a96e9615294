import { PortalAuthError } from "../../errors.js";
import type { Tell } from "../../events.js";

/** Looks on while a refresh goes on, and tells how it went: once. */
export class RefreshWatch {
  readonly #tell: Tell;
  readonly #refresh: number;
  #began = performance.now();
  #waitsSince: number | undefined;
  #isShared = false;
  #isTold = false;

  constructor(tell: Tell, refresh: number) {
    this.#tell = tell;
    this.#refresh = refresh;
  }

  /** Another process refreshes, or holds the session. */
  waits(): void {
    this.#waitsSince ??= performance.now();
  }

  /** Another request of this process shares it: it is to hear of the end. */
  joined(): void {
    this.#isShared = true;
  }

  /** It did, and what it brought will do. */
  waitedFor<T>(brought: T): T {
    if (this.#isShared) this.#waitsSince ??= this.#began;
    this.#tellWaited(true);
    return brought;
  }

  /** It falls to this process. */
  begins(): void {
    this.#tellWaited(false);
    this.#began = performance.now();
  }

  done(rotated: boolean): void {
    this.#isTold = true;
    this.#tell("refresh.done", () => ({ refresh: this.#refresh, took: this.#took(), rotated }));
  }

  failed(error: unknown, ends_session: boolean): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    this.#tell("refresh.failed", () => ({ refresh: this.#refresh, code, status, took: this.#took(), ends_session }));
  }

  #took(): number {
    return performance.now() - this.#began;
  }

  #tellWaited(renewed: boolean): void {
    const since = this.#waitsSince;
    if (since === undefined) return;
    this.#tell("lock.waited", () => ({ refresh: this.#refresh, waited: performance.now() - since, renewed }));
  }
}
