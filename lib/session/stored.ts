import type { Claims, TokenSet } from "../tokens.js";

/** What is kept of a login in `req.session.portal`. To be looked at: what an application changes here is not saved. */
export interface PortalSession {
  tokens: Readonly<TokenSet>;
  claims: Claims;
  /** When the person logged in, in epoch seconds: the absolute limit counts from here. */
  started_at: number;
  /** Where, and for which application: what was begun at one portal opens nothing that another one guards. */
  issuer: string;
  client_id: string;
  /** Grows by one with each token set of this login: the copy with the greater one is the newer. */
  version: number;
  /** When the token set came, in epoch seconds. */
  obtained_at: number;
  /** There while a process refreshes the tokens. */
  refreshing?: RefreshClaim;
}

/** Who refreshes, and how long the others believe it: a process that was killed does not renew it. */
export interface RefreshClaim {
  readonly by: string;
  /** In epoch milliseconds. */
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
