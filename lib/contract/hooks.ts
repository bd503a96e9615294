import type { Request, Response } from "express";
import type { SessionData } from "express-session";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LogoutReason } from "./events.js";
import type { Claims, TokenSet } from "./tokens.js";

/** What onTokens is told beside the tokens. */
export interface TokensContext {
  /** The request that caused it: the callback, or the first of those that wait for a refresh. */
  readonly req: Request;
  /** Which grant brought the tokens (RFC 6749). */
  readonly grant: "authorization_code" | "refresh_token";
  /** At a login the verified claims of the ID token; at a refresh those that the session keeps. */
  readonly claims: Claims;
}

/** What onLogin is given, and may change. */
export interface LoginContext {
  /** The callback. Its session is still the old one. */
  readonly req: Request;
  /** The verified claims. Assign fewer (or more) to decide what the session keeps: JSON values, and `sub` must stay. */
  claims: Claims;
  /** What will be stored: the portal's tokens, or what onTokens made of them. Read only here. */
  readonly tokens: Readonly<TokenSet>;
  /**
   * The members that the provider sent to the callback, in the query or posted: `session_state`, the `user` of Apple. Without
   * `code`, `state` and tokens. Members that came twice are omitted. Nobody has signed them: the user's browser can change them.
   */
  readonly authorizationResponse: Readonly<Partial<Record<string, string>>>;
  /**
   * Where the user goes next: a path of this site, as browsers see it. Assign another. An address of another
   * site becomes the start page.
   */
  returnTo: string;
  /** What you put here, as JSON values, is in `req.session` after the login. `req.session` itself is still the old one. */
  readonly session: Partial<SessionData>;
}

/** What onLogout is told. */
export interface LogoutContext {
  /** The request that ended the session: of the person, or, where the portal asked for it, the portal's own. */
  readonly req: Request;
  /** Why it ended. */
  readonly reason: LogoutReason;
  /** Who logs out. */
  readonly claims: Claims;
  /** The last that were stored. The refresh token is revoked at the same time. */
  readonly tokens: Readonly<TokenSet>;
}

/** What onError is told beside the error. */
export interface ErrorContext {
  /** The request that failed. */
  readonly req: Request;
  /** Its answer, which the hook may give itself. */
  readonly res: Response;
  /** Stands on the page that the person sees and in the log line. */
  readonly requestId: string;
}

/**
 * The four places where an application joins in. Each may be async. PortalAuthErrors that a hook throws
 * are answered as they are; any other error becomes `hook_failed`, with the error as its cause.
 */
export interface Hooks {
  /**
   * After every token answer, of a login or a refresh, before anything is kept: once, in one process, while the
   * others wait. Return the tokens to keep instead (a `scope` that is omitted stays), or throw to refuse.
   *
   * - At a login, nothing is kept after an error.
   * - At a refresh, `login_refused` ends the session. After any other error the session stays, and the refresh is
   *   tried again after a pause.
   * - At a refresh, the provider's answer and this hook have 20 seconds together, or twice `httpTimeout` if that is
   *   longer. All requests that need these tokens wait, and so does `req.portal` in here: use
   *   `tokens.access_token`.
   */
  onTokens?(
    tokens: TokenSet,
    context: TokensContext,
  ): TokenSet | undefined | void | Promise<TokenSet | undefined | void>;
  /** The person is verified, the session not begun. Throw to refuse: nothing has been stored then. */
  onLogin?(context: LoginContext): void | Promise<void>;
  /**
   * Called for each session that has ended. An error is logged, and the session stays ended. A call has 5 seconds:
   * the response to a logout waits no longer.
   */
  onLogout?(context: LogoutContext): void | Promise<void>;
  /**
   * Before a failure is answered. May answer itself through `context.res`, and must have done so when it returns, or when
   * its promise resolves (Express 5's `res.render` without a callback has not); otherwise the usual answer follows.
   */
  onError?(error: PortalAuthError, context: ErrorContext): void | Promise<void>;
}
