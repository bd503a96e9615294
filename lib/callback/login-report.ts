import type { LoginStep, LoginStepName } from "../contract/events.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { EmitEvent } from "../events/event-emitter.js";
import type { LoginAttempt } from "../login-attempt/login-attempt.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";

/** The attempt that a callback belongs to. */
export interface ReportedAttempt {
  /** The id of this attempt in events. */
  readonly id: string;
  readonly loginAttempt: LoginAttempt;
}

/**
 * Records the steps of one callback with their durations, and emits the event of its outcome. It emits
 * nothing if another request or another process does the work, because that one emits the event.
 */
export class LoginReport {
  readonly #emit: EmitEvent;
  readonly #clock: () => number;
  readonly #steps: LoginStep[] = [];
  readonly #receivedAt = performance.now();
  #current: LoginStepName = "callback";
  #stepStartedAt = 0;
  /** Set as soon as the attempt is known. */
  attempted: ReportedAttempt | undefined;
  /** Set as soon as the authorization response has been parsed. */
  response: AuthorizationResponse | undefined;
  /** Whether this is a silent login, which no user has requested. */
  isSilent = false;
  /** Whether another callback of the same login, in this process, does the work. */
  isDoneByOtherRequest = false;
  /** Whether another process does the work. */
  isDoneByOtherProcess = false;

  /** @param clock the option `clock`, with which the start of the attempt was measured */
  constructor(emit: EmitEvent, clock: () => number) {
    this.#emit = emit;
    this.#clock = clock;
  }

  /** Starts a step. The step before it counts as successful. */
  startStep(step: LoginStepName): void {
    this.#endStep();
    this.#current = step;
  }

  /** Emits `login.finished`, if the attempt is known and this request does the work. */
  reportFinished(): void {
    this.#endStep();
    const { attempted } = this;
    if (this.isDoneByOtherRequest || this.isDoneByOtherProcess || !attempted) return;
    const { since_started = 0, took } = this.#measure();
    this.#emit("login.finished", () => ({
      login: attempted.id,
      silent: this.isSilent,
      since_started,
      took,
      steps: this.#steps,
    }));
  }

  /**
   * Emits `login.failed`, if this request does the work. The current step is the one that failed. Any error
   * that is no PortalAuthError has the code `unexpected`.
   */
  reportFailed(error: unknown): void {
    this.#endStep();
    if (this.isDoneByOtherRequest || this.isDoneByOtherProcess) return;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    this.#emit("login.failed", () => ({
      login: this.attempted?.id,
      silent: this.isSilent,
      code,
      status,
      ...this.#measure(),
      steps: this.#steps,
    }));
  }

  #measure() {
    const startedAt = this.attempted?.loginAttempt.started_at;
    const sinceStarted = startedAt === undefined ? undefined : this.#clock() - startedAt;
    return { since_started: sinceStarted, took: this.#elapsed() };
  }

  #endStep(): void {
    const now = this.#elapsed();
    this.#steps.push({ step: this.#current, from: this.#stepStartedAt, took: now - this.#stepStartedAt });
    this.#stepStartedAt = now;
  }

  #elapsed(): number {
    return performance.now() - this.#receivedAt;
  }
}
