import { KeptPortalSession, type PortalSession, type StoredPortal } from "../stored.js";
import type { Tenant } from "../tenants.js";
import { type Entry, MOST_SESSIONS, type Person, type SessionIndex } from "./session-index.js";

const LONGEST_USER_AGENT = 256;
/** Every so many sessions of one person it is seen which of them are still there. */
const SWEEP_EVERY = 50;

/** What is done in the background, for a person who has many sessions. */
export interface Tidy {
  /** Sees which of them are still there. */
  readonly sweep: (person: Person) => void;
  /** Ends those that are too many. */
  readonly endMarked: (person: Person) => void;
}

/** What is kept of what a browser says it is. */
export const keptUserAgent = (userAgent: string | undefined): string | undefined =>
  userAgent?.slice(0, LONGEST_USER_AGENT);

/** Whose login it is. */
export const personOf = ({ issuer, client_id, claims }: Omit<StoredPortal, "tokens">): Person => ({
  issuer,
  client_id,
  sub: claims.sub,
});

/** A session that is about to be written for the first time with a login in it. */
export class Making {
  readonly #index: SessionIndex;
  readonly #tenant: Tenant | undefined;
  readonly #login: PortalSession;
  readonly #id: string;
  readonly #askedAt: number | undefined;
  /** The login was in another session before: an application has changed the id, and put it into the new one. */
  readonly isMoved: boolean;

  /**
   * @param tenant whose login it is; undefined where nobody here would find it
   * @param askedAt when the provider was asked for the tokens, in epoch milliseconds; undefined for a login that is moved
   */
  constructor(
    index: SessionIndex,
    tenant: Tenant | undefined,
    id: string,
    login: PortalSession,
    askedAt: number | undefined,
  ) {
    this.#index = index;
    this.#tenant = tenant;
    this.#login = login;
    this.#id = id;
    this.#askedAt = askedAt;
    this.isMoved = !KeptPortalSession.isBegun(login);
  }

  /**
   * Nobody here looks for such a session, nor knows how long its login lives: a portalAuth() of another copy of this package
   * has begun it, which makes it known. Where the login is moved, who holds it tells that; unless it has no name.
   */
  get #isAnothers(): boolean {
    return !this.#tenant && !(this.isMoved && this.#login.login_id !== undefined);
  }

  /**
   * Makes the session known.
   *
   * @returns whether it may be written: the login has not ended meanwhile
   */
  async begin(userAgent: string | undefined, tidy: Tidy): Promise<boolean> {
    if (this.#isAnothers) return true;
    const person = personOf(this.#login);
    const { absoluteSeconds = 0, findsBySid = false } = this.#tenant ?? {};
    const count = await this.#index.add(person, this.#entry(absoluteSeconds, userAgent), this.isMoved, findsBySid);
    if (count > MOST_SESSIONS) tidy.endMarked(person);
    else if (count > 0 && count % SWEEP_EVERY === 0) tidy.sweep(person);
    return count > 0;
  }

  /** Whether it may stay, now that it is written. */
  async isStillAlive(): Promise<boolean> {
    return this.#isAnothers || this.#index.holds(personOf(this.#login), this.#id);
  }

  #entry(absoluteSeconds: number, userAgent: string | undefined): Entry {
    const user_agent = keptUserAgent(userAgent);
    const { redirect_uri, started_at, login_id, authentication: { sid, iat } = {} } = this.#login;
    return {
      id: this.#id,
      redirect_uri,
      started_at,
      ends_at: started_at + absoluteSeconds,
      ...(login_id !== undefined && { login_id }),
      ...(sid !== undefined && { sid }),
      ...(iat !== undefined && { iat }),
      ...(this.#askedAt !== undefined && { asked_at: this.#askedAt }),
      ...(user_agent !== undefined && { user_agent }),
    };
  }
}
