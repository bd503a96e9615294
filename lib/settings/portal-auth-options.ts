import type { Request } from "express";
import type { Clock } from "../contract/clock.js";
import type { Hooks } from "../contract/hooks.js";
import type { Logger } from "../contract/logger.js";
import type { RenderPage } from "../contract/page-parts.js";
import type { WordsGiven } from "../errors/languages/words.js";
import type { StoreGiven } from "../store/store-given.js";
import type { NoncePolicy, ProfileName } from "./profiles.js";
import type { IdTokenAlgorithm } from "./signature-algorithms.js";

/**
 * Parameters to add to the authorization request: `auth_source_id`, `ui_locales`, `prompt`, `max_age`, … Values that
 * are neither text nor a number are left out, so that what a query holds can be handed on as it is.
 */
export type AuthorizationParams = Readonly<Record<string, unknown>>;

/** Paths below the mount, as they were settled; false for those that are not answered. */
export type Routes = Readonly<Record<keyof NonNullable<PortalAuthOptions["routes"]>, string | false>>;

/** What a person may say. What is not a text, a number or a list of them has no environment variable. */
export interface PortalAuthOptions {
  /**
   * Names this one of several portalAuth() in an application: it has cookies and a session of its own then, whatever the
   * others and the application have, and is found at `req.portals[name]`. Letters, digits and "-", 32 at most. Default
   * none: the one at `req.portal`.
   */
  name?: string | undefined;
  /**
   * The provider's issuer identifier. PORTAL_ISSUER; required; https, or http on loopback. It must be the `issuer` of the
   * discovery document; only a slash at the end may differ. Tokens must have the document's spelling (OpenID Connect
   * Discovery 1.0, section 4.3). If it is another one, logins fail with `issuer_mismatch`.
   */
  issuer?: string | undefined;
  /**
   * Address of the discovery document, if it is not below the issuer. PORTAL_DISCOVERY_URL; default
   * `/.well-known/openid-configuration` below the issuer (OpenID Connect Discovery 1.0, section 4). The document's `issuer`
   * must be the option `issuer` all the same.
   */
  discoveryUrl?: string | undefined;
  /**
   * The provider's address for requests of this server, e.g. `http://keycloak:8080`: origin and, if need be, a path prefix.
   * It takes the place of the issuer's origin at discovery, token, keys, userinfo and revocation. Browsers are never
   * redirected to it. PORTAL_INTERNAL_URL; default none. It may be http at a host of a private network only. Then the client
   * secret, codes, tokens and keys cross that network unencrypted, and an attacker there can sign in as any user.
   */
  internalUrl?: string | undefined;
  /**
   * Tenants whose users may sign in, by their ids, for an issuer with `{tenantid}` (Microsoft Entra's `common` and
   * `organizations`), or `*` for every tenant. The `tid` of an ID token must be one of them, and its `iss` must fit its `tid`.
   * PORTAL_ALLOWED_TENANTS, separated by commas; default none. Discovery fails with `discovery_invalid` if such an issuer has
   * no list, and if there is a list for another issuer.
   */
  allowedTenants?: "*" | readonly string[] | undefined;
  /** What to do where discovery is silent. PORTAL_PROFILE; default by the issuer's host. */
  profile?: ProfileName | undefined;
  /** PORTAL_CLIENT_ID; required. */
  clientId?: string | undefined;
  /** PORTAL_CLIENT_SECRET; required unless clientAuth is "none". */
  clientSecret?: string | undefined;
  /** How the client authenticates at the token endpoint. PORTAL_CLIENT_AUTH; default "client_secret_post". */
  clientAuth?: "client_secret_post" | "client_secret_basic" | "none" | undefined;
  /**
   * The callback's address as browsers see it and as it is registered at the provider. PORTAL_REDIRECT_URI;
   * required; never taken from the request. What its path has in front of the mount path and the callback's
   * route is the path prefix that a proxy removes: all links and redirects have it.
   */
  redirectUri?: string | undefined;
  /**
   * Whether TLS ends before the app (a load balancer, a CDN), although no `X-Forwarded-Proto: https` says so.
   * Then every request counts as https: Secure cookies are set, and `req.secure` is true after portalAuth().
   * Set it only if browsers cannot reach the app over plain http. Needs an https redirectUri.
   * PORTAL_TLS_TERMINATED; default false. RFC 7239, section 5.4, and RFC 6265bis, section 5.7.
   */
  tlsTerminated?: boolean | undefined;
  /** PORTAL_SCOPE; default "openid", which it must contain. */
  scope?: string | undefined;
  /** Added to the authorization request, fixed or by request. PORTAL_AUTH_SOURCE_ID sets auth_source_id; default {}. */
  authorizationParams?:
    | AuthorizationParams
    | ((req: Request) => AuthorizationParams | Promise<AuthorizationParams>)
    | undefined;
  /** PORTAL_NONCE; default by profile: "required", for tencent-ciam "optional". */
  nonce?: NoncePolicy | undefined;
  /**
   * The algorithm that ID tokens and logout tokens are signed with, as it is registered at the provider
   * (id_token_signed_response_alg). PORTAL_ID_TOKEN_ALG; default RS256 if the provider announces it or announces nothing, else
   * the announced asymmetric algorithms. HS256, HS384 and HS512 are accepted only if they are named here. Their key is the
   * client secret, which must have 32, 48 or 64 bytes at least (RFC 7518, section 3.2): anyone who knows it can sign in as
   * any user. `none` is never accepted. OpenID Connect Core 1.0, section 3.1.3.7, steps 7 and 8.
   */
  idTokenAlg?: IdTokenAlgorithm | undefined;
  /**
   * Address of the authorization endpoint. PORTAL_AUTHORIZATION_URL; default from discovery. If it, `tokenUrl` and `jwksUrl`
   * are set and `discoveryUrl` is not, no discovery document is fetched. Tokens must have the option `issuer` exactly then.
   */
  authorizationUrl?: string | undefined;
  /** Address of the token endpoint. PORTAL_TOKEN_URL; default from discovery. */
  tokenUrl?: string | undefined;
  /** Address of the provider's keys, a JWK set. PORTAL_JWKS_URL; default from discovery. */
  jwksUrl?: string | undefined;
  /** PORTAL_USERINFO_URL; default from discovery, else the profile's. */
  userinfoUrl?: string | undefined;
  /** PORTAL_REVOCATION_URL; default from discovery, else the profile's. */
  revocationUrl?: string | undefined;
  /** PORTAL_LOGOUT_URL; default from discovery, else the profile's. */
  logoutUrl?: string | undefined;
  /**
   * Where the provider sends the browser after a logout. PORTAL_POST_LOGOUT_REDIRECT_URI; default the root of
   * redirectUri's host, below the path prefix that a proxy removes.
   */
  postLogoutRedirectUri?: string | undefined;
  /**
   * Limit of each request to the provider, in seconds. The answer to a refresh is awaited for twice as long, in the
   * background. PORTAL_HTTP_TIMEOUT; 0.05 to 120, default 10.
   */
  httpTimeout?: number | undefined;
  /**
   * How far the portal's clock may differ from ours, in seconds; used for `exp`, `iat`, `nbf` and `auth_time`.
   * PORTAL_CLOCK_TOLERANCE; default 30. OpenID Connect Core 1.0, section 3.1.3.7, steps 9 and 10.
   */
  clockTolerance?: number | undefined;
  /**
   * How long an access token is still good at least when accessToken() gives it, in seconds; of one that lives less than
   * twice as long, half its life. PORTAL_REFRESH_LEEWAY; 0 to 3600, default 30.
   */
  refreshLeeway?: number | undefined;
  /**
   * How long a user may take to sign in at the provider, in seconds: a login attempt ends after it with `login_expired`.
   * PORTAL_LOGIN_TIMEOUT; 30 to 86400, default 600.
   */
  loginTimeout?: number | undefined;
  /**
   * Where the callback redirects a signed-in user whose login attempt has expired or is unknown, such as from a bookmark: a
   * path of this site, as browsers see it. Users without a session get an error page. PORTAL_LATE_CALLBACK_PATH; default
   * the start page.
   */
  lateCallbackPath?: string | undefined;
  /**
   * Where req.portal.fetch() may send the access token: origins, e.g. ["https://api.example"]. PORTAL_API_ORIGINS,
   * separated by commas; default none.
   */
  apiOrigins?: readonly string[] | undefined;
  /**
   * The claim that `requireAuth({ roles })` reads: by its whole name (`cognito:groups`), or with dots between the names of
   * what holds it (`realm_access.roles`). A list of texts, or a text, which is one role. PORTAL_ROLES_CLAIM; default "roles".
   */
  rolesClaim?: string | undefined;
  /**
   * Whether a visitor's browser is sent to the portal once, until it is closed, to see whether it knows who they are
   * (`prompt=none`, OpenID Connect Core 1.0, section 3.1.2.1): at the second page that it loads, as the first one shows
   * whether it keeps cookies. Who is not known there goes on as a visitor. PORTAL_SILENT_LOGIN; default false.
   */
  silentLogin?: boolean | undefined;
  /**
   * Whether other sites may begin a login: /login takes `iss`, `login_hint` and `target_link_uri` from them, by GET and by
   * POST (OpenID Connect Core 1.0, section 4). Its address is registered at the portal as initiate_login_uri.
   * PORTAL_THIRD_PARTY_LOGIN; default false.
   */
  thirdPartyLogin?: boolean | undefined;
  /**
   * Whether the portal may end sessions here by a request of its own to /backchannel-logout, which has to be registered
   * there as backchannel_logout_uri (OpenID Connect Back-Channel Logout 1.0). PORTAL_BACKCHANNEL_LOGOUT; default false.
   */
  backchannelLogout?: boolean | undefined;
  /**
   * Whether the portal may end sessions here by a frame that it shows, of /frontchannel-logout, which has to be registered
   * there as frontchannel_logout_uri, with frontchannel_logout_session_required (OpenID Connect Front-Channel Logout 1.0).
   * PORTAL_FRONTCHANNEL_LOGOUT; default false.
   */
  frontchannelLogout?: boolean | undefined;
  /** Paths relative to the mount; false turns one off. Default /login, /callback, /logout; the others: see there. */
  routes?: {
    /** Begins a login. Default "/login". */
    login?: string | false;
    /** Where the portal leads back to: PORTAL_REDIRECT_URI ends in it. Default "/callback". */
    callback?: string | false;
    /** Logs out, here and at the portal. Default "/logout". */
    logout?: string | false;
    /** Where the portal asks for logouts, if backchannelLogout is on. Default "/backchannel-logout". */
    backchannelLogout?: string | false;
    /** What the portal frames for logouts, if frontchannelLogout is on. Default "/frontchannel-logout". */
    frontchannelLogout?: string | false;
    /**
     * Tells the app's own pages by GET, as JSON, whether somebody is logged in, what sessionClaims allows of them, and how
     * many seconds are left. That counts as no activity. Default false.
     */
    session?: string | false;
    /**
     * Asks whether to send a form that requireAuth({ keepForm: true }) has kept. Default that of login with /form behind
     * it, so "/login/form"; without it no form is kept.
     */
    form?: string | false;
  };
  /** Where the application joins in. Default {}. */
  hooks?: Hooks | undefined;
  /** Seals cookies and signs our own session's cookie: 32 characters at least. The first signs, all verify. SESSION_SECRET; required. */
  secret?: string | readonly string[] | undefined;
  /**
   * Where logins are kept, and the sessions of an application that mounts no express-session itself. The address of a Redis
   * (`redis:`, `rediss:`; needs `redis`) or PostgreSQL server (`postgres:`; needs `pg`), a client of redis or ioredis, a Pool
   * of pg, a store of createStore(), or an adapter for another database: see RecordStore. SESSION_STORE_URL; default
   * `memory:`, the memory of this process.
   */
  store?: StoreGiven | undefined;
  /**
   * Encrypts the logins in the store (JWE, `dir` with `A256GCM`), each bound to its session. At least 32 characters. The first
   * key encrypts, all decrypt. A login that is stored in clear text does not count if a key is set. TOKEN_ENCRYPTION_KEY;
   * default none: logins are stored in clear text.
   */
  tokenEncryptionKey?: string | readonly string[] | undefined;
  /**
   * Whether the browser sends our own session's cookie when another site leads here: with "strict" it does not, and who
   * comes from elsewhere passes one page of ours that loads the address anew. An application's own session says so itself.
   * SESSION_SAME_SITE; default "lax".
   */
  sameSite?: "lax" | "strict" | undefined;
  /**
   * A session ends after this many seconds without a request, counted to the minute (to the tenth part of a limit under
   * ten minutes); for our own session. SESSION_IDLE; default one day.
   */
  sessionIdle?: number | undefined;
  /** A login ends after this many seconds, whatever happens. SESSION_ABSOLUTE; default seven days. */
  sessionAbsolute?: number | undefined;
  /** Keys of req.session that survive the change of the session id at login, e.g. ["cart"]. Default none. */
  keepSessionKeys?: readonly string[] | undefined;
  /** Claims that the route `session` may tell, e.g. ["name", "email"]. Default none. */
  sessionClaims?: readonly string[] | undefined;
  /**
   * Languages of our pages beside English and Chinese, or other words in those, by their tag (BCP 47), e.g.
   * `{ de: { titles: { signOut: "Abmelden?" } } }`; the browser's Accept-Language chooses. What is left out is English.
   * Default none.
   */
  languages?: Readonly<Record<string, WordsGiven>> | undefined;
  /** Makes the HTML of our pages, instead of ours. Default: one that needs no scripts and loads nothing. */
  renderPage?: RenderPage | undefined;
  /**
   * Where warnings and failures go, one line each: a pino, or what has its methods. Its `debug`, if it has one, gets the
   * events as well. Default: the console, and no events.
   */
  logger?: Logger | undefined;
  /** The time in epoch milliseconds, for sessions and the life of tokens: for tests. Default Date.now. */
  clock?: Clock | undefined;
}
