import type { Request, Response } from "express";
import type { SessionData } from "express-session";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LogoutReason } from "./events.js";
import type { Claims, TokenSet } from "./tokens.js";

/** The second argument of onTokens. */
export interface TokensContext {
  /** The request that caused it: the callback, or the first request that waits for a refresh. */
  readonly req: Request;
  /** The grant that returned the tokens (RFC 6749). */
  readonly grant: "authorization_code" | "refresh_token";
  /** At a login, the verified claims of the ID token. At a refresh, the claims in the session. */
  readonly claims: Claims;
}

/** The argument of onLogin, which it may change. */
export interface LoginContext {
  /** The callback. Its session is still the old one. */
  readonly req: Request;
  /**
   * The verified claims. Assign fewer (or more) to choose which ones the session saves. They must be JSON
   * values, and `sub` must stay.
   */
  claims: Claims;
  /** The tokens that will be saved: those of the provider, or of onTokens. Read-only. */
  readonly tokens: Readonly<TokenSet>;
  /**
   * The members that the provider sent to the callback, in the query or in a form, such as `session_state` or
   * the `user` of Apple. `code`, `state`, tokens and repeated members are omitted. They are not signed, so
   * the browser can change them.
   */
  readonly authorizationResponse: Readonly<Partial<Record<string, string>>>;
  /**
   * The page that the user sees next: a path of this site, as browsers see it. You can assign another one. A
   * URL of another site becomes the start page.
   */
  returnTo: string;
  /**
   * JSON values that you put here are in `req.session` after the login. `req.session` itself is still the old
   * one.
   */
  readonly session: Partial<SessionData>;
}

/** The argument of onLogout. */
export interface LogoutContext {
  /** The request that ended the session: of the user, or of the provider if it requested the logout. */
  readonly req: Request;
  /** Why the session ended. */
  readonly reason: LogoutReason;
  /** The claims of the user. */
  readonly claims: Claims;
  /** The last saved tokens. The refresh token is revoked at the same time. */
  readonly tokens: Readonly<TokenSet>;
}

/** The second argument of onError. */
export interface ErrorContext {
  /** The request that failed. */
  readonly req: Request;
  /** Its response. The hook may send it. */
  readonly res: Response;
  /** The id on the page that the user sees, and in the log line. */
  readonly requestId: string;
}

/**
 * Functions of the application that run at four points. Each may be async. A PortalAuthError that a hook
 * throws is answered as it is. Any other error becomes `hook_failed`, with the error as its cause.
 */
export interface Hooks {
  /**
   * Runs after every token response, of a login or a refresh, before anything is saved. It runs once, in one
   * process, while other requests wait. Return the tokens to save instead (a missing `scope` is kept), or
   * throw to refuse.
   *
   * - At a login, nothing is saved after an error.
   * - At a refresh, `login_refused` ends the session. After any other error the session stays, and the
   *   refresh is tried again after a pause.
   * - At a refresh, the provider's response and this hook have 20 seconds together, or twice `httpTimeout` if
   *   that is longer. All requests that need these tokens wait, also `req.portal` in this hook. Use
   *   `tokens.access_token` instead.
   */
  onTokens?(
    tokens: TokenSet,
    context: TokensContext,
  ): TokenSet | undefined | void | Promise<TokenSet | undefined | void>;
  /**
   * Runs after the user is verified and before the session starts. Throw to refuse: nothing has been saved
   * then.
   */
  onLogin?(context: LoginContext): void | Promise<void>;
  /**
   * Runs for each session that has ended. An error is logged, and the session stays ended. A call has 5
   * seconds. After that the response to the logout does not wait any longer.
   */
  onLogout?(context: LogoutContext): void | Promise<void>;
  /**
   * Runs before a failure is answered. It may send the response itself through `context.res`. Then the
   * response must be sent when the hook returns or its promise resolves. Otherwise the default response
   * follows. (In Express 5, `res.render` without a callback has not sent it by then.)
   */
  onError?(error: PortalAuthError, context: ErrorContext): void | Promise<void>;
}
