/**
 * The error codes, each with its HTTP status and a hint for the developer. Their user messages are in
 * page-texts/, their causes in errors.md. The codes are part of the public contract: they do not change
 * within a major version.
 */
const ERRORS = {
  options_invalid: {
    status: 500,
    hint:
      "Options or environment variables of express-portal-auth are missing or invalid. The message lists " +
      "each one.",
  },
  portal_auth_missing: {
    status: 500,
    hint:
      "requireAuth() or portalProxy() ran on a request that has not passed portalAuth(). Mount " +
      "app.use(portalAuth()) first, at a path that covers the guarded one.",
  },
  request_not_express: {
    status: 500,
    hint:
      "portalAuth() or requireAuth() was called with a request that does not come from Express: an " +
      "`upgrade` event, socket.io's engine.use(), a plain http server or an HTTP/2 server. Mount it with " +
      "app.use(). For WebSockets and socket.io let an Express app call it, as the guide shows under " +
      "WebSockets.",
  },
  tenant_unknown: {
    status: 404,
    hint:
      "Your function returned no portalAuth() to choosePortalAuth() for this request. The host or path is " +
      "unknown, or it is missing where your function looks it up.",
  },
  authorization_params_invalid: {
    status: 500,
    hint:
      "authorizationParams must not set the parameters that protect the login: state, nonce, " +
      "code_challenge, code_challenge_method, redirect_uri, client_id, client_secret, response_type, " +
      "request, request_uri. response_mode must be query or form_post. scope must contain openid.",
  },
  proxy_not_trusted: {
    status: 500,
    hint:
      "PORTAL_REDIRECT_URI is https but this request arrived over http, so the Secure session cookie could " +
      "not be set. Configure the proxy that ends TLS to send X-Forwarded-Proto: https, and call " +
      "app.set('trust proxy', 1). If the proxy cannot send that header, set PORTAL_TLS_TERMINATED=on.",
  },
  login_initiation_invalid: {
    status: 400,
    hint:
      "Another site led the browser to the login route (OpenID Connect Core 1.0, section 4) with invalid " +
      "parameters. iss must be the issuer of the provider's discovery document, and each parameter must " +
      "occur once. The detail names the problem.",
  },
  login_required: {
    status: 401,
    hint:
      "The request has no session of a signed-in user. A page that calls an API with fetch should send the " +
      "user to the URL in the member login.",
  },
  navigation_required: {
    status: 400,
    hint:
      "A script, an image or similar requested the login route. A login needs the browser itself: set " +
      "location.href to the route.",
  },
  callback_invalid: {
    status: 400,
    hint:
      "The callback must have state, and either code or error, each exactly once. Usual causes are a " +
      "broken link, a proxy that rewrites queries, or a scanner.",
  },
  login_not_found: {
    status: 400,
    hint:
      "This application did not create the state in the callback. Usual causes are an invented or " +
      "truncated link, or the callback of another application or another portalAuth().",
  },
  login_expired: {
    status: 400,
    hint:
      "The login attempt is older than PORTAL_LOGIN_TIMEOUT (default ten minutes). If this happens at " +
      "once, compare the clocks of the processes that serve /login and /callback.",
  },
  login_cookies_blocked: {
    status: 400,
    hint:
      "/login received no cookie, and the callback received no cookie. The browser blocks cookies, or a " +
      "proxy removes all of them. If a proxy changes their Path or SameSite, the second login of this " +
      "browser fails with login_cookie_changed or login_cookies_strict.",
  },
  login_cookie_lost: {
    status: 400,
    hint:
      "This browser sent cookies, but not the one of this login attempt. It was deleted in the meantime, " +
      "many logins were started since, or a proxy drops long cookie headers.",
  },
  login_cookie_changed: {
    status: 400,
    hint:
      "A cookie without Path and Domain came back, and the login cookie did not. A proxy or a middleware " +
      "changes the Path or Domain of the login cookie (nginx proxy_cookie_path, proxy_cookie_domain), or " +
      "removes it by its name.",
  },
  login_overwritten: {
    status: 400,
    hint:
      "The long scope or acr of this login attempt was saved in a cookie that another login of the same " +
      "browser has overwritten. Without them the response of the provider cannot be checked.",
  },
  login_in_other_browser: {
    status: 400,
    hint:
      "The browser (User-Agent) that opened the callback is not the one that started the login. Usual " +
      "causes are a forwarded link, the built-in browser of an app, or another device.",
  },
  login_secret_changed: {
    status: 400,
    hint:
      "The login cookie cannot be decrypted with this process's SESSION_SECRET. Causes: the secret changed " +
      "without keeping the old one after a comma, processes use different secrets, or another app on this " +
      "host uses the same cookie names.",
  },
  login_over_http: {
    status: 400,
    hint:
      "PORTAL_REDIRECT_URI is https, but /login was requested over http, where a browser drops a Secure " +
      "cookie. Redirect http to https before portalAuth().",
  },
  login_cookies_strict: {
    status: 400,
    hint:
      "/login received cookies, but the callback received no cookie. Something makes them SameSite=Strict, " +
      "such as a proxy's proxy_cookie_flags. The login cookie must stay Lax.",
  },
  login_on_other_host: {
    status: 400,
    hint:
      "/login and the callback were requested at different hosts, and cookies belong to one host. Redirect " +
      "all hosts (www, 127.0.0.1) to the host of PORTAL_REDIRECT_URI before portalAuth(). If the address " +
      "bar shows one host only, configure the proxy to send the same Host or X-Forwarded-Host for all " +
      "paths.",
  },
  login_in_frame: {
    status: 400,
    hint:
      "The login started or finished in a frame. In a frame of another site browsers send no SameSite=Lax " +
      "cookies. Open the login in the top window or in a popup.",
  },
  login_state_reused: {
    status: 400,
    hint:
      "The state of a finished login came back with another code. The usual cause is a cache (CDN, proxy) " +
      "that saved the response of /login, with its state and cookie, and sent it to a second browser. " +
      "Exclude /login and all responses with Set-Cookie from that cache.",
  },
  session_not_saved: {
    status: 400,
    hint:
      "This browser finished two logins in a row, the last one seconds ago, and has no session: another " +
      "login would continue a redirect loop. Usual causes, in order: a proxy removes the session cookie; " +
      "several processes keep sessions in memory (set SESSION_STORE_URL); processes use different secrets; " +
      "a Secure cookie was set over http.",
  },
  login_ended: {
    status: 401,
    hint:
      "Before the session of this login was created, the provider requested its logout (back-channel or " +
      "front-channel), or the user ended all sessions. Nothing is wrong.",
  },
  login_denied: {
    status: 403,
    hint:
      "The provider answered access_denied: the user cancelled, or the provider does not let this user " +
      "into this application. If the provider gave a reason, it follows.",
  },
  login_refused: {
    status: 403,
    hint: "A hook refused the login.",
  },
  authorization_refused: {
    status: 400,
    hint:
      "The provider answered the authorization request with the error in the detail. invalid_request and " +
      "invalid_scope point to PORTAL_SCOPE or authorizationParams.",
  },
  interaction_needed: {
    status: 401,
    hint:
      "The provider answered login_required, interaction_required, consent_required or " +
      "account_selection_required. This is usual with prompt=none.",
  },
  issuer_mismatch: {
    status: 500,
    hint:
      "The provider's discovery document names another issuer than PORTAL_ISSUER. The detail shows both. " +
      "Only a trailing slash may differ. Set PORTAL_ISSUER to the issuer of the document. If the document " +
      "is at another URL, set PORTAL_DISCOVERY_URL to that URL.",
  },
  response_issuer_mismatch: {
    status: 400,
    hint:
      "The iss of the callback is not the issuer of the discovery document, or is missing although the " +
      "provider announced it (RFC 9207). A mix-up attack looks like this.",
  },
  discovery_invalid: {
    status: 502,
    hint:
      "The provider's discovery document lacks something that a login needs, or is not a discovery " +
      "document. The detail names the problem. Check PORTAL_ISSUER and PORTAL_DISCOVERY_URL.",
  },
  portal_unreachable: {
    status: 503,
    hint:
      "Cannot connect to the provider. Check PORTAL_ISSUER, DNS, outbound network access (proxy?) and TLS " +
      "(for a private CA set NODE_EXTRA_CA_CERTS).",
  },
  portal_timeout: {
    status: 503,
    hint: "The provider did not respond within PORTAL_HTTP_TIMEOUT.",
  },
  portal_failed: {
    status: 503,
    hint: "The provider answered with a server error (5xx, server_error or temporarily_unavailable).",
  },
  portal_answer_invalid: {
    status: 502,
    hint:
      "The provider's response was a redirect, not JSON, over 1 MiB, or lacked a required member. The " +
      "detail names the problem. Something in between (a gateway, a captive portal) may have answered " +
      "instead.",
  },
  client_unknown: {
    status: 500,
    hint:
      "The provider answered 401 without a body. At Tencent CIAM this means that PORTAL_CLIENT_ID is " +
      "unknown: compare it with the application's client_id at the provider, and PORTAL_ISSUER with its " +
      "tenant. Other providers send this response for a wrong PORTAL_CLIENT_SECRET as well.",
  },
  client_refused: {
    status: 400,
    hint:
      "The provider did not accept this client: it answered invalid_client, 401 or 403. Usual causes, in " +
      "order: PORTAL_CLIENT_SECRET is wrong, expired or was renewed; PORTAL_CLIENT_ID is wrong; " +
      "PORTAL_CLIENT_AUTH is not the method that is registered for the application. If only some logins " +
      "fail: the code was issued to another client_id, or the code_verifier does not match.",
  },
  code_refused: {
    status: 400,
    hint:
      "The provider answered invalid_grant: the code was wrong, already used or too old, or " +
      "PORTAL_REDIRECT_URI is not exactly the registered URI.",
  },
  grant_type_refused: {
    status: 500,
    hint:
      "The provider answered unsupported_grant_type or unauthorized_client: allow authorization_code (and " +
      "refresh_token) for this application at the provider. Microsoft Entra answers unauthorized_client if " +
      "it does not know the client_id.",
  },
  token_refused: {
    status: 400,
    hint: "The token endpoint answered with the error in the detail.",
  },
  id_token_missing: {
    status: 400,
    hint:
      "The token response has no id_token: PORTAL_SCOPE must contain openid, and the application must be " +
      "registered for OpenID Connect at the provider.",
  },
  id_token_invalid: {
    status: 400,
    hint:
      "A check of the ID token failed (OpenID Connect Core 1.0, section 3.1.3.7). The detail names it. For " +
      "exp, iat or nbf, compare the clocks. For aud, check PORTAL_CLIENT_ID; for iss, PORTAL_ISSUER; for " +
      "tid, PORTAL_ALLOWED_TENANTS.",
  },
  id_token_signature_invalid: {
    status: 400,
    hint:
      "The signature of the ID token does not match any key of the provider, or its algorithm is not the " +
      "expected one. The detail names the problem. The expected algorithm is RS256 if the provider " +
      "announces it. If the application is registered with another algorithm, set PORTAL_ID_TOKEN_ALG.",
  },
  nonce_mismatch: {
    status: 400,
    hint:
      "The nonce of the ID token is not the one that was sent, or is missing. A provider that never " +
      "returns it needs PORTAL_NONCE=optional.",
  },
  session_missing: {
    status: 500,
    hint:
      "There is no req.session: the app's own express-session is not ready (its store is disconnected), or " +
      "the path of its cookie does not cover the callback.",
  },
  session_store_failed: {
    status: 503,
    hint:
      "The session store failed to read, save or destroy a session. The detail or the cause has the " +
      "reason. Check the store (SESSION_STORE_URL, or the store of the app's express-session): is it " +
      "running, can it be reached from here, are name and password correct, is it writable?",
  },
  insufficient_scope: {
    status: 403,
    hint:
      "requireAuth({ scope }) requires scopes that the access token does not have. The detail names them. " +
      "Add them to PORTAL_SCOPE, and let the provider grant them to this application and user.",
  },
  not_permitted: {
    status: 403,
    hint:
      "requireAuth({ claims }) or requireAuth({ roles }) requires values that the claims of this user do " +
      "not have. The detail names the claim. PORTAL_ROLES_CLAIM says which claim has the roles. Claims " +
      "that onLogin omits are missing.",
  },
  insufficient_user_authentication: {
    status: 401,
    hint:
      "requireAuth({ acr, maxAge }) or login({ acr, maxAge }) requires a stronger or more recent login " +
      "than this one. At the callback: the provider ignored acr_values or max_age, or its ID token has no " +
      "acr or auth_time. Check whether the provider supports them.",
  },
  logout_unconfirmed: {
    status: 403,
    hint:
      "A logout came from another site, from a client that does not say where the request comes from, or " +
      "without a click. Link to the logout route from a page of this site, or post to it from there.",
  },
  logout_token_invalid: {
    status: 400,
    isDetailPublic: true,
    hint:
      "The back-channel logout route received no valid logout token of this provider for this client " +
      "(OpenID Connect Back-Channel Logout 1.0, section 2.6). The detail names the failed check. For exp " +
      "or iat, compare the clocks; for aud, check PORTAL_CLIENT_ID; for iss, PORTAL_ISSUER.",
  },
  logout_request_invalid: {
    status: 400,
    hint:
      "The front-channel logout route was requested without iss and sid, or with the iss of another " +
      "provider (OpenID Connect Front-Channel Logout 1.0, section 2). Register " +
      "frontchannel_logout_session_required at the provider.",
  },
  cross_site_refused: {
    status: 403,
    hint:
      "A guard with csrf rejected a request that can change something. Nothing proves that a page of this " +
      "site sent it: neither the header (X-CSRF) nor Sec-Fetch-Site: same-origin nor, without that header, " +
      "the Origin of PORTAL_REDIRECT_URI.",
  },
  tokens_unreadable: {
    status: 401,
    hint:
      "The record of a login cannot be read, so the login does not count. Usual causes, in order: " +
      "TOKEN_ENCRYPTION_KEY changed without keeping the old key after a comma; a process has no key; a key " +
      "was set while users were signed in; a record was changed or copied in the store.",
  },
  token_expired: {
    status: 401,
    hint:
      "The access token has expired and there is no refresh token to renew it. Configure the provider to " +
      "issue one: allow the grant type refresh_token for the application. Many providers also need " +
      "offline_access in PORTAL_SCOPE.",
  },
  refresh_refused: {
    status: 401,
    hint:
      "The provider permanently refused the refresh token, so the session was ended. The token has " +
      "expired, was revoked (a logout elsewhere, a changed password), or was also used by another party.",
  },
  refresh_identity_mismatch: {
    status: 401,
    hint:
      "The provider answered a refresh with an ID token of another issuer or another user. The detail " +
      "names the claim. The response was discarded, and the session was ended.",
  },
  refresh_failed: {
    status: 503,
    hint:
      "The access token has expired and the provider did not renew it. The detail has the reason. The " +
      "session stays.",
  },
  origin_not_allowed: {
    status: 500,
    hint:
      "req.portal.fetch() sends the user's access token only to the origins in PORTAL_API_ORIGINS (option " +
      "apiOrigins). Add the origin in the detail if it may receive the token.",
  },
  proxy_request_refused: {
    status: 400,
    hint:
      "portalProxy() does not forward paths that servers read in different ways: . or .. parts, //, \\ or " +
      ";, an encoded / \\ ; ? or #, letters that are encoded without need. It also rejects methods that " +
      "are not in the option methods, WebSockets, and transfer codings other than chunked.",
  },
  proxy_body_consumed: {
    status: 500,
    hint:
      "Another middleware read the request body before portalProxy() could forward it. Mount portalProxy() " +
      "before express.json(), express.urlencoded() and similar parsers.",
  },
  upstream_unreachable: {
    status: 502,
    hint:
      "portalProxy() got no complete response from its upstream. The detail has the reason: ECONNREFUSED " +
      "(is it running?), ENOTFOUND (its name), ECONNRESET (it closed the connection), or a TLS code (for a " +
      "private CA set NODE_EXTRA_CA_CERTS).",
  },
  upstream_timeout: {
    status: 504,
    hint:
      "The upstream of portalProxy() did not start its response within `timeout`, or did not continue it " +
      "within `idleTimeout`.",
  },
  userinfo_missing: {
    status: 500,
    hint:
      "The provider has no userinfo endpoint: its discovery document and its profile name none. Set " +
      "PORTAL_USERINFO_URL, or PORTAL_PROFILE=tencent-ciam for a Tencent CIAM under your own domain.",
  },
  userinfo_refused: {
    status: 502,
    hint:
      "The userinfo endpoint refused the request; the detail has the status. 401: the access token is not " +
      "valid for it (did a hook replace it?). 403: PORTAL_SCOPE lacks a scope. 404: the user no longer " +
      "exists at the provider.",
  },
  userinfo_invalid: {
    status: 502,
    hint:
      "The userinfo endpoint sent a signed response (JWT) that fails a check (OpenID Connect Core 1.0, " +
      "section 5.3.2). The detail names it: signature, iss, aud or exp. Encrypted responses are not " +
      "supported.",
  },
  userinfo_subject_mismatch: {
    status: 502,
    hint:
      "The userinfo endpoint described another user than the one who is signed in (OpenID Connect Core " +
      "1.0, section 5.3.2). The response was discarded.",
  },
  hook_failed: {
    status: 500,
    hint:
      "A hook failed: it threw an error that is not a PortalAuthError, or did something that is not " +
      "allowed. The detail names it. To refuse a user, throw new PortalAuthError('login_refused').",
  },
  revocation_failed: {
    status: 502,
    hint:
      "The provider did not revoke the refresh token. The user is signed out here anyway. The token stays " +
      "valid until it expires.",
  },
  unexpected: {
    status: 500,
    hint: "An error that express-portal-auth did not expect. Please report it with the name in the detail.",
  },
} as const;

/** The closed list of failures. A `switch` over it can be exhaustive. */
export type PortalAuthErrorCode = keyof typeof ERRORS;

/** The fixed properties of an error code. */
export interface ErrorDefinition {
  /** The HTTP status of the response. */
  readonly status: number;
  /** Advice for the developer who reads the log. */
  readonly hint: string;
  /**
   * Whether the response may contain the detail. Then every detail of this code may contain only values that
   * the client has sent, and public settings. Default false: the detail goes only to the log, to events and
   * to hooks.
   */
  readonly isDetailPublic?: boolean;
}

/** Every code with its status and hint. */
export const errorDefinitions: Readonly<Record<PortalAuthErrorCode, ErrorDefinition>> = ERRORS;

const EXPECTED_OUTCOMES: readonly string[] = [
  "login_denied",
  "login_ended",
  "login_refused",
  "interaction_needed",
];

/**
 * Returns whether a code is an expected outcome of a login, such as a user who cancels, or a failed
 * `prompt=none`.
 */
export const isExpectedOutcome = (code: string): boolean => EXPECTED_OUTCOMES.includes(code);
