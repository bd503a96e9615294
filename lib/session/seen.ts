import type { Clock } from "../clock.js";
import { recordFor, recordId } from "./record.js";
import type { Update } from "./update.js";

/** A token that is good once. */
export interface OnceOnly {
  readonly issuer: string;
  readonly client_id: string;
  readonly jti: string;
}

/** Which tokens have been used, by whichever process: kept in the session store, for as long as they could be used. */
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

  /** @param seconds for how long such a token may come again */
  async add(token: OnceOnly, seconds: number): Promise<void> {
    await this.#update(idOf(token), () => recordFor(this.#clock, seconds * 1000, { seen: true }), { cookie: {} });
  }
}

const idOf = ({ issuer, client_id, jti }: OnceOnly): string => recordId("jti", issuer, client_id, jti);
