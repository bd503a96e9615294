/** The tokens of one person, by their wire names (RFC 6749, section 5.1; OpenID Connect Core 1.0, section 3.1.3.3). */
export interface TokenSet {
  access_token: string;
  /** Lower-case `bearer`: the only type that is accepted. */
  token_type: string;
  refresh_token?: string;
  id_token?: string;
  scope?: string;
  /** When the access token ends, in epoch seconds; absent when the portal did not say. */
  expires_at?: number;
  /** When the refresh token ends, in epoch seconds; absent when the portal did not say. The session ends with it. */
  refresh_expires_at?: number;
}

/** The claims of a verified ID token (OpenID Connect Core 1.0, sections 2 and 5.1), or those that onLogin kept. */
export interface Claims {
  /** The person, unique at the issuer and never reassigned. */
  sub: string;
  iss?: string | undefined;
  aud?: string | string[] | undefined;
  azp?: string | undefined;
  exp?: number | undefined;
  iat?: number | undefined;
  auth_time?: number | undefined;
  nonce?: string | undefined;
  acr?: string | undefined;
  amr?: string[] | undefined;
  sid?: string | undefined;
  name?: string | undefined;
  nickname?: string | undefined;
  preferred_username?: string | undefined;
  email?: string | undefined;
  email_verified?: boolean | undefined;
  picture?: string | undefined;
  zoneinfo?: string | undefined;
  locale?: string | undefined;
  [claim: string]: unknown;
}
