import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { EmitEvent } from "../events/event-emitter.js";

/** Reports how a refresh went, once, with its duration. */
export class RefreshReport {
  readonly #emit: EmitEvent;
  readonly #refresh: number;
  #began = performance.now();
  #waitsSince: number | undefined;
  #isShared = false;
  #isReported = false;

  constructor(emit: EmitEvent, refresh: number) {
    this.#emit = emit;
    this.#refresh = refresh;
  }

  /** Another process refreshes the login. */
  waits(): void {
    this.#waitsSince ??= performance.now();
  }

  /** Another request of this process shares this refresh. */
  joined(): void {
    this.#isShared = true;
    this.#emit("refresh.joined", () => ({ refresh: this.#refresh }));
  }

  /** Another process has brought these. */
  waitedFor<T>(brought: T): T {
    if (this.#isShared) this.#waitsSince ??= this.#began;
    this.#reportWaited(true);
    return brought;
  }

  /** This process refreshes. */
  begins(): void {
    this.#reportWaited(false);
    this.#began = performance.now();
  }

  done(rotated: boolean): void {
    this.#isReported = true;
    this.#emit("refresh.done", () => ({ refresh: this.#refresh, took: this.#took(), rotated }));
  }

  /** Does nothing if the end has been reported. */
  failed(error: unknown, ends_session: boolean): void {
    if (this.#isReported) return;
    this.#isReported = true;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    this.#emit("refresh.failed", () => ({
      refresh: this.#refresh,
      code,
      status,
      took: this.#took(),
      ends_session,
    }));
  }

  #took(): number {
    return performance.now() - this.#began;
  }

  #reportWaited(renewed: boolean): void {
    const since = this.#waitsSince;
    if (since === undefined) return;
    this.#emit("lock.waited", () => ({ refresh: this.#refresh, waited: performance.now() - since, renewed }));
  }
}
