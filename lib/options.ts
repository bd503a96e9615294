import type { Request } from "express";
import type { Store } from "express-session";
import type { Hooks } from "./hooks.js";
import type { NoncePolicy, ProfileName } from "./portal/profiles.js";

/**
 * Parameters to add to the authorization request: `auth_source_id`, `ui_locales`, `prompt`, `max_age`, … Values that
 * are neither text nor a number are left out, so that what a query holds can be handed on as it is.
 */
export type AuthorizationParams = Readonly<Record<string, unknown>>;

/** What a person may say. Every option but routes, hooks, store and keepSessionKeys has an environment variable too. */
export interface PortalAuthOptions {
  /** The portal's issuer identifier. PORTAL_ISSUER; required; https, or http on loopback. */
  issuer?: string;
  /** What to do where discovery is silent. PORTAL_PROFILE; default by the issuer's host. */
  profile?: ProfileName;
  /** PORTAL_CLIENT_ID; required. */
  clientId?: string;
  /** PORTAL_CLIENT_SECRET; required unless clientAuth is "none". */
  clientSecret?: string;
  /** How the client authenticates at the token endpoint. PORTAL_CLIENT_AUTH; default "client_secret_post". */
  clientAuth?: "client_secret_post" | "client_secret_basic" | "none";
  /** The callback's address as it is registered at the portal. PORTAL_REDIRECT_URI; required; never taken from the request. */
  redirectUri?: string;
  /** PORTAL_SCOPE; default "openid", which it must contain. */
  scope?: string;
  /** Added to the authorization request, fixed or by request. PORTAL_AUTH_SOURCE_ID sets auth_source_id; default {}. */
  authorizationParams?: AuthorizationParams | ((req: Request) => AuthorizationParams | Promise<AuthorizationParams>);
  /** PORTAL_NONCE; default by profile: "required", for tencent-ciam "optional". */
  nonce?: NoncePolicy;
  /** PORTAL_USERINFO_URL; default from discovery, else the profile's. For userinfo(), which comes with a later version. */
  userinfoUrl?: string;
  /** PORTAL_REVOCATION_URL; default from discovery, else the profile's. */
  revocationUrl?: string;
  /** PORTAL_LOGOUT_URL; default from discovery, else the profile's. */
  logoutUrl?: string;
  /** Where the portal sends people after a logout. PORTAL_POST_LOGOUT_REDIRECT_URI; default the app's root. */
  postLogoutRedirectUri?: string;
  /** Limit of each request to the portal, in seconds. PORTAL_HTTP_TIMEOUT; 0.05 to 120, default 10. */
  httpTimeout?: number;
  /**
   * How far the portal's clock may differ from ours, in seconds; used for `exp`, `iat`, `nbf` and `auth_time`.
   * PORTAL_CLOCK_TOLERANCE; default 30. OpenID Connect Core 1.0, section 3.1.3.7, steps 9 and 10.
   */
  clockTolerance?: number;
  /** Paths relative to the mount; false turns one off. Default /login, /callback, /logout. */
  routes?: {
    login?: string | false;
    callback?: string | false;
    logout?: string | false;
  };
  /** Where the application joins in. Default {}. */
  hooks?: Hooks;
  /** Seals cookies and signs our own session's cookie: 32 characters at least. The first signs, all verify. SESSION_SECRET; required. */
  secret?: string | readonly string[];
  /** The store of our own session, when the app mounts no express-session itself. Default: the memory of this process. */
  store?: Store;
  /** A session ends after this many seconds without a request; for our own session. SESSION_IDLE; default one day. */
  sessionIdle?: number;
  /** A login ends after this many seconds, whatever happens. SESSION_ABSOLUTE; default seven days. */
  sessionAbsolute?: number;
  /** Keys of req.session that survive the change of the session id at login, e.g. ["cart"]. Default none. */
  keepSessionKeys?: readonly string[];
}
