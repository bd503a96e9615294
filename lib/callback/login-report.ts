import type { EmitEvent, LoginStep, LoginStepName } from "../contract/events.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginAttempt } from "../login-attempt/encode-attempt.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";

/** The attempt that a callback belongs to, as soon as it is known. */
export interface ReportedAttempt {
  /** The name of this attempt in events. */
  readonly id: string;
  readonly loginAttempt: LoginAttempt;
}

/** Looks on while a callback is answered, and tells how it went. */
export class LoginReport {
  readonly #emit: EmitEvent;
  readonly #clock: () => number;
  readonly #steps: LoginStep[] = [];
  readonly #receivedAt = performance.now();
  #current: LoginStepName = "callback";
  #stepStartedAt = 0;
  attempted: ReportedAttempt | undefined;
  /** The provider's answer, as soon as it has been read. */
  response: AuthorizationResponse | undefined;
  /** Nobody has asked for this login. */
  isSilent = false;
  /** Another callback of the same login does the work: its own watch tells of it. */
  isDoneByOtherRequest = false;
  /** Another process does the work, and emits the events of it. */
  isDoneByOtherProcess = false;

  /** @param clock the option `clock`, by which the attempt was begun */
  constructor(emit: EmitEvent, clock: () => number) {
    this.#emit = emit;
    this.#clock = clock;
  }

  /** From now on it is this step that goes on; the one before has ended well. */
  startStep(step: LoginStepName): void {
    this.#endStep();
    this.#current = step;
  }

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

  reportFailed(error: unknown): void {
    this.#endStep();
    if (this.isDoneByOtherRequest || this.isDoneByOtherProcess) return;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    const login = this.attempted?.id;
    const { isSilent: silent } = this;
    this.#emit("login.failed", () => ({
      login,
      silent,
      code,
      status,
      ...this.#measure(),
      steps: this.#steps,
    }));
  }

  #measure() {
    const begunAt = this.attempted?.loginAttempt.begun_at;
    return {
      since_started: begunAt === undefined ? undefined : this.#clock() - begunAt,
      took: this.#elapsed(),
    };
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
