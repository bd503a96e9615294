import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { EmitEvent } from "../events/event-emitter.js";

/** Emits the events of one refresh: its outcome once, with the duration. */
export class RefreshReport {
  readonly #emit: EmitEvent;
  readonly #refreshNumber: number;
  #startedAt = performance.now();
  #waitingSince: number | undefined;
  #isShared = false;
  #hasOutcome = false;

  constructor(emit: EmitEvent, refreshNumber: number) {
    this.#emit = emit;
    this.#refreshNumber = refreshNumber;
  }

  /** Starts to measure the wait for another process, which refreshes the login. */
  startWaiting(): void {
    this.#waitingSince ??= performance.now();
  }

  /** Reports that another request of this process shares this refresh. */
  reportJoined(): void {
    this.#isShared = true;
    this.#emit("refresh.joined", () => ({ refresh: this.#refreshNumber }));
  }

  /** Reports that another process has refreshed the login. */
  reportWaited(): void {
    if (this.#isShared) this.#waitingSince ??= this.#startedAt;
    this.#emitWaited(true);
  }

  /** Starts to measure the refresh by this process. */
  startRefresh(): void {
    this.#emitWaited(false);
    this.#startedAt = performance.now();
  }

  /**
   * Reports that this process has refreshed the login.
   *
   * @param rotated whether the provider has issued a new refresh token
   */
  reportDone(rotated: boolean): void {
    this.#hasOutcome = true;
    this.#emit("refresh.done", () => ({ refresh: this.#refreshNumber, took: this.#getDuration(), rotated }));
  }

  /** Reports a failure, unless an outcome was reported. */
  reportFailed(error: unknown, ends_session: boolean): void {
    if (this.#hasOutcome) return;
    this.#hasOutcome = true;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    this.#emit("refresh.failed", () => ({
      refresh: this.#refreshNumber,
      code,
      status,
      took: this.#getDuration(),
      ends_session,
    }));
  }

  #getDuration(): number {
    return performance.now() - this.#startedAt;
  }

  #emitWaited(refreshed: boolean): void {
    const since = this.#waitingSince;
    if (since === undefined) return;
    this.#emit("lock.waited", () => ({
      refresh: this.#refreshNumber,
      waited: performance.now() - since,
      refreshed,
    }));
  }
}
