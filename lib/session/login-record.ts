import { inspect } from "node:util";
import type { Authentication, Claims, TokenSet } from "../contract/tokens.js";
import { deepFreeze } from "../util/deep-freeze.js";

/** A login, as `req.session.portal` shows it. Read-only: what an application changes here is not saved. */
export interface PortalSession {
  /** The tokens as the provider gave them, or as onTokens changed them. */
  readonly tokens: Readonly<TokenSet>;
  /** The claims of the verified ID token, or those that onLogin kept. */
  readonly claims: Readonly<Claims>;
  /** When the user logged in, in epoch seconds. `sessionAbsolute` counts from here. */
  readonly started_at: number;
  /** The issuer of the portalAuth() that began this login. The login counts at no other one. */
  readonly issuer: string;
  /** Its option `clientId`. */
  readonly client_id: string;
  /** Its option `redirectUri`. */
  readonly redirect_uri: string;
  /** Grows by one with each token set of this login. */
  readonly version: number;
  /** When the token set came, in epoch seconds. */
  readonly obtained_at: number;
  /** What the ID token said of the login itself, whatever onLogin kept of the claims. */
  readonly authentication?: Readonly<Authentication> | undefined;
  /** A random name of the login. It opens nothing. */
  readonly login_id: string;
  /**
   * Set if the token set was requested because a resource had refused the one before, although that had not
   * expired.
   */
  readonly after_refusal?: true | undefined;
}

/** A process's claim to refresh the tokens. It is not renewed, and is removed when the refresh has ended. */
export interface RefreshClaim {
  /** Unique to this claim. It names the process that made it. */
  readonly id: string;
  /** In epoch milliseconds, by the clock of the process that made it. */
  readonly claimed_at: number;
}

/**
 * A login as the store keeps it. Only this package writes it, by compare-and-set on the version of the stored
 * record.
 */
export interface LoginRecord extends PortalSession {
  /** The session that the login belongs to. In another session a reference to this login does not count. */
  readonly session_id: string;
  /** How long the login lives without a request, in milliseconds. */
  readonly idle_ms: number;
  /** The User-Agent header of the browser at the login, at most 256 characters. */
  readonly user_agent?: string | undefined;
  readonly refreshing?: RefreshClaim | undefined;
  /**
   * The id of the user's last logout everywhere before this login. Another one came later, and ends the login.
   */
  readonly known_logout?: string | undefined;
}

const MAX_USER_AGENT_LENGTH = 256;

/** Shortens a User-Agent header to what is kept of it. */
export const shortenUserAgent = (userAgent: string | undefined): string | undefined =>
  userAgent?.slice(0, MAX_USER_AGENT_LENGTH);

/**
 * What `req.session.portal` is. JSON and util.inspect leave the tokens out: an application that answers with
 * its session, or logs it, shows none. Deeply frozen, as applications merge request bodies into whatever they
 * find.
 */
export class LoginView implements Required<PortalSession> {
  readonly tokens: Readonly<TokenSet>;
  readonly claims: Readonly<Claims>;
  readonly started_at: number;
  readonly issuer: string;
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly version: number;
  readonly obtained_at: number;
  readonly authentication: Readonly<Authentication> | undefined;
  readonly login_id: string;
  readonly after_refusal: true | undefined;

  constructor(record: LoginRecord) {
    this.tokens = deepFreeze(record.tokens);
    this.claims = deepFreeze(record.claims);
    this.started_at = record.started_at;
    this.issuer = record.issuer;
    this.client_id = record.client_id;
    this.redirect_uri = record.redirect_uri;
    this.version = record.version;
    this.obtained_at = record.obtained_at;
    this.authentication = deepFreeze(record.authentication);
    this.login_id = record.login_id;
    this.after_refusal = record.after_refusal;
    Object.freeze(this);
  }

  /** A session that holds this view is saved without it. */
  toJSON(): undefined {
    return undefined;
  }

  [inspect.custom](): object {
    const { tokens, ...others } = this;
    return others;
  }
}

declare module "express-session" {
  interface SessionData {
    /** The login of this session. Read-only, not enumerable, and set anew for each request. */
    readonly portal?: PortalSession;
  }
}
