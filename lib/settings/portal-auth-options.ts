import type { Request } from "express";
import type { Clock } from "../contract/clock.js";
import type { Hooks } from "../contract/hooks.js";
import type { Logger } from "../contract/logger.js";
import type { RenderPage } from "../contract/page-parts.js";
import type { PartialWords } from "../errors/page-texts/words.js";
import type { StoreInput } from "../store/store-option.js";
import type { NoncePolicy, ProfileName } from "./profiles.js";
import type { IdTokenAlgorithm } from "./signature-algorithms.js";

/**
 * Parameters to add to the authorization request, such as `auth_source_id`, `ui_locales`, `prompt` or
 * `max_age`. Values that are neither text nor a number are omitted, so values of a query can be used as they
 * are.
 */
export type AuthorizationParams = Readonly<Record<string, unknown>>;

/** The resolved path of each route below the mount; false for a route that is off. */
export type Routes = Readonly<Record<keyof NonNullable<PortalAuthOptions["routes"]>, string | false>>;

/**
 * The options of portalAuth(). An option in code takes precedence over its environment variable. Options
 * whose value is an object or a function have no variable.
 */
export interface PortalAuthOptions {
  /**
   * Names one of several portalAuth() in an application. It has its own cookies and its own session, and is
   * found at `req.portals[name]`. A letter, followed by letters, digits, "_" and "-", 32 characters at most.
   * Default none: the one at `req.portal`.
   */
  name?: string | undefined;
  /**
   * The provider's issuer identifier: https, or http on loopback. PORTAL_ISSUER; required. It must be the
   * `issuer` of the discovery document; only a slash at the end may differ. Otherwise logins fail with
   * `issuer_mismatch`. Tokens must contain exactly the document's issuer (OpenID Connect Discovery 1.0,
   * section 4.3).
   */
  issuer?: string | undefined;
  /**
   * URL of the discovery document, if it is not below the issuer. PORTAL_DISCOVERY_URL; default
   * `/.well-known/openid-configuration` below the issuer (OpenID Connect Discovery 1.0, section 4). The
   * document's `issuer` must still be the option `issuer`.
   */
  discoveryUrl?: string | undefined;
  /**
   * The provider's URL for requests of this server, e.g. `http://keycloak:8080`: an origin, with a path
   * prefix if needed. It replaces the issuer's origin for discovery, token, keys, userinfo and revocation.
   * Browsers are never redirected to it. PORTAL_INTERNAL_URL; default none. http is accepted only for a host
   * of a private network. Then the client secret, codes, tokens and keys cross that network unencrypted: an
   * attacker there can sign in as any user.
   */
  internalUrl?: string | undefined;
  /**
   * Ids of the tenants whose users may sign in, for an issuer with `{tenantid}` (Microsoft Entra's `common`
   * and `organizations`), or `*` for every tenant. The `tid` of an ID token must be one of them, and its
   * `iss` must fit its `tid`. PORTAL_ALLOWED_TENANTS, separated by commas; default none. Discovery fails with
   * `discovery_invalid` if such an issuer has no list, or if another issuer has one.
   */
  allowedTenants?: "*" | readonly string[] | undefined;
  /** The behaviour for everything that discovery omits. PORTAL_PROFILE; default by the issuer's host. */
  profile?: ProfileName | undefined;
  /** The client id of the registration at the provider. PORTAL_CLIENT_ID; required. */
  clientId?: string | undefined;
  /** The client secret. PORTAL_CLIENT_SECRET; required unless clientAuth is "none". */
  clientSecret?: string | undefined;
  /** How the client authenticates at the token endpoint. PORTAL_CLIENT_AUTH; default "client_secret_post". */
  clientAuth?: "client_secret_post" | "client_secret_basic" | "none" | undefined;
  /**
   * URL of the callback, as browsers see it and as it is registered at the provider. PORTAL_REDIRECT_URI;
   * required. It is never taken from the request. The part of its path before mount path and callback route
   * is the path prefix that a proxy removes: all links and redirects contain it.
   */
  redirectUri?: string | undefined;
  /**
   * Whether TLS ends before the app (at a load balancer or a CDN) without an `X-Forwarded-Proto: https`
   * header. Then every request counts as https: Secure cookies are set, and `req.secure` is true after
   * portalAuth(). Set it only if browsers cannot reach the app over plain http. Needs an https redirectUri.
   * PORTAL_TLS_TERMINATED; default false. RFC 7239, section 5.4, and RFC 6265bis, section 5.7.
   */
  tlsTerminated?: boolean | undefined;
  /** The scopes to request, separated by spaces. PORTAL_SCOPE; default "openid", which it must contain. */
  scope?: string | undefined;
  /**
   * Parameters to add to the authorization request: an object, or a function of the request.
   * PORTAL_AUTH_SOURCE_ID sets `auth_source_id`; default {}.
   */
  authorizationParams?:
    | AuthorizationParams
    | ((req: Request) => AuthorizationParams | Promise<AuthorizationParams>)
    | undefined;
  /**
   * Whether the ID token must contain the nonce. PORTAL_NONCE; default by profile: "required", or "optional"
   * for tencent-ciam.
   */
  nonce?: NoncePolicy | undefined;
  /**
   * The algorithm that signs ID tokens and logout tokens, as it is registered at the provider
   * (id_token_signed_response_alg). PORTAL_ID_TOKEN_ALG; default RS256 if the provider announces it or
   * announces nothing, else the announced asymmetric algorithms. HS256, HS384 and HS512 are accepted only if
   * they are named here. Their key is the client secret, which needs at least 32, 48 or 64 bytes (RFC 7518,
   * section 3.2). Anyone who knows it can sign in as any user. `none` is never accepted. OpenID Connect Core
   * 1.0, section 3.1.3.7, steps 7 and 8.
   */
  idTokenAlg?: IdTokenAlgorithm | undefined;
  /**
   * URL of the authorization endpoint. PORTAL_AUTHORIZATION_URL; default from discovery. If it, `tokenUrl`
   * and `jwksUrl` are set and `discoveryUrl` is not, no discovery document is fetched. Then tokens must
   * contain exactly the option `issuer`.
   */
  authorizationUrl?: string | undefined;
  /** URL of the token endpoint. PORTAL_TOKEN_URL; default from discovery. */
  tokenUrl?: string | undefined;
  /** URL of the provider's keys, a JWK set. PORTAL_JWKS_URL; default from discovery. */
  jwksUrl?: string | undefined;
  /** URL of the userinfo endpoint. PORTAL_USERINFO_URL; default from discovery, else the profile's. */
  userinfoUrl?: string | undefined;
  /** URL of the revocation endpoint. PORTAL_REVOCATION_URL; default from discovery, else the profile's. */
  revocationUrl?: string | undefined;
  /** URL of the provider's logout endpoint. PORTAL_LOGOUT_URL; default from discovery, else the profile's. */
  logoutUrl?: string | undefined;
  /**
   * The URL to which the provider redirects after a logout. PORTAL_POST_LOGOUT_REDIRECT_URI; default the root
   * of redirectUri's host, below the path prefix that a proxy removes.
   */
  postLogoutRedirectUri?: string | undefined;
  /**
   * Timeout of each request to the provider, in seconds. A refresh continues in the background for twice as
   * long. PORTAL_HTTP_TIMEOUT; 0.05 to 120, default 10.
   */
  httpTimeout?: number | undefined;
  /**
   * Accepted difference between the provider's clock and ours, in seconds, for `exp`, `iat`, `nbf` and
   * `auth_time`. PORTAL_CLOCK_TOLERANCE; default 30. OpenID Connect Core 1.0, section 3.1.3.7, steps 9 and
   * 10.
   */
  clockTolerance?: number | undefined;
  /**
   * Minimum remaining lifetime, in seconds, of a token that accessToken() returns. For a token that is valid
   * for less than twice as long, it is half of the token's lifetime. PORTAL_REFRESH_LEEWAY; 0 to 3600,
   * default 30.
   */
  refreshLeeway?: number | undefined;
  /**
   * Origins to which req.portal.fetch() may send the access token, e.g. ["https://api.example"].
   * PORTAL_API_ORIGINS, separated by commas; default none.
   */
  apiOrigins?: readonly string[] | undefined;
  /**
   * The claim that `requireAuth({ roles })` reads: its whole name (`cognito:groups`), or a path with dots
   * (`realm_access.roles`). Its value is a list of texts, or one text, which is one role. PORTAL_ROLES_CLAIM;
   * default "roles".
   */
  rolesClaim?: string | undefined;
  /**
   * Time that a user has to sign in at the provider, in seconds. Afterwards the login attempt fails with
   * `login_expired`. PORTAL_LOGIN_TIMEOUT; 30 to 86400, default 600.
   */
  loginTimeout?: number | undefined;
  /**
   * The path to which the callback redirects a signed-in user whose login attempt has expired or is unknown,
   * such as from a bookmark. It is a path of this site, as browsers see it. Users without a session get an
   * error page. PORTAL_LATE_CALLBACK_PATH; default the start page.
   */
  lateCallbackPath?: string | undefined;
  /**
   * Whether to redirect a visitor's browser to the provider once, without a login page (`prompt=none`). The
   * redirect finds out whether the user is signed in there (OpenID Connect Core 1.0, section 3.1.2.1). It
   * happens at the second page, because the first one shows whether the browser stores cookies. Unknown users
   * continue as visitors. PORTAL_SILENT_LOGIN; default false.
   */
  silentLogin?: boolean | undefined;
  /**
   * Whether other sites may start a login: /login accepts `iss`, `login_hint` and `target_link_uri` from
   * them, with GET and POST (OpenID Connect Core 1.0, section 4). Register its URL at the provider as
   * initiate_login_uri. PORTAL_THIRD_PARTY_LOGIN; default false.
   */
  thirdPartyLogin?: boolean | undefined;
  /**
   * Whether the provider may end sessions by a request to /backchannel-logout. Register its URL there as
   * backchannel_logout_uri (OpenID Connect Back-Channel Logout 1.0). PORTAL_BACKCHANNEL_LOGOUT; default
   * false.
   */
  backchannelLogout?: boolean | undefined;
  /**
   * Whether the provider may end sessions by showing /frontchannel-logout in a frame. Register its URL there
   * as frontchannel_logout_uri, with frontchannel_logout_session_required (OpenID Connect Front-Channel
   * Logout 1.0). PORTAL_FRONTCHANNEL_LOGOUT; default false.
   */
  frontchannelLogout?: boolean | undefined;
  /**
   * Paths below the mount; false turns a route off. Default /login, /callback, /logout; the defaults of the
   * other routes are described at each.
   */
  routes?: {
    /** Starts a login. Default "/login". */
    login?: string | false;
    /** Receives the provider's response. The path of redirectUri ends in it. Default "/callback". */
    callback?: string | false;
    /** Signs the user out, here and at the provider. Default "/logout". */
    logout?: string | false;
    /** Receives the provider's logout requests, if backchannelLogout is on. Default "/backchannel-logout". */
    backchannelLogout?: string | false;
    /**
     * The page that the provider frames for a logout, if frontchannelLogout is on. Default
     * "/frontchannel-logout".
     */
    frontchannelLogout?: string | false;
    /**
     * Returns as JSON, for GET requests of the app's own pages: whether a user is signed in, the claims in
     * sessionClaims, and the seconds until the session ends. A request does not extend the session. Default
     * false.
     */
    session?: string | false;
    /**
     * Shows a page that asks whether to send a form that requireAuth({ keepForm: true }) has saved. Default:
     * the path of login with /form behind it, so "/login/form". If it is off, no form is saved.
     */
    form?: string | false;
  };
  /**
   * Functions of the application that are called at a login, a refresh, a logout and an error. Default {}.
   */
  hooks?: Hooks | undefined;
  /**
   * Encrypts our cookies and signs the cookie of our own session. At least 32 characters. The first secret
   * signs, all verify. SESSION_SECRET, separated by commas; required.
   */
  secret?: string | readonly string[] | undefined;
  /**
   * The store of the logins, and of the sessions unless the application mounts express-session itself.
   *
   * - the URL of a Redis server (`redis:`, `rediss:`; needs the package `redis`)
   * - the URL of a PostgreSQL server (`postgres:`; needs the package `pg`)
   * - a client of redis or ioredis, or a Pool of pg
   * - a store of createStore(), or an adapter for another database: see RecordStore
   *
   * SESSION_STORE_URL; default `memory:`, the memory of this process.
   */
  store?: StoreInput | undefined;
  /**
   * Encrypts the logins in the store (JWE, `dir` with `A256GCM`) and binds each to its session. At least 32
   * characters. The first key encrypts, all decrypt. If a key is set, logins stored in clear text are
   * ignored. TOKEN_ENCRYPTION_KEY, separated by commas; default none: logins are stored in clear text.
   */
  tokenEncryptionKey?: string | readonly string[] | undefined;
  /**
   * The SameSite attribute of our own session's cookie. With "strict", the browser does not send it when
   * another site links here: such a visit first loads a page of ours that loads the URL again. It does not
   * apply to the application's own express-session. SESSION_SAME_SITE; default "lax".
   */
  sameSite?: "lax" | "strict" | undefined;
  /**
   * Seconds without a request after which our own session ends. It is counted to the minute, or to a tenth of
   * a limit below ten minutes. SESSION_IDLE; default one day.
   */
  sessionIdle?: number | undefined;
  /** Seconds after which a login ends, even if it is in use. SESSION_ABSOLUTE; default seven days. */
  sessionAbsolute?: number | undefined;
  /**
   * Keys of req.session that survive the change of the session id at a login, e.g. ["cart"]. Default none.
   */
  keepSessionKeys?: readonly string[] | undefined;
  /** Claims that the route `session` returns, e.g. ["name", "email"]. Default none. */
  sessionClaims?: readonly string[] | undefined;
  /**
   * Languages of our pages besides English and Chinese, or other words in those, by language tag (BCP 47),
   * e.g. `{ de: { titles: { signOut: "Abmelden?" } } }`. The browser's Accept-Language selects one. Omitted
   * words are English. Default none.
   */
  languages?: Readonly<Record<string, PartialWords>> | undefined;
  /** Renders our pages as HTML. Default: pages that need no scripts and load nothing. */
  renderPage?: RenderPage | undefined;
  /**
   * Receives warnings and failures, one line each: pino, or an object with its methods. If it has `debug`, it
   * receives the events as well. Default: the console, without events.
   */
  logger?: Logger | undefined;
  /**
   * Returns the time in epoch milliseconds, for sessions and token lifetimes; for tests. Default Date.now.
   */
  clock?: Clock | undefined;
}
