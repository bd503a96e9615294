import type { LoginStep, LoginStepName, Tell } from "../contract/events.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { Transaction } from "../login/attempt.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";

/** The attempt that a callback belongs to, as soon as it is known. */
export interface Attempted {
  /** The name of this attempt in events. */
  readonly id: string;
  readonly transaction: Transaction;
}

/** Looks on while a callback is answered, and tells how it went. */
export class LoginWatch {
  readonly #tell: Tell;
  readonly #clock: () => number;
  readonly #steps: LoginStep[] = [];
  readonly #came = performance.now();
  #current: LoginStepName = "callback";
  #since = 0;
  attempted: Attempted | undefined;
  /** The provider's answer, as soon as it has been read. */
  response: AuthorizationResponse | undefined;
  /** Nobody has asked for this login. */
  isSilent = false;
  /** Another callback of the same login does the work: its own watch tells of it. */
  isJoined = false;
  /** Another process does the work, and emits the events of it. */
  isReportedElsewhere = false;

  /** @param clock the option `clock`, by which the attempt was begun */
  constructor(tell: Tell, clock: () => number) {
    this.#tell = tell;
    this.#clock = clock;
  }

  /** From now on it is this step that goes on; the one before has ended well. */
  begin(step: LoginStepName): void {
    this.#end();
    this.#current = step;
  }

  finished(): void {
    this.#end();
    const { attempted } = this;
    if (this.isJoined || this.isReportedElsewhere || !attempted) return;
    const { since_started = 0, took } = this.#times();
    this.#tell("login.finished", () => ({
      login: attempted.id,
      silent: this.isSilent,
      since_started,
      took,
      steps: this.#steps,
    }));
  }

  failed(error: unknown): void {
    this.#end();
    if (this.isJoined || this.isReportedElsewhere) return;
    const { code, status } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    const login = this.attempted?.id;
    const { isSilent: silent } = this;
    this.#tell("login.failed", () => ({ login, silent, code, status, ...this.#times(), steps: this.#steps }));
  }

  #times() {
    const begunAt = this.attempted?.transaction.begun_at;
    return { since_started: begunAt === undefined ? undefined : this.#clock() - begunAt, took: this.#now() };
  }

  #end(): void {
    const now = this.#now();
    this.#steps.push({ step: this.#current, from: this.#since, took: now - this.#since });
    this.#since = now;
  }

  #now(): number {
    return performance.now() - this.#came;
  }
}
