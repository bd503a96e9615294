/** What each step of a login is. */
export const STEPS = {
  person: "The browser is at the portal: the person signs in there. This time is theirs.",
  callback: "The portal has sent the browser back; what came is read: one of each parameter, or refused.",
  discovery: "The portal's discovery document: asked for once, then remembered for an hour.",
  state: "The attempt is found by its state in this browser's sealed cookie; iss and error are looked at.",
  exchange:
    "The code is given for tokens at the token endpoint, with the client's secret and the PKCE verifier.",
  checks: "The ID token is verified: signature, iss, aud, azp, exp, iat, nonce, at_hash.",
  hooks: "Your onTokens and onLogin.",
  session: "A new session id; tokens and claims are saved in the store.",
};

/** What each claim is (RFC 7519; OpenID Connect Core 1.0, sections 2 and 5.1; RFC 9068). */
export const CLAIMS = {
  iss: "who issued it",
  sub: "the person, unique at the issuer",
  aud: "for whom it is",
  azp: "to which client it was issued",
  exp: "when it ends",
  iat: "when it was issued",
  nbf: "not good before",
  jti: "its own name",
  nonce: "ties it to its login",
  auth_time: "when the person authenticated",
  acr: "how strongly they authenticated",
  amr: "by which means",
  at_hash: "ties it to the access token",
  c_hash: "ties it to the code",
  sid: "the session at the portal",
  scope: "what it may do",
  client_id: "which client it is of",
  alg: "how it is signed",
  kid: "by which key",
  typ: "what it is",
  name: "full name",
  nickname: "how they are called",
  preferred_username: "a name they chose; it may change",
  given_name: "given name",
  family_name: "family name",
  email: "e-mail address; it may change",
  email_verified: "whether the address was checked",
  phone_number: "telephone number",
  picture: "address of a picture",
  locale: "language",
  zoneinfo: "time zone",
  updated_at: "when this was changed last",
};

export const TIMES = ["exp", "iat", "nbf", "auth_time", "updated_at"];

export const TOKENS = {
  access_token: "Access token: what APIs are given.",
  id_token: "ID token: who has signed in.",
  refresh_token: "Refresh token: what the access token is renewed with.",
};

/** Why a login in a session did not count. */
export const REASONS = {
  too_old: "the login is older than sessionAbsolute",
  of_another_portal_auth: "another portalAuth() began it (issuer, client or redirect address differ)",
  not_ours: "something else wrote it into req.session",
  unreadable: "its tokens cannot be opened (TOKEN_ENCRYPTION_KEY)",
};
