import type { Clock } from "../clock.js";
import { recordFor, recordId } from "./record.js";
import type { Update } from "./update.js";

/** A token that is good once. */
export interface OnceOnly {
  readonly issuer: string;
  readonly client_id: string;
  readonly jti: string;
}

/** Which tokens have been used, by whichever process: kept in the session store, until they would have ended anyway. */
export class SeenTokens {
  readonly #update: Update;
  readonly #clock: Clock;

  constructor(update: Update, clock: Clock) {
    this.#update = update;
    this.#clock = clock;
  }

  async has(token: OnceOnly): Promise<boolean> {
    return (await this.#update(idOf(token), () => undefined)) !== undefined;
  }

  /** @param exp of the token, in epoch seconds by the clock of this machine */
  async add(token: OnceOnly, exp: number): Promise<void> {
    const lifeMs = Math.max(exp * 1000 - Date.now(), 0) + SPARE_MS;
    await this.#update(idOf(token), () => recordFor(this.#clock, lifeMs, { seen: true }), { cookie: {} });
  }
}

/** Stores count in whole seconds, and machines' clocks differ. */
const SPARE_MS = 60_000;

const idOf = ({ issuer, client_id, jti }: OnceOnly): string => recordId("jti", issuer, client_id, jti);
