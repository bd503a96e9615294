/** The tokens of one person, by their wire names (RFC 6749, section 5.1; OpenID Connect Core 1.0, section 3.1.3.3). */
export interface TokenSet {
  /** What APIs want (RFC 6749, section 1.4). Opaque here, whatever it is to the API. */
  access_token: string;
  /** Lower-case `bearer`: the only type that is accepted. */
  token_type: string;
  /** What it is renewed with (RFC 6749, section 1.5); absent where the portal gives none. */
  refresh_token?: string;
  /** Who has logged in, signed (OpenID Connect Core 1.0, section 2). The newest: a portal takes it as the hint of a logout. */
  id_token?: string;
  /** What the access token may do, separated by spaces (RFC 6749, section 3.3); absent when the portal did not say, and the login asked for PORTAL_SCOPE. */
  scope?: string;
  /** When the access token ends, in epoch seconds; absent when the portal did not say. */
  expires_at?: number;
  /**
   * When the refresh token ends, in epoch seconds; absent when the provider did not say. The session does not end with it:
   * requests of the user renew the tokens in time, and a session without a refresh token lives on until a token is needed.
   */
  refresh_expires_at?: number;
}

/**
 * What the portal said of the login itself, in the verified ID token (OpenID Connect Core 1.0, section 2): what guards and
 * logouts go by, whatever onLogin keeps of the claims.
 */
export interface Authentication {
  /** When the person authenticated at the portal, in epoch seconds. */
  auth_time?: number | undefined;
  /** How long that was ago at the login, in seconds, by the clock of the provider or of this machine: the greater counts. */
  auth_age?: number | undefined;
  /** How strongly: a name that the portal gives. */
  acr?: string | undefined;
  /** By which means (RFC 8176). */
  amr?: readonly string[] | undefined;
  /** The session at the portal (OpenID Connect Back-Channel Logout 1.0, section 2.1). */
  sid?: string | undefined;
  /** When the portal said all this, in epoch seconds: a logout that it asks for later ends this login. */
  iat?: number | undefined;
}

/** The claims of a verified ID token (OpenID Connect Core 1.0, sections 2 and 5.1), or those that onLogin kept. */
export interface Claims {
  /** The person, unique at the issuer and never reassigned. */
  sub: string;
  /** The issuer. */
  iss?: string | undefined;
  /** For which clients: ours is among them. */
  aud?: string | string[] | undefined;
  /** To which client it was issued. */
  azp?: string | undefined;
  /** When the ID token ends, in epoch seconds. The login lives on: see PortalAuthOptions.sessionAbsolute. */
  exp?: number | undefined;
  /** When it was issued, in epoch seconds. */
  iat?: number | undefined;
  /** When the person authenticated at the portal, in epoch seconds. */
  auth_time?: number | undefined;
  /** What tied the ID token to its login. */
  nonce?: string | undefined;
  /** How strongly the person authenticated: a name that the portal gives. */
  acr?: string | undefined;
  /** By which means (RFC 8176). */
  amr?: string[] | undefined;
  /** The session at the portal (OpenID Connect Back-Channel Logout 1.0, section 2.1). */
  sid?: string | undefined;
  /** The full name, as it is shown. The following are of section 5.1, where the scope asks for them. */
  name?: string | undefined;
  /** How the person is called. */
  nickname?: string | undefined;
  /** A name that the person chose: it may change, and is not unique. */
  preferred_username?: string | undefined;
  /** The preferred e-mail address: it may change. */
  email?: string | undefined;
  /** Whether the portal has seen to it that the address is theirs. */
  email_verified?: boolean | undefined;
  /** The address of a picture. */
  picture?: string | undefined;
  /** The time zone, e.g. Asia/Shanghai. */
  zoneinfo?: string | undefined;
  /** The language, e.g. zh-CN (BCP 47). */
  locale?: string | undefined;
  [claim: string]: unknown;
}
