/** Describes each step of a login. */
export const STEPS = {
  user: "The browser is at the provider, where the user signs in. The user takes this time, not the app.",
  callback: "The provider sent the browser back. The app reads the parameters and rejects repeated ones.",
  discovery: "The app fetches the provider's discovery document, and then caches it for an hour.",
  state: "The app finds the login attempt by its state in an encrypted cookie, and checks iss and error.",
  exchange: "The app exchanges the code for tokens, with client secret and PKCE verifier.",
  checks: "The app verifies the ID token: signature, iss, aud, azp, exp, iat, nonce, at_hash.",
  hooks: "Your hooks run: onTokens and onLogin.",
  session: "The app creates a new session id, and saves tokens and claims in the store.",
};

/** Describes each claim (RFC 7519; OpenID Connect Core 1.0, sections 2 and 5.1; RFC 9068). */
export const CLAIMS = {
  iss: "issuer",
  sub: "the user, unique at the issuer",
  aud: "audience",
  azp: "client that it was issued to",
  exp: "expires",
  iat: "issued",
  nbf: "not valid before",
  jti: "id of this token",
  nonce: "binds it to its login",
  auth_time: "when the user authenticated",
  acr: "strength of the authentication",
  amr: "methods of the authentication",
  at_hash: "binds it to the access token",
  c_hash: "binds it to the code",
  sid: "session at the provider",
  scope: "granted scopes",
  client_id: "client",
  alg: "signature algorithm",
  kid: "id of the key",
  typ: "type",
  name: "full name",
  nickname: "nickname",
  preferred_username: "user name; can change",
  given_name: "given name",
  family_name: "family name",
  email: "e-mail address; can change",
  email_verified: "whether the address was verified",
  phone_number: "phone number",
  picture: "URL of a picture",
  locale: "language",
  zoneinfo: "time zone",
  updated_at: "last change of these data",
};

/** Claims that are times, in epoch seconds. */
export const TIMES = ["exp", "iat", "nbf", "auth_time", "updated_at"];

/** Describes each token. */
export const TOKENS = {
  access_token: "Access token: sent to APIs.",
  id_token: "ID token: says which user signed in.",
  refresh_token: "Refresh token: renews the access token.",
};

/** Describes why the login in a session was ignored. */
export const REASONS = {
  too_old: "the login is older than sessionAbsolute",
  of_another_portal_auth: "another portalAuth() created it (issuer, client or redirect URI differ)",
  not_ours: "other code wrote it into req.session",
  unreadable: "its tokens cannot be decrypted (TOKEN_ENCRYPTION_KEY)",
};
