import { inspect } from "node:util";
import type { Authentication, Claims, TokenSet } from "../tokens.js";

/** What is kept of a login in `req.session.portal`. To be looked at: what an application changes here is not saved. */
export interface PortalSession {
  /** As the portal gave them, or what onTokens made of them. */
  tokens: Readonly<TokenSet>;
  /** Of the verified ID token, or what onLogin kept of them. */
  claims: Readonly<Claims>;
  /** When the person logged in, in epoch seconds: the absolute limit counts from here. */
  started_at: number;
  /** Where, for which application, and by which portalAuth(): what one has let in opens nothing that another one guards. */
  issuer: string;
  /** The option `clientId` of the portalAuth() whose login it is. */
  client_id: string;
  /** Its option `redirectUri`. */
  redirect_uri: string;
  /** Grows by one with each token set of this login: the copy with the greater one is the newer. */
  version: number;
  /** When the token set came, in epoch seconds. */
  obtained_at: number;
  /**
   * What the portal said of the login itself, whatever onLogin kept of the claims. Not in the JSON of `req.session`. Absent
   * where the session began before this was kept.
   */
  authentication?: Readonly<Authentication> | undefined;
  /**
   * What this login is called, whichever session an application moves it to; it opens nothing. Not in the JSON of
   * `req.session` either. Absent where the session began before this was kept.
   */
  login_id?: string | undefined;
  /**
   * There while an application moves this login to this session, until it is known that no logout has come in between: it
   * does not count yet.
   */
  unconfirmed?: true;
  /** There when it came because a resource had refused the one before, although that had not ended. */
  after_refusal?: true;
  /** There while a process refreshes the tokens. */
  refreshing?: RefreshClaim;
}

/** Registered, as an application may have two copies of this package on one store. */
const OURS = Symbol.for("express-portal-auth.kept");
const BEGUN = Symbol.for("express-portal-auth.begun");

/**
 * A login as a request meets it: put there by us, after it was verified or read from the store. What an application puts
 * under our name (`req.session[req.body.name] = …`) is none, whatever it holds: neither JSON nor a form can make one. It is
 * frozen, as others merge what was sent to them into whatever they find.
 */
export class KeptPortalSession implements PortalSession {
  readonly tokens: Readonly<TokenSet>;
  readonly claims: Readonly<Claims>;
  readonly started_at: number;
  readonly issuer: string;
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly version: number;
  readonly obtained_at: number;
  declare readonly unconfirmed?: true;
  declare readonly after_refusal?: true;
  // private, as express-session hashes what JSON shows of a session several times for each request
  readonly #authentication: Readonly<Authentication> | undefined;
  readonly #loginId: string | undefined;
  #isBegun: boolean;

  /** @param isBegun whether nothing of it is stored yet, as the person has only just logged in */
  constructor(session: PortalSession, isBegun = false) {
    this.tokens = Object.freeze({ ...session.tokens });
    this.claims = deeplyFrozen(session.claims);
    this.started_at = session.started_at;
    this.issuer = session.issuer;
    this.client_id = session.client_id;
    this.redirect_uri = session.redirect_uri;
    this.version = session.version;
    this.obtained_at = session.obtained_at;
    if (session.unconfirmed) this.unconfirmed = true;
    if (session.after_refusal) this.after_refusal = true;
    this.#authentication = session.authentication;
    this.#loginId = session.login_id;
    this.#isBegun = isBegun;
    Object.freeze(this);
  }

  get authentication(): Readonly<Authentication> | undefined {
    return this.#authentication && deeplyFrozen(this.#authentication); // when somebody asks: every request makes one of these
  }

  get login_id(): string | undefined {
    return this.#loginId;
  }

  get [OURS](): true {
    return true;
  }

  static isOurs(portal: unknown): portal is KeptPortalSession {
    return typeof portal === "object" && portal !== null && OURS in portal;
  }

  get [BEGUN](): boolean {
    return this.#isBegun;
  }

  /**
   * Whether a person has only just logged in by it, and no session is stored that holds it: what an application puts into
   * a session besides was in another one before.
   */
  static isBegun(portal: object): boolean {
    return (portal as { [BEGUN]?: boolean })[BEGUN] === true;
  }

  /** From now on it is stored. */
  static settle(portal: PortalSession): void {
    if (#isBegun in portal) portal.#isBegun = false; // another copy of this package has fields of its own
  }

  /** All there is, for the store. */
  static whole(portal: KeptPortalSession): PortalSession {
    const { authentication, login_id } = portal;
    return { ...portal, ...(authentication && { authentication }), ...(login_id !== undefined && { login_id }) };
  }
}

/** A plain copy for the store, which may be another copy of this package that stands between us and it. */
export const markedAsOurs = (portal: StoredPortal, isBegun = false): StoredPortal =>
  Object.defineProperties({ ...portal }, { [OURS]: { value: true }, [BEGUN]: { value: isBegun } });

/** Claims are of few levels (readClaims); what others have written to a store JSON.parse has read, without circles. */
function deeplyFrozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deeplyFrozen(member);
  return Object.freeze(value);
}

/**
 * As our own session holds it: JSON leaves the tokens out, and so does node:util. An application that answers with its
 * session, or logs it, tells none; and express-session, which hashes the JSON of a session three times for each request,
 * has a tenth less to do for the whole request (`npm run bench -- own-session`). The keeper writes the store's copy, with
 * all there is.
 */
export class DiscreetPortalSession extends KeptPortalSession {
  toJSON(): Omit<PortalSession, "tokens"> {
    const { claims, started_at, issuer, client_id, redirect_uri, version, obtained_at } = this;
    return { claims, started_at, issuer, client_id, redirect_uri, version, obtained_at };
  }

  [inspect.custom](): object {
    return this.toJSON();
  }
}

/** A process's claim to refresh the tokens. It is not renewed, and is removed when the refresh has ended. */
export interface RefreshClaim {
  /** Unique to this claim. It names the process that made it. */
  readonly id: string;
  /** In epoch milliseconds, by the clock of the process that made it. */
  readonly claimed_at: number;
}

/** The same in the store: the tokens sealed, where there is a key to do it with. */
export type StoredPortal = Omit<PortalSession, "tokens"> & {
  tokens: Readonly<TokenSet> | string;
  /** When the session was last written, as it was in use, in epoch seconds. */
  seen_at?: number;
};

/** A session as it lies in the store. */
export interface StoredSession {
  readonly cookie: StoredCookie;
  readonly portal?: StoredPortal | undefined;
  readonly [key: string]: unknown;
}

/** As far as it concerns us; what else there is, is kept. */
export interface StoredCookie {
  readonly originalMaxAge?: number | null | undefined;
  readonly expires?: string | Date | null | undefined;
}

declare module "express-session" {
  interface SessionData {
    portal?: PortalSession;
  }
}
