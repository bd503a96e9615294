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
}

/** The claims of a verified ID token (OpenID Connect Core 1.0, sections 2 and 5.1), or those that onLogin kept. */
export interface Claims {
  /** The person, unique at the issuer and never reassigned. */
  sub: string;
  iss?: string;
  aud?: string | string[];
  azp?: string;
  exp?: number;
  iat?: number;
  auth_time?: number;
  nonce?: string;
  acr?: string;
  amr?: string[];
  sid?: string;
  name?: string;
  nickname?: string;
  preferred_username?: string;
  email?: string;
  email_verified?: boolean;
  picture?: string;
  zoneinfo?: string;
  locale?: string;
  [claim: string]: unknown;
}
