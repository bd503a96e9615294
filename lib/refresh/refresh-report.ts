import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { EmitEvent } from "../events/event-emitter.js";

/** Reports how a refresh went, once, with its duration. */
export class RefreshReport {
  readonly #emit: EmitEvent;
  readonly #refresh: number;
  #startedAt = performance.now();
  #waitingSince: number | undefined;
  #isShared = false;
  #isReported = false;

  constructor(emit: EmitEvent, refresh: number) {
    this.#emit = emit;
    this.#refresh = refresh;
  }

  /** Another process refreshes the login. */
  startWaiting(): void {
    this.#waitingSince ??= performance.now();
  }

  /** Another request of this process shares this refresh. */
  reportJoined(): void {
    this.#isShared = true;
    this.#emit("refresh.joined", () => ({ refresh: this.#refresh }));
  }

  /** Another process has brought these. */
  reportWaited<T>(brought: T): T {
    if (this.#isShared) this.#waitingSince ??= this.#startedAt;
    this.#emitWaited(true);
    return brought;
  }

  /** This process refreshes. */
  startRefresh(): void {
    this.#emitWaited(false);
    this.#startedAt = performance.now();
  }

  reportDone(rotated: boolean): void {
    this.#isReported = true;
    this.#emit("refresh.done", () => ({ refresh: this.#refresh, took: this.#getDuration(), rotated }));
  }

  /** Does nothing if the end has been reported. */
  reportFailed(error: unknown, ends_session: boolean): void {
    if (this.#isReported) return;
    this.#isReported = true;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    this.#emit("refresh.failed", () => ({
      refresh: this.#refresh,
      code,
      status,
      took: this.#getDuration(),
      ends_session,
    }));
  }

  #getDuration(): number {
    return performance.now() - this.#startedAt;
  }

  #emitWaited(renewed: boolean): void {
    const since = this.#waitingSince;
    if (since === undefined) return;
    this.#emit("lock.waited", () => ({ refresh: this.#refresh, waited: performance.now() - since, renewed }));
  }
}
