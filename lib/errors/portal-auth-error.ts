/**
 * What each failure is: the HTTP status, a sentence for the person who meets it, a hint for the developer
 * who reads the log. The codes are part of the public contract: they do not change within a major version.
 */
const ERRORS = {
  options_invalid: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "Options or environment variables of express-portal-auth are missing or wrong; each one is listed in the message.",
  },
  portal_auth_missing: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "requireAuth() or portalProxy() ran on a request that portalAuth() has not seen. Mount it first, and at a path that covers the guarded one: app.use(portalAuth()).",
  },
  request_not_express: {
    status: 500,
    sentence: "Something went wrong on this site. Please try again.",
    hint: "portalAuth() or requireAuth() was called with a request that does not come from Express: an `upgrade` event, socket.io's engine.use(), a plain http server or an HTTP/2 server. Mount it with app.use(). For WebSockets and socket.io let an Express app call it, as the README shows under WebSockets.",
  },
  tenant_unknown: {
    status: 404,
    sentence: "There is nothing to be found at this address.",
    hint: "choosePortalAuth() was given no portalAuth() for this request: an unknown host or path, or one that is missing in what your function looks it up in.",
  },
  authorization_params_invalid: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "authorizationParams may not set what protects the login (state, nonce, code_challenge and its method, redirect_uri, client_id, client_secret, response_type, request, request_uri), response_mode may be query or form_post, scope must contain openid.",
  },
  proxy_not_trusted: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "PORTAL_REDIRECT_URI is https but this request arrived over http, so the Secure session cookie could not be set. Let the proxy that ends TLS send X-Forwarded-Proto: https, and tell Express: app.set('trust proxy', 1). If it cannot send that header, set PORTAL_TLS_TERMINATED=on.",
  },
  login_initiation_invalid: {
    status: 400,
    sentence: "This sign-in link is not for this site.",
    hint: "Somebody else's site has led to the login route (OpenID Connect Core 1.0, section 4) with parameters that are wrong: iss must be the issuer of the provider's discovery document, and each parameter must come once; the detail says which.",
  },
  login_required: {
    status: 401,
    sentence: "Please sign in to go on.",
    hint: "The request carries no logged-in session. A page that calls with fetch should send the person to the address in the member login.",
  },
  navigation_required: {
    status: 400,
    sentence: "Please open this address in your browser.",
    hint: "The login route was asked for by a script, an image or the like. A login needs the browser itself: set location.href to the route.",
  },
  callback_invalid: {
    status: 400,
    sentence: "This sign-in link is not complete. Please sign in again.",
    hint: "The callback must carry state and either code or error, each exactly once. A repeated or missing parameter comes from a broken link, a proxy that rewrites queries, or somebody who tries things out.",
  },
  login_not_found: {
    status: 400,
    sentence: "This sign-in was not started on this site. Please sign in again.",
    hint: "The state in the callback is none that this application has made: a link that was made up or cut short, or the callback of another application or another portalAuth().",
  },
  login_expired: {
    status: 400,
    sentence: "This sign-in took too long. Please sign in again.",
    hint: "The login is older than PORTAL_LOGIN_TIMEOUT (default ten minutes). If it happens at once, compare the clocks of the processes that answer /login and /callback.",
  },
  login_cookies_blocked: {
    status: 400,
    sentence: "Your browser did not keep this sign-in. Please allow cookies for this site and sign in again.",
    hint: "No cookie came to /login, and none came back. The browser blocks cookies, or a proxy removes all of them. If a proxy changes their Path or SameSite, the second login of this browser fails with login_cookie_changed or login_cookies_strict.",
  },
  login_cookie_lost: {
    status: 400,
    sentence: "Your browser has lost this sign-in. Please sign in again.",
    hint: "Cookies came from this browser, but not this login's. They were deleted meanwhile, many logins were begun since, or a proxy drops long cookie headers.",
  },
  login_cookie_changed: {
    status: 400,
    sentence: "This site could not keep this sign-in in your browser. Please try again later.",
    hint: "A cookie without Path and Domain came back, and the login's cookie did not. A proxy or a middleware changes the Path or Domain of the login's cookie (nginx proxy_cookie_path, proxy_cookie_domain), or removes it by its name.",
  },
  login_overwritten: {
    status: 400,
    sentence: "Another sign-in in this browser has replaced this one. Please sign in again.",
    hint: "The long scope or acr of this login was kept in a cookie that another login of the same browser has overwritten. Without them the answer cannot be checked.",
  },
  login_in_other_browser: {
    status: 400,
    sentence: "This sign-in was started in another browser. Please go on there, or sign in again here.",
    hint: "The callback was opened by another browser (User-Agent) than the one that had begun the login: a link that was sent on, an app's built-in browser, another device.",
  },
  login_secret_changed: {
    status: 400,
    sentence: "This site was changed while you signed in. Please sign in again.",
    hint: "The login's cookie came back, but no SESSION_SECRET of this process has sealed it. The secret changed without the old one behind a comma, or processes have different ones, or another application under this host uses the same cookie names.",
  },
  login_over_http: {
    status: 400,
    sentence: "This sign-in did not begin over a secure connection. Please sign in again.",
    hint: "PORTAL_REDIRECT_URI is https, but /login was asked for over http, where a browser drops a Secure cookie. Redirect http to https before portalAuth().",
  },
  login_cookies_strict: {
    status: 400,
    sentence: "Your browser did not send this sign-in back. Please sign in again.",
    hint: "Cookies came to /login and none came back from the provider: something makes them SameSite=Strict, such as a proxy's proxy_cookie_flags. The login's own cookie must stay Lax.",
  },
  login_on_other_host: {
    status: 400,
    sentence: "This sign-in was started at another address of this site. Please sign in again here.",
    hint: "/login was asked for at another host than the callback: cookies belong to a host. Redirect all hosts (www, 127.0.0.1) to that of PORTAL_REDIRECT_URI before portalAuth(). If the address bar shows one host only, let the proxy send the same Host or X-Forwarded-Host for all paths.",
  },
  login_in_frame: {
    status: 400,
    sentence: "This site cannot sign you in inside another page. Please open it in a window of its own.",
    hint: "The login began or ended in a frame. In a frame of another site browsers send no SameSite=Lax cookies. Open the login in the top window or a popup.",
  },
  login_state_reused: {
    status: 400,
    sentence: "This sign-in was already used in another browser. Please sign in again.",
    hint: "A finished login's state came back with another code. Usual cause: a cache (CDN, proxy) has kept the answer of /login with its state and cookie, and gave it to a second browser. Exclude /login and all answers with Set-Cookie from that cache.",
  },
  session_not_saved: {
    status: 400,
    sentence: "You have signed in, but this site could not keep you signed in. Please try again in a moment.",
    hint: "Two logins in a row were finished in this browser, the last one seconds ago, and there is no session: another login would continue a redirect loop. Usual causes, in order: a proxy removes the session cookie; several processes keep sessions in memory (set SESSION_STORE_URL); processes have different secrets; a Secure cookie was set over http.",
  },
  login_ended: {
    status: 401,
    sentence: "You were signed out while you signed in. Please sign in again.",
    hint: "The portal asked for a logout of this login (back-channel or front-channel), or the person ended all sessions, before its session was there. Nothing is wrong.",
  },
  login_denied: {
    status: 403,
    sentence: "The sign-in was cancelled or refused.",
    hint: "The provider answered access_denied: the user cancelled, or the provider does not let this user into this application. If the provider gave a reason, it follows.",
  },
  login_refused: {
    status: 403,
    sentence: "You are signed in at the portal, but this site does not let this account in.",
    hint: "A hook refused the login.",
  },
  authorization_refused: {
    status: 400,
    sentence: "The portal did not accept the sign-in request. Please try again.",
    hint: "The portal answered the authorization request with an error, named in the detail. invalid_request and invalid_scope point at PORTAL_SCOPE or authorizationParams.",
  },
  interaction_needed: {
    status: 401,
    sentence: "The portal needs you to sign in again.",
    hint: "The portal answered login_required, interaction_required, consent_required or account_selection_required: usual with prompt=none.",
  },
  issuer_mismatch: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "The provider's discovery document names another issuer than PORTAL_ISSUER; the detail shows both. Only a slash at the end may differ. Write into PORTAL_ISSUER what the document says. If the document is at another address, write that into PORTAL_DISCOVERY_URL.",
  },
  response_issuer_mismatch: {
    status: 400,
    sentence: "The answer to this sign-in came from somewhere else. Please sign in again.",
    hint: "The callback's iss is not the issuer of the discovery document, or is missing although the provider announced it (RFC 9207). A mix-up attack looks like this.",
  },
  discovery_invalid: {
    status: 502,
    sentence: "The portal cannot be used right now. Please try again later.",
    hint: "The provider's discovery document lacks something that a login needs, named in the detail, or is not a discovery document. Look at PORTAL_ISSUER and PORTAL_DISCOVERY_URL.",
  },
  portal_unreachable: {
    status: 503,
    sentence: "The portal cannot be reached right now. Please try again in a moment.",
    hint: "No connection to the portal: look at PORTAL_ISSUER, DNS, the way out of this network (a proxy?), TLS (NODE_EXTRA_CA_CERTS for a CA of your own).",
  },
  portal_timeout: {
    status: 503,
    sentence: "The portal takes too long to answer. Please try again in a moment.",
    hint: "The portal did not answer within PORTAL_HTTP_TIMEOUT.",
  },
  portal_failed: {
    status: 503,
    sentence: "The portal has a problem of its own. Please try again in a moment.",
    hint: "The portal answered with a server error (5xx, server_error or temporarily_unavailable).",
  },
  portal_answer_invalid: {
    status: 502,
    sentence: "The portal gave an answer that this site does not understand. Please try again later.",
    hint: "The portal's answer was a redirect, not JSON, over 1 MiB, or lacked a member that must be there; the detail says which. Something in between (a gateway, a captive portal) may have answered instead.",
  },
  client_unknown: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "The provider answered 401 without a body. At Tencent CIAM this means that it does not know PORTAL_CLIENT_ID: compare it with the application's client_id at the provider, and PORTAL_ISSUER with its tenant. Other providers answer like this to a wrong PORTAL_CLIENT_SECRET as well.",
  },
  client_refused: {
    status: 400,
    sentence: "The sign-in could not be finished. Please sign in again.",
    hint: "The provider did not accept this client: it answered invalid_client, 401 or 403. Usual causes, in order: PORTAL_CLIENT_SECRET is wrong, has expired or was renewed; PORTAL_CLIENT_ID is wrong; PORTAL_CLIENT_AUTH is not the method that is registered for the application. If only some logins fail: the code was issued to another client_id, or the code_verifier does not match.",
  },
  code_refused: {
    status: 400,
    sentence: "This sign-in has been used or has expired. Please sign in again.",
    hint: "The portal answered invalid_grant: the code was wrong, used before or too old, or PORTAL_REDIRECT_URI is not the registered address to the letter.",
  },
  grant_type_refused: {
    status: 500,
    sentence: "Signing in is not set up correctly on this site.",
    hint: "The provider answered unsupported_grant_type or unauthorized_client: allow authorization_code (and refresh_token) for this application at the provider. Microsoft Entra answers unauthorized_client to a client_id that it does not know.",
  },
  token_refused: {
    status: 400,
    sentence: "The sign-in could not be finished. Please sign in again.",
    hint: "The token endpoint answered with the error in the detail.",
  },
  id_token_missing: {
    status: 400,
    sentence: "The portal did not say who you are. Please sign in again.",
    hint: "The token answer holds no id_token: PORTAL_SCOPE must contain openid, and the application must be of an OpenID Connect type at the portal.",
  },
  id_token_invalid: {
    status: 400,
    sentence: "The portal's answer could not be trusted. Please sign in again.",
    hint: "A check of the ID token failed (OpenID Connect Core 1.0, section 3.1.3.7), named in the detail. If it is exp, iat or nbf, compare the clocks; if it is aud, PORTAL_CLIENT_ID; if it is iss, PORTAL_ISSUER; if it is tid, PORTAL_ALLOWED_TENANTS.",
  },
  id_token_signature_invalid: {
    status: 400,
    sentence: "The portal's answer could not be trusted. Please sign in again.",
    hint: "The ID token's signature does not match any key of the provider, or its algorithm is not the expected one; the detail says which. The expected algorithm is RS256 if the provider announces it: if the application is registered with another one, write that into PORTAL_ID_TOKEN_ALG.",
  },
  nonce_mismatch: {
    status: 400,
    sentence: "The portal's answer does not belong to this sign-in. Please sign in again.",
    hint: "The ID token's nonce is not the one that was sent (or there is none: a portal that never returns it needs PORTAL_NONCE=optional).",
  },
  session_missing: {
    status: 500,
    sentence: "Your sign-in could not be kept. Please try again in a moment.",
    hint: "There is no req.session: the app's own express-session is not ready (its store is disconnected), or its cookie path does not cover the callback.",
  },
  session_store_failed: {
    status: 503,
    sentence: "Your sign-in could not be kept. Please try again in a moment.",
    hint: "The session store failed to read, save or destroy a session, for the reason in the detail or the cause. Look at the store (SESSION_STORE_URL, or the store of the app's express-session): does it run, can it be reached from here, does it take the name and password, can it be written?",
  },
  insufficient_scope: {
    status: 403,
    sentence: "You are signed in, but this page is not open to you.",
    hint: "requireAuth({ scope }) wants scopes that the access token does not have, named in the detail. Ask for them in PORTAL_SCOPE, and let the portal grant them to this application and person.",
  },
  not_permitted: {
    status: 403,
    sentence: "You are signed in, but this page is not open to you.",
    hint: "requireAuth({ claims }) or requireAuth({ roles }) wants what this person's claims do not say; the detail names the claim. PORTAL_ROLES_CLAIM says where roles are; what onLogin leaves out is not there.",
  },
  insufficient_user_authentication: {
    status: 401,
    sentence: "This page needs a stronger or more recent sign-in.",
    hint: "requireAuth({ acr, maxAge }) or login({ acr, maxAge }) wants a login that this one is not. At the callback: the portal has ignored acr_values or max_age, or does not tell acr or auth_time in its ID token; see whether it supports them.",
  },
  logout_unconfirmed: {
    status: 403,
    sentence: "Please confirm that you want to sign out.",
    hint: "A logout came from another site, from a client that does not say where it comes from, or without a click. Link to the logout route from a page of your own, or post to it from there.",
  },
  logout_token_invalid: {
    status: 400,
    sentence: "This request to sign somebody out could not be trusted.",
    hint: "What was posted to the back-channel logout route is no logout token of this portal for this client (OpenID Connect Back-Channel Logout 1.0, section 2.6); the check that failed is named in the detail. If it is exp or iat, compare the clocks; if it is aud, PORTAL_CLIENT_ID; if it is iss, PORTAL_ISSUER.",
  },
  logout_request_invalid: {
    status: 400,
    sentence: "This request to sign somebody out could not be trusted.",
    hint: "The front-channel logout route was asked without iss and sid, or for another portal (OpenID Connect Front-Channel Logout 1.0, section 2). Register frontchannel_logout_session_required at the portal.",
  },
  cross_site_refused: {
    status: 403,
    sentence: "This did not come from a page of this site, so nothing was done.",
    hint: "A guard with csrf met a request that may change something and does not show that a page of this site has sent it: neither the header (X-CSRF) nor Sec-Fetch-Site: same-origin nor, without that one, the Origin of PORTAL_REDIRECT_URI.",
  },
  tokens_unreadable: {
    status: 401,
    sentence: "Please sign in to go on.",
    hint: "The record of a login cannot be read, so the login does not count. Usual causes, in order: TOKEN_ENCRYPTION_KEY changed without the old key behind a comma, a process without it, a key that was turned on while users were signed in, a record that was changed or copied in the store.",
  },
  token_expired: {
    status: 401,
    sentence: "Please sign in again to go on.",
    hint: "The access token has ended and there is no refresh token to renew it with. Let the portal issue one: the grant type refresh_token for the application and, at many portals, offline_access in PORTAL_SCOPE.",
  },
  refresh_refused: {
    status: 401,
    sentence: "Your sign-in has ended. Please sign in again.",
    hint: "The portal refused the refresh token for good, so the session was ended. It has expired, was revoked (a logout elsewhere, a changed password), or was used by somebody else as well.",
  },
  refresh_identity_mismatch: {
    status: 401,
    sentence: "Your sign-in has ended. Please sign in again.",
    hint: "The provider answered a refresh with an ID token of another issuer or another user; the detail names the claim. Nothing of the answer was used, and the session was ended.",
  },
  refresh_failed: {
    status: 503,
    sentence: "Your sign-in could not be renewed right now. Please try again in a moment.",
    hint: "The access token has ended and the portal did not renew it, for a reason that does not end the session, named in the detail.",
  },
  origin_not_allowed: {
    status: 500,
    sentence: "Something went wrong on this site. Please try again.",
    hint: "req.portal.fetch() sends the person's access token to the origins in PORTAL_API_ORIGINS (option apiOrigins) only. Add the one in the detail, if it may have it.",
  },
  proxy_request_refused: {
    status: 400,
    sentence: "This address cannot be opened.",
    hint: "portalProxy() does not forward paths that servers read in different ways: . or .. parts, //, \\ or ;, an encoded / \\ ; ? or #, letters encoded for no reason. Nor methods that the option methods does not name, WebSockets, or transfer codings other than chunked.",
  },
  proxy_body_consumed: {
    status: 500,
    sentence: "Something went wrong on this site. Please try again.",
    hint: "Something has read the request's body before portalProxy() could pass it on. Mount portalProxy() before express.json(), express.urlencoded() and their like.",
  },
  upstream_unreachable: {
    status: 502,
    sentence: "A part of this site cannot be reached right now. Please try again in a moment.",
    hint: "portalProxy() got no whole answer from its upstream, for the reason in the detail: ECONNREFUSED (does it run?), ENOTFOUND (its name), ECONNRESET (it closed the connection), a code of TLS (NODE_EXTRA_CA_CERTS for a CA of your own).",
  },
  upstream_timeout: {
    status: 504,
    sentence: "A part of this site takes too long to answer. Please try again in a moment.",
    hint: "The upstream of portalProxy() did not begin its answer within `timeout`, or did not go on with it within `idleTimeout`.",
  },
  userinfo_missing: {
    status: 500,
    sentence: "Something went wrong on this site. Please try again.",
    hint: "The portal has no userinfo endpoint: neither its discovery document nor its profile names one. Set PORTAL_USERINFO_URL, or PORTAL_PROFILE=tencent-ciam for a Tencent CIAM under a domain of your own.",
  },
  userinfo_refused: {
    status: 502,
    sentence: "The portal did not tell who you are. Please try again later.",
    hint: "The userinfo endpoint refused, as the detail says. 401: the access token is not for it (did a hook replace it?); 403: PORTAL_SCOPE lacks a scope; 404: the person is gone at the portal.",
  },
  userinfo_invalid: {
    status: 502,
    sentence: "The portal's answer could not be trusted. Please try again later.",
    hint: "The userinfo endpoint sent a signed answer (JWT) that fails a check, named in the detail (OpenID Connect Core 1.0, section 5.3.2): signature, iss, aud or exp. Encrypted answers are not supported.",
  },
  userinfo_subject_mismatch: {
    status: 502,
    sentence: "The portal's answer could not be trusted. Please try again later.",
    hint: "The userinfo endpoint told of another person than the one who is logged in (OpenID Connect Core 1.0, section 5.3.2). Nothing of the answer was used.",
  },
  hook_failed: {
    status: 500,
    sentence: "Something went wrong on this site while you signed in. Please try again.",
    hint: "A hook failed: it threw an error that is not a PortalAuthError, or did what it may not, named in the detail. To refuse a person, throw new PortalAuthError('login_refused').",
  },
  revocation_failed: {
    status: 502,
    sentence: "You are signed out here.",
    hint: "The portal did not revoke the refresh token. The person is logged out here all the same; the token lives on until it expires.",
  },
  unexpected: {
    status: 500,
    sentence: "Something went wrong on this site. Please try again.",
    hint: "An error that express-portal-auth did not expect. Please report it with the name in the detail.",
  },
} as const;

/** The closed list of failures. A `switch` over it can be exhaustive. */
export type PortalAuthErrorCode = keyof typeof ERRORS;

/** What a PortalAuthError may say beside its code. */
export interface PortalAuthErrorOptions extends ErrorOptions {
  /** What exactly was seen, for the log: never a token, code, secret or cookie. */
  readonly detail?: string;
  /** The provider's own words, as cleanDescription() leaves them. They go to the log and to onError, and into no answer. */
  readonly providerDescription?: string | undefined;
  /** Seconds after which a new try makes sense, as the provider says: Retry-After of an answer with 503. Default 5. */
  readonly retryAfter?: number | undefined;
  /** Parameters of the challenge in WWW-Authenticate (RFC 6750, section 3), of characters that need no escape. */
  readonly challenge?: Readonly<Record<string, string>>;
  /** Another sentence for the person than the table's, e.g. why a hook refuses them. Shown as text, never as HTML. */
  readonly sentence?: string;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * Every failure of this package. Express reads `status`; `message` is for the developer: what to do, and what was seen.
 * The message holds no secret of ours. A `cause` is an error of your own hook or store, which may hold anything, or another
 * PortalAuthError. The errors of the protocol library, which carry whole token answers, are never attached.
 */
export class PortalAuthError extends Error {
  /** Always this: errors of another copy of this package have it too. */
  override readonly name = "PortalAuthError";
  /** Stable name of what happened. */
  readonly code: PortalAuthErrorCode;
  /** HTTP status of the answer; Express uses it as well when the error reaches its error handlers. */
  readonly status: number;
  /** What the person is told. */
  readonly sentence: string;
  /** What the developer should do. */
  readonly hint: string;
  /** What exactly was seen, if there is more to say. */
  readonly detail: string | undefined;
  /**
   * What the provider said about it: its `error_description` (RFC 6749, sections 4.1.2.1 and 5.2), in one printable line of
   * at most 300 characters, without secrets. Anybody can write the one at the callback: show it as text only, if at all.
   */
  readonly providerDescription: string | undefined;
  /** Seconds for which the provider has asked not to be asked again, at most 60. It is the Retry-After of the answer. */
  readonly retryAfter: number | undefined;
  /** Parameters of its challenge (RFC 6750, section 3; RFC 9470, section 3), if there is more to say than that one must sign in. */
  readonly challenge: Readonly<Record<string, string>> | undefined;
  /** Headers of the answer, for Express's own error handling as for ours. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: PortalAuthErrorCode, options: PortalAuthErrorOptions = {}) {
    const { status, sentence, hint } = ERRORS[code];
    super(hint + formatDetail(options), "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.status = status;
    this.sentence = options.sentence ?? sentence;
    this.hint = hint;
    this.detail = options.detail;
    this.providerDescription = options.providerDescription;
    this.retryAfter = options.retryAfter;
    this.challenge = options.challenge;
    this.headers = createErrorHeaders(status, options);
    // all of it stands in the message; Node.js prints what is enumerable a second time, below the stack
    for (const part of [
      "sentence",
      "hint",
      "detail",
      "providerDescription",
      "retryAfter",
      "challenge",
      "headers",
    ])
      Object.defineProperty(this, part, { enumerable: false });
  }
}

/** What was seen, behind the hint. A detail of several lines is a list, which follows as it is. */
function formatDetail({ detail, providerDescription }: PortalAuthErrorOptions): string {
  if (detail?.includes("\n")) return detail;
  const said = providerDescription && `the provider says "${providerDescription}"`;
  const seen = [detail, said].filter(Boolean).join(": ");
  return seen && ` [${seen}]`;
}

/** What a 401 of ours says; also where it hides what another one's would have said. */
export const BEARER_CHALLENGE = 'Bearer realm="portal"';

function createErrorHeaders(
  status: number,
  { challenge, retryAfter }: PortalAuthErrorOptions,
): Record<string, string> {
  // RFC 9110, section 10.2.3: a client that asks again at once helps nobody
  if (status === 503) return { "Retry-After": String(retryAfter ?? RETRY_AFTER_SECONDS) };
  if (status !== 401 && !challenge) return {};
  // section 11.6.1 wants a challenge; RFC 6750, section 3.1: without an error where nothing was sent
  const more = Object.entries({ ...challenge }).map(([name, value]) => `, ${name}="${value}"`);
  return { "WWW-Authenticate": BEARER_CHALLENGE + more.join("") };
}

const EXPECTED_OUTCOMES: readonly string[] = [
  "login_denied",
  "login_ended",
  "login_refused",
  "interaction_needed",
];

/** What becomes of many logins although nothing is wrong: people change their minds, and prompt=none asks in vain. */
export const isExpectedOutcome = (code: string): boolean => EXPECTED_OUTCOMES.includes(code);

/** Every code with its status, sentence and hint, for documentation and tests. */
export const errorDefinitions: Readonly<
  Record<PortalAuthErrorCode, { status: number; sentence: string; hint: string }>
> = ERRORS;
