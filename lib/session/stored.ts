import type { Claims, TokenSet } from "../tokens.js";

/** What is kept of a login in `req.session.portal`. To be looked at: what an application changes here is not saved. */
export interface PortalSession {
  tokens: Readonly<TokenSet>;
  claims: Readonly<Claims>;
  /** When the person logged in, in epoch seconds: the absolute limit counts from here. */
  started_at: number;
  /** Where, and for which application: what was begun at one portal opens nothing that another one guards. */
  issuer: string;
  client_id: string;
  /** Grows by one with each token set of this login: the copy with the greater one is the newer. */
  version: number;
  /** When the token set came, in epoch seconds. */
  obtained_at: number;
  /** There when it came because a resource had refused the one before, although that had not ended. */
  after_refusal?: true;
  /** There while a process refreshes the tokens. */
  refreshing?: RefreshClaim;
}

/**
 * As our own session holds it: JSON leaves the tokens out. An application that answers with its session, or logs it,
 * tells none; and express-session, which hashes the JSON of a session three times for each request, has a tenth less to
 * do for the whole request (`npm run bench -- own-session`). The keeper writes the store's copy, with all there is.
 */
export class DiscreetPortalSession implements PortalSession {
  tokens: Readonly<TokenSet>;
  claims: Readonly<Claims>;
  started_at: number;
  issuer: string;
  client_id: string;
  version: number;
  obtained_at: number;
  declare after_refusal?: true;

  constructor(session: PortalSession) {
    const { tokens, claims, started_at, issuer, client_id, version, obtained_at } = session;
    this.tokens = tokens;
    this.claims = claims;
    this.started_at = started_at;
    this.issuer = issuer;
    this.client_id = client_id;
    this.version = version;
    this.obtained_at = obtained_at;
    if (session.after_refusal) this.after_refusal = true;
  }

  toJSON(): Omit<PortalSession, "tokens"> {
    const { claims, started_at, issuer, client_id, version, obtained_at } = this;
    return { claims, started_at, issuer, client_id, version, obtained_at };
  }
}

/** Who refreshes, and how long the others believe it: a process that was killed does not renew it. */
export interface RefreshClaim {
  readonly by: string;
  /** Later with each renewal, in epoch milliseconds by the clock of who refreshes. */
  readonly until: number;
}

/** The same in the store: the tokens sealed, where there is a key to do it with. */
export type StoredPortal = Omit<PortalSession, "tokens"> & { tokens: Readonly<TokenSet> | string };

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
