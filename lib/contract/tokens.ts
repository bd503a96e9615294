/**
 * The tokens of one user, by their names in token responses (RFC 6749, section 5.1; OpenID Connect Core 1.0,
 * section 3.1.3.3).
 */
export interface TokenSet {
  /** The token for APIs (RFC 6749, section 1.4). It is opaque for this package. */
  access_token: string;
  /** Lower-case `bearer`, the only type that is accepted. */
  token_type: string;
  /** The token that renews the access token (RFC 6749, section 1.5); absent if the provider returns none. */
  refresh_token?: string;
  /**
   * The signed identity of the user (OpenID Connect Core 1.0, section 2). The latest one is the hint for a
   * logout.
   */
  id_token?: string;
  /**
   * The granted scopes, separated by spaces (RFC 6749, section 3.3). Absent if the provider does not name
   * them and the login requested PORTAL_SCOPE.
   */
  scope?: string;
  /** When the access token expires, in epoch seconds; absent if the provider does not say. */
  expires_at?: number;
  /**
   * When the refresh token expires, in epoch seconds; absent if the provider does not say. The session does
   * not end then: requests of an active user renew the tokens in time. Without a valid refresh token, it ends
   * when a request needs a token.
   */
  refresh_expires_at?: number;
}

/**
 * Facts about the login itself, from the verified ID token (OpenID Connect Core 1.0, section
 * 2). Guards and logouts use it, so it is saved even if onLogin removes these claims.
 */
export interface Authentication {
  /** When the user authenticated at the provider, in epoch seconds. */
  auth_time?: number | undefined;
  /**
   * How long ago that was at the login, in seconds: the greater one by the clocks of the provider and of this
   * machine.
   */
  auth_age?: number | undefined;
  /** The strength of the authentication, a name of the provider. */
  acr?: string | undefined;
  /** The methods of the authentication (RFC 8176). */
  amr?: readonly string[] | undefined;
  /** The session at the provider (OpenID Connect Back-Channel Logout 1.0, section 2.1). */
  sid?: string | undefined;
  /**
   * When the ID token was issued, in epoch seconds. A logout that the provider requests later ends this
   * login.
   */
  iat?: number | undefined;
}

/**
 * The claims of a verified ID token (OpenID Connect Core 1.0, sections 2 and 5.1), or those that onLogin
 * returned.
 */
export interface Claims {
  /** The user, unique at the issuer and never reassigned. */
  sub: string;
  /** The issuer. */
  iss?: string | undefined;
  /** The clients that the token is for. It includes this one. */
  aud?: string | string[] | undefined;
  /** The client that the token was issued to. */
  azp?: string | undefined;
  /**
   * When the ID token expires, in epoch seconds. The login is valid for longer: see
   * PortalAuthOptions.sessionAbsolute.
   */
  exp?: number | undefined;
  /** When the ID token was issued, in epoch seconds. */
  iat?: number | undefined;
  /** When the user authenticated at the provider, in epoch seconds. */
  auth_time?: number | undefined;
  /** Binds the ID token to its login. */
  nonce?: string | undefined;
  /** The strength of the authentication, a name of the provider. */
  acr?: string | undefined;
  /** The methods of the authentication (RFC 8176). */
  amr?: string[] | undefined;
  /** The session at the provider (OpenID Connect Back-Channel Logout 1.0, section 2.1). */
  sid?: string | undefined;
  /**
   * The full name for display. This claim and the following ones are of section 5.1, and depend on the scope.
   */
  name?: string | undefined;
  /** The casual name. */
  nickname?: string | undefined;
  /** The user name. It can change and is not unique. */
  preferred_username?: string | undefined;
  /** The preferred e-mail address. It can change. */
  email?: string | undefined;
  /** Whether the provider has verified that the e-mail address belongs to the user. */
  email_verified?: boolean | undefined;
  /** The URL of a picture. */
  picture?: string | undefined;
  /** The time zone, e.g. Asia/Shanghai. */
  zoneinfo?: string | undefined;
  /** The language, e.g. zh-CN (BCP 47). */
  locale?: string | undefined;
  [claim: string]: unknown;
}
