import type { Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import { getFreshSession } from "./access/access-token.js";
import { fetchWithToken } from "./access/fetch-with-token.js";
import { getUserInfo } from "./access/get-user-info.js";
import { sendErrorResponse } from "./answer/send-error-response.js";
import { offerLogin, type RequestContext, type RouterContext } from "./context/router-context.js";
import type { Claims, TokenSet } from "./contract/tokens.js";
import { type LoginOptions, startLogin } from "./login/login.js";
import { endListedSession, listSessions, type SessionInfo } from "./logout/listed-sessions.js";
import { type LogoutOptions, logOutUser } from "./logout/logout.js";
import { getClaimLifeMs } from "./refresh/refresh-claim.js";
import { getMaxRefreshMs } from "./refresh/refresh-task.js";
import { AttachedLogin } from "./session/attached-login.js";
import type { LoginState } from "./session/login-state.js";
import { regenerateSession } from "./session/regenerate-session.js";
import { getExpressSession } from "./session/request-session.js";
import type { PortalAuthInstance } from "./session/session-holder.js";

/**
 * `req.portal` for a signed-in user. `MyClaims` are the claims beside `sub` that your provider sends or your
 * onLogin stores.
 */
export type AuthenticatedPortal<MyClaims = unknown> = RequestPortal & {
  /** True: the user is signed in. */
  readonly isAuthenticated: true;
  /** The claims of the verified ID token, or those that onLogin stored. */
  readonly claims: Claims & MyClaims;
};

/** `req.portal` for a visitor, who is not signed in. */
export type VisitorPortal = RequestPortal & {
  /** False: the user is not signed in. */
  readonly isAuthenticated: false;
  /** A visitor has no claims. */
  readonly claims: undefined;
};

declare const CLAIMS: unique symbol;
declare const CLAIMS_AT: unique symbol;

/**
 * The type of `res.locals` in handlers behind a guard. It carries the type of the claims to them. The member
 * does not exist at run time.
 */
export interface GuardedLocals<MyClaims> {
  /** The claims of the user who passed the guard. */
  readonly [CLAIMS]?: MyClaims;
}

/** The type of `req.portal`, derived from the type of `res.locals`: behind a guard, the user is signed in. */
export type PortalForLocals<Locals> =
  Locals extends GuardedLocals<infer MyClaims>
    ? unknown extends MyClaims
      ? AuthenticatedPortal | VisitorPortal
      : AuthenticatedPortal<MyClaims>
    : AuthenticatedPortal | VisitorPortal;

/** The type of `res.locals` in handlers behind a guard of a portalAuth() with a name. */
export interface NamedGuardLocals<MyClaims, Name extends string> {
  /** The claims of the user who passed the guard, by the name of the portalAuth(). */
  readonly [CLAIMS_AT]?: { readonly [name in Name]: MyClaims };
}

/** The type of `req.portals`: one entry for each portalAuth() with a name. */
export type NamedPortals = Record<string, AuthenticatedPortal | VisitorPortal | undefined>;

/**
 * The type of `req.portals`, derived from the type of `res.locals`: behind a guard, the user is signed in
 * there.
 */
export type NamedPortalsForLocals<Locals> =
  Locals extends NamedGuardLocals<infer MyClaims, infer Name>
    ? string extends Name
      ? NamedPortals | undefined
      : NamedPortals & { readonly [name in Name]: AuthenticatedPortal<MyClaims> }
    : NamedPortals | undefined;

declare global {
  namespace Express {
    interface Request {
      /** The user of this request. Present on every request that passed portalAuth(). */
      portal: AuthenticatedPortal | VisitorPortal;
      /** The user at each portalAuth() with a name that this request passed. */
      portals?: NamedPortals | undefined;
    }
  }
}

declare module "express-serve-static-core" {
  interface Request<P, ResBody, ReqBody, ReqQuery, LocalsObj> {
    /** The user of this request. Behind requireAuth(), the user is signed in. */
    portal: PortalForLocals<LocalsObj>;
    /**
     * The user at each portalAuth() with a name. Behind `requireAuth({ portal })`, the user is signed in
     * there.
     */
    portals: NamedPortalsForLocals<LocalsObj>;
  }
}

/** The user of one request. It is created for every request, so it does no work before a member is used. */
export class RequestPortal extends AttachedLogin {
  // These are fields, not one object that holds them. Such an object per request ends up in V8's old space
  // and keeps the whole request alive (measured with `npm run bench -- guard`: 15 % of a request's CPU time).
  readonly #router: RouterContext;
  readonly #req: Request;
  readonly #res: Response;
  readonly #mount: string;

  /** @internal portalAuth() creates the instances. */
  constructor(router: RouterContext, req: Request, res: Response, loginState: LoginState | undefined) {
    super(loginState);
    this.#router = router;
    this.#req = req;
    this.#res = res;
    this.#mount = req.baseUrl;
  }

  /** @internal Returns the router and the request for the guards. */
  static internalsOf(portal: RequestPortal): { router: RouterContext; request: RequestContext } {
    return { router: portal.#router, request: portal.#request() };
  }

  /** Whether the user is signed in. */
  get isAuthenticated(): boolean {
    return this.#session() !== undefined;
  }

  /** The claims of the verified ID token, or those that onLogin stored. Undefined for a visitor. */
  get claims(): Claims | undefined {
    return this.#session()?.claims;
  }

  /** Returns a copy of the stored tokens without a refresh. Undefined for a visitor. */
  async tokens(): Promise<TokenSet | undefined> {
    const session = this.#session();
    return session && { ...session.tokens };
  }

  /**
   * Returns an access token that is valid for at least PORTAL_REFRESH_LEEWAY seconds. If the stored token
   * expires sooner, it is refreshed first. All requests and processes share one refresh per session. If the
   * provider is down or slow, the stored token is returned as long as it is valid.
   *
   * @throws PortalAuthError with status 401 if the user must sign in again: `login_required`,
   *   `token_expired`, `refresh_refused`, `refresh_identity_mismatch`
   * @throws PortalAuthError with status 503 if it may work in a moment: `refresh_failed`,
   *   `portal_unreachable`, `portal_timeout`, `portal_failed`. The user stays signed in
   */
  async accessToken(): Promise<string> {
    return (await getFreshSession(this.#router, this.#req)).tokens.access_token;
  }

  /**
   * Calls `fetch` with the access token as Bearer (RFC 6750, section 2.1), only to origins in
   * PORTAL_API_ORIGINS. After a 401 the token is refreshed once, and the request is repeated once unless its
   * body is a stream.
   *
   * @throws PortalAuthError `origin_not_allowed`, and those of accessToken()
   * @throws what `fetch` throws
   */
  async fetch(input: string | URL | globalThis.Request, init?: RequestInit): Promise<globalThis.Response> {
    return fetchWithToken(this.#router, this.#req, input, init);
  }

  /**
   * Requests the claims of the UserInfo endpoint (OpenID Connect Core 1.0, section 5.3), and checks that
   * their `sub` is the signed-in user's.
   *
   * @throws PortalAuthError `userinfo_missing`, `userinfo_refused`, `userinfo_invalid`,
   *   `userinfo_subject_mismatch`, and those of accessToken()
   */
  async userinfo(): Promise<Claims> {
    return getUserInfo(this.#router, this.#req);
  }

  /**
   * Redirects the browser to the provider. If the login cannot start (`portal_unreachable`, …), the response
   * is an error page or a problem document. The promise never rejects: Express 4 would not notice, and
   * Node.js would end the process.
   */
  async login(options: LoginOptions = {}): Promise<void> {
    await startLogin(this.#router, this.#request(), options).catch((error) =>
      sendErrorResponse(
        this.#req,
        this.#res,
        error,
        offerLogin(this.#router, this.#mount, options?.returnTo, options ?? {}),
      ),
    );
  }

  /**
   * Ends the user's session and redirects the browser to the provider's logout. If the store fails, the user
   * stays signed in and the response is the error. The promise never rejects. Call it from a route that
   * another site cannot trigger; the route /logout checks that itself.
   *
   * With `everywhere`, the user's other sessions of this portalAuth() end first, in all browsers and
   * processes. That includes logins that finish at the same moment.
   */
  async logout(options: LogoutOptions = {}): Promise<void> {
    await logOutUser(this.#router, this.#request(), options).catch((error) =>
      sendErrorResponse(this.#req, this.#res, error, offerLogin(this.#router, this.#mount)),
    );
  }

  /**
   * Returns the user's sessions of this portalAuth() in all browsers, the most recently used first.
   *
   * @throws PortalAuthError `login_required`, `session_store_failed`
   */
  async sessions(): Promise<SessionInfo[]> {
    return listSessions(this.#router, this.#request());
  }

  /**
   * Ends one of the user's own sessions by its id in sessions(). Call it from a route that another site
   * cannot trigger. If it is the session of this request, the cookie is deleted too, and the request
   * continues as a visitor's.
   *
   * @returns false if the user has no such session, or no longer
   * @throws PortalAuthError `login_required`, `session_store_failed`
   */
  async endSession(id: string): Promise<boolean> {
    return endListedSession(this.#router, this.#request(), id);
  }

  /**
   * Gives the session a new id. Its content and the login stay. Use it instead of `req.session.regenerate()`,
   * which ends the login. A visitor's session gets a new id, too.
   *
   * @throws PortalAuthError `login_required` if the login has ended meanwhile, `session_store_failed`,
   *   `session_missing`. The request has no session then
   */
  async regenerate(): Promise<void> {
    const { settings } = this.#router;
    await regenerateSession(this.#req, settings, getClaimLifeMs({ maxRefreshMs: getMaxRefreshMs(settings) }));
  }

  /**
   * The express-session that contains the login: `req.session`, or the own session of a portalAuth() with a
   * name. Undefined if it could not be loaded.
   */
  get session(): (Session & Partial<SessionData>) | undefined {
    return getExpressSession(this.#req, this.#router.settings);
  }

  #session() {
    return AttachedLogin.getLoginState(this)?.getView(this.#router.settings);
  }

  #request(): RequestContext {
    return { req: this.#req, res: this.#res, mount: this.#mount };
  }
}

/**
 * Attaches the user to the request: at `req.portal`, or at `req.portals` if the portalAuth() has a name. One
 * with a name is also at `req.portal` until one without a name takes that place.
 */
export function attachPortal(req: Request, { name }: PortalAuthInstance, requestPortal: RequestPortal): void {
  const portal = requestPortal as AuthenticatedPortal | VisitorPortal;
  if (name === undefined) {
    req.portal = portal;
    return;
  }
  req.portals ??= Object.create(null) as NonNullable<typeof req.portals>;
  req.portals[name] = portal;
  req.portal ??= portal;
}
