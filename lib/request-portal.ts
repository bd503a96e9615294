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
import { regenerateSession } from "./session/regenerate-session.js";
import type { RequestLogin } from "./session/request-login.js";
import { getExpressSession } from "./session/request-session.js";
import type { PortalAuthInstance } from "./session/session-holder.js";

/** A request of somebody who is logged in. `MyClaims` are what your portal tells, or your onLogin keeps, beside `sub`. */
export type AuthenticatedPortal<MyClaims = unknown> = RequestPortal & {
  /** Somebody is logged in. */
  readonly isAuthenticated: true;
  /** Of the verified ID token, or what onLogin kept of them. */
  readonly claims: Claims & MyClaims;
};

/** A request of a visitor: nobody is logged in. */
export type VisitorPortal = RequestPortal & {
  /** Nobody is logged in. */
  readonly isAuthenticated: false;
  /** So there are none. */
  readonly claims: undefined;
};

declare const CLAIMS: unique symbol;
declare const CLAIMS_AT: unique symbol;

/** How a guard tells the handlers behind it, by the type of `res.locals`, whose request they get. Never there at runtime. */
export interface GuardedLocals<MyClaims> {
  /** The claims of who passed the guard. */
  readonly [CLAIMS]?: MyClaims;
}

/** Of a request by the locals of its handlers: behind a guard somebody is logged in. */
export type PortalForLocals<Locals> =
  Locals extends GuardedLocals<infer MyClaims>
    ? unknown extends MyClaims
      ? AuthenticatedPortal | VisitorPortal
      : AuthenticatedPortal<MyClaims>
    : AuthenticatedPortal | VisitorPortal;

/** The same for a guard that asks a portalAuth() with a name. */
export interface NamedGuardLocals<MyClaims, Name extends string> {
  /** The claims of who passed the guard, by that name. */
  readonly [CLAIMS_AT]?: { readonly [name in Name]: MyClaims };
}

/** What a request has of each portalAuth() with a name. */
export type NamedPortals = Record<string, AuthenticatedPortal | VisitorPortal | undefined>;

/** Of a request by the locals of its handlers: behind a guard somebody is logged in at the portalAuth() of that name. */
export type NamedPortalsForLocals<Locals> =
  Locals extends NamedGuardLocals<infer MyClaims, infer Name>
    ? string extends Name
      ? NamedPortals | undefined
      : NamedPortals & { readonly [name in Name]: AuthenticatedPortal<MyClaims> }
    : NamedPortals | undefined;

declare global {
  namespace Express {
    interface Request {
      /** The person of this request. There on every request that portalAuth() has seen. */
      portal: AuthenticatedPortal | VisitorPortal;
      /** The same by name, of each portalAuth() that has one and has seen this request. */
      portals?: NamedPortals | undefined;
    }
  }
}

declare module "express-serve-static-core" {
  interface Request<P, ResBody, ReqBody, ReqQuery, LocalsObj> {
    /** Behind requireAuth() of somebody who is logged in. */
    portal: PortalForLocals<LocalsObj>;
    /** Behind `requireAuth({ portal })` of somebody who is logged in there. */
    portals: NamedPortalsForLocals<LocalsObj>;
  }
}

/** The person of one request. Made for every request, so it does nothing before it is asked. */
export class RequestPortal extends AttachedLogin {
  // Fields, and no object that holds them: one made on every request comes to live in V8's old space, where it keeps
  // its whole request from being collected (measured by `npm run bench -- guard`: 15 % of a request's CPU time).
  readonly #router: RouterContext;
  readonly #req: Request;
  readonly #res: Response;
  readonly #mount: string;

  /** @internal Made by portalAuth(). */
  constructor(router: RouterContext, req: Request, res: Response, login: RequestLogin | undefined) {
    super(login);
    this.#router = router;
    this.#req = req;
    this.#res = res;
    this.#mount = req.baseUrl;
  }

  /** @internal For the rooms that answer in the person's name. */
  static internalsOf(portal: RequestPortal): { router: RouterContext; request: RequestContext } {
    return { router: portal.#router, request: portal.#request() };
  }

  /** Whether somebody is logged in. */
  get isAuthenticated(): boolean {
    return this.#session() !== undefined;
  }

  /** The claims of the verified ID token, or what onLogin kept of them; undefined when nobody is logged in. */
  get claims(): Claims | undefined {
    return this.#session()?.claims;
  }

  /** The tokens as they are stored, not refreshed; undefined when nobody is logged in. A copy: changing it changes nothing. */
  async tokens(): Promise<TokenSet | undefined> {
    const session = this.#session();
    return session && { ...session.tokens };
  }

  /**
   * An access token that is good for PORTAL_REFRESH_LEEWAY at least; refreshed first when it was not: once for each
   * session, whoever asks, in whichever process. Of a portal that is down or slow it takes what it has, as long as that
   * is valid.
   *
   * @throws PortalAuthError with status 401 `login_required`, `token_expired`, `refresh_refused`,
   *   `refresh_identity_mismatch`: the user must sign in again; with 503 `refresh_failed`, `portal_unreachable`, `portal_timeout`, `portal_failed`: it may work in a moment,
   *   and the person stays logged in
   */
  async accessToken(): Promise<string> {
    return (await getFreshSession(this.#router, this.#req)).tokens.access_token;
  }

  /**
   * fetch with the access token as Bearer (RFC 6750, section 2.1), to origins in PORTAL_API_ORIGINS only. After a 401 the
   * token is refreshed once, and the request repeated once unless its body is a stream.
   *
   * @throws PortalAuthError `origin_not_allowed`, and those of accessToken(); what fetch throws
   */
  async fetch(input: string | URL | globalThis.Request, init?: RequestInit): Promise<globalThis.Response> {
    return fetchWithToken(this.#router, this.#req, input, init);
  }

  /**
   * What the portal tells of the person now (OpenID Connect Core 1.0, section 5.3), checked to be about this person.
   *
   * @throws PortalAuthError `userinfo_missing`, `userinfo_refused`, `userinfo_invalid`, `userinfo_subject_mismatch`, and
   *   those of accessToken()
   */
  async userinfo(): Promise<Claims> {
    return getUserInfo(this.#router, this.#req);
  }

  /**
   * Answers this request by sending the browser to the portal; or, when the login cannot begin (`portal_unreachable`,
   * …), by the failure's page or problem. It never rejects: Express 4 would not notice, and Node.js end the process.
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
   * Logs the person out here and answers this request by sending the browser on to the portal's logout; or, when the
   * store fails and the person is still logged in, by that failure. It never rejects. Call it from a route that another
   * site cannot trigger; the route /logout sees to that by itself.
   *
   * With `everywhere` the user's other sessions end first, in whichever browser and process: all that this portalAuth()
   * has begun, and logins that are being made at the same time.
   */
  async logout(options: LogoutOptions = {}): Promise<void> {
    await logOutUser(this.#router, this.#request(), options).catch((error) =>
      sendErrorResponse(this.#req, this.#res, error, offerLogin(this.#router, this.#mount)),
    );
  }

  /**
   * The sessions that this person has here, whichever browser or process began them; the one that was used last comes first.
   * Those of another portalAuth() are not among them.
   *
   * @throws PortalAuthError `login_required`, `session_store_failed`
   */
  async sessions(): Promise<SessionInfo[]> {
    return listSessions(this.#router, this.#request());
  }

  /**
   * Ends one of the person's own sessions, by its id in sessions(). Call it from a route that another site cannot trigger. Of
   * the session of this request the cookie goes as well, and the request goes on as a visitor's.
   *
   * @returns false where the person has no such session (any more)
   * @throws PortalAuthError `login_required`, `session_store_failed`
   */
  async endSession(id: string): Promise<boolean> {
    return endListedSession(this.#router, this.#request(), id);
  }

  /**
   * Gives the session a new id, and keeps everything that is in it and the login. Use it in place of
   * `req.session.regenerate()`, which ends the login. A visitor's session gets a new id, too.
   *
   * @throws PortalAuthError `login_required` if the login has ended meanwhile, `session_store_failed`, `session_missing`. The
   *   request has no session then
   */
  async regenerate(): Promise<void> {
    const { settings } = this.#router;
    await regenerateSession(this.#req, settings, getClaimLifeMs({ maxRefreshMs: getMaxRefreshMs(settings) }));
  }

  /**
   * The session that the login is kept in: `req.session`, or, of a portalAuth() that has a name, one of its own. Undefined
   * where it could not be loaded.
   */
  get session(): (Session & Partial<SessionData>) | undefined {
    return getExpressSession(this.#req, this.#router.settings);
  }

  #session() {
    return AttachedLogin.getLogin(this)?.getView(this.#router.settings);
  }

  #request(): RequestContext {
    return { req: this.#req, res: this.#res, mount: this.#mount };
  }
}

/** One that has a name is at `req.portals`, and at `req.portal` only where nobody else is: that is the one without. */
export function attachPortal(req: Request, { name }: PortalAuthInstance, made: RequestPortal): void {
  const portal = made as AuthenticatedPortal | VisitorPortal; // it says itself which
  if (name === undefined) {
    req.portal = portal;
    return;
  }
  req.portals ??= Object.create(null) as NonNullable<typeof req.portals>;
  req.portals[name] = portal;
  req.portal ??= portal;
}
