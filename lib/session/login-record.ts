import { inspect } from "node:util";
import type { Authentication, Claims, TokenSet } from "../contract/tokens.js";
import { deepFreeze } from "../util/deep-freeze.js";

/** A login, as `req.session.portal` shows it. It is read-only: changes of an application are not saved. */
export interface PortalSession {
  /** The tokens as the provider returned them, or as onTokens changed them. */
  readonly tokens: Readonly<TokenSet>;
  /** The claims of the verified ID token, or those that onLogin returned. */
  readonly claims: Readonly<Claims>;
  /** When the user signed in, in epoch seconds. `sessionAbsolute` counts from here. */
  readonly started_at: number;
  /** The issuer of the portalAuth() that started this login. The login is valid only there. */
  readonly issuer: string;
  /** The option `clientId` of that portalAuth(). */
  readonly client_id: string;
  /** The option `redirectUri` of that portalAuth(). */
  readonly redirect_uri: string;
  /** Grows by one with each token set of this login. */
  readonly version: number;
  /** When the token set was received, in epoch seconds. */
  readonly obtained_at: number;
  /** The ID token's claims about the authentication. They do not depend on what onLogin returned. */
  readonly authentication?: Readonly<Authentication> | undefined;
  /** Identifies the login. It is random, and is not a secret. */
  readonly login_id: string;
  /**
   * Set if a resource rejected the previous access token before it expired, and this token set replaced it.
   */
  readonly after_rejection?: true | undefined;
}

/**
 * A process's claim to refresh the tokens. Its lifetime is never extended, and it is removed when the refresh
 * has ended.
 */
export interface RefreshClaim {
  /** Identifies this claim, and the process that made it. */
  readonly id: string;
  /** In epoch milliseconds, by the clock of the process that made it. */
  readonly claimed_at: number;
}

/**
 * A login as it is stored. Only this package writes it, by compare-and-set on the version of the stored
 * record.
 */
export interface LoginRecord extends PortalSession {
  /** The session that the login belongs to. In any other session, a reference to this login is ignored. */
  readonly session_id: string;
  /** The lifetime of the login without a request, in milliseconds. */
  readonly idle_ms: number;
  /** The User-Agent header of the browser at the login, at most 256 characters. */
  readonly user_agent?: string | undefined;
  /** Set while a process refreshes the tokens. */
  readonly refreshing?: RefreshClaim | undefined;
  /**
   * The id of the user's last logout on all devices before this login. A notice with another id ends this
   * login.
   */
  readonly known_logout?: string | undefined;
}

const MAX_USER_AGENT_LENGTH = 256;

/** Shortens a User-Agent header to the 256 characters that are stored. */
export const shortenUserAgent = (userAgent: string | undefined): string | undefined =>
  userAgent?.slice(0, MAX_USER_AGENT_LENGTH);

/**
 * The value of `req.session.portal`. JSON and util.inspect omit the tokens, so an application that sends or
 * logs its session does not reveal them. It is deeply frozen, because some applications merge request bodies
 * into their objects.
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
  readonly after_rejection: true | undefined;

  /** Creates the view of a record, and freezes the tokens and claims of the record too. */
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
    this.after_rejection = record.after_rejection;
    Object.freeze(this);
  }

  /** Returns undefined, so that the session is saved without its view. */
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
    /** The login of this session. It is read-only, not enumerable, and set anew for each request. */
    readonly portal?: PortalSession;
  }
}
