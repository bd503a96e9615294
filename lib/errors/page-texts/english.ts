import type { Words } from "./words.js";

export const ENGLISH: Words = {
  lang: "en",
  sentences: {
    options_invalid: "Sign-in is not set up correctly on this site.",
    portal_auth_missing: "Sign-in is not set up correctly on this site.",
    request_not_express: "Something went wrong on this site. Please try again.",
    tenant_unknown: "No page was found at this address.",
    authorization_params_invalid: "Sign-in is not set up correctly on this site.",
    proxy_not_trusted: "Sign-in is not set up correctly on this site.",
    login_initiation_invalid: "This sign-in link does not belong to this site.",
    login_required: "Please sign in to continue.",
    navigation_required: "Please open this address in your browser.",
    callback_invalid: "This sign-in link is incomplete. Please sign in again.",
    login_not_found: "This sign-in was not started on this site. Please sign in again.",
    login_expired: "This sign-in took too long. Please sign in again.",
    login_cookies_blocked:
      "We could not finish signing you in because your browser did not save a cookie. Please allow cookies " +
      "for this site and sign in again.",
    login_cookie_lost:
      "We could not finish signing you in because a cookie is missing. Please sign in again.",
    login_cookie_changed:
      "This site could not save a cookie that it needs to sign you in. Please try again later.",
    login_overwritten: "Another sign-in in this browser replaced this one. Please sign in again.",
    login_in_other_browser:
      "This sign-in was started in another browser. Please continue there, or sign in again here.",
    login_secret_changed: "This site was updated while you were signing in. Please sign in again.",
    login_over_http: "This sign-in did not start over a secure connection. Please sign in again.",
    login_cookies_strict:
      "We could not finish signing you in because your browser did not send a cookie. Please sign in again.",
    login_on_other_host:
      "This sign-in was started at another address of this site. Please sign in again here.",
    login_in_frame: "This site cannot sign you in inside another page. Please open it in its own window.",
    login_state_reused: "This sign-in was already used in another browser. Please sign in again.",
    session_not_saved:
      "You have signed in, but this site could not keep you signed in. Please try again in a moment.",
    login_ended: "You were signed out while you were signing in. Please sign in again.",
    login_denied: "Sign-in was cancelled or denied.",
    login_refused: "You are signed in, but this account does not have access to this site.",
    authorization_refused: "The sign-in service did not accept the request. Please try again.",
    interaction_needed: "The sign-in service needs you to sign in again.",
    issuer_mismatch: "Sign-in is not set up correctly on this site.",
    response_issuer_mismatch:
      "The response to this sign-in came from an unexpected sign-in service. Please sign in again.",
    discovery_invalid: "The sign-in service is not available right now. Please try again later.",
    portal_unreachable: "The sign-in service cannot be reached right now. Please try again in a moment.",
    portal_timeout: "The sign-in service is taking too long to respond. Please try again in a moment.",
    portal_failed: "The sign-in service is having problems. Please try again in a moment.",
    portal_answer_invalid:
      "The sign-in service sent a response that this site does not understand. Please try again later.",
    client_unknown: "Sign-in is not set up correctly on this site.",
    client_refused: "Sign-in could not be completed. Please sign in again.",
    code_refused: "This sign-in has already been used or has expired. Please sign in again.",
    grant_type_refused: "Sign-in is not set up correctly on this site.",
    token_refused: "Sign-in could not be completed. Please sign in again.",
    id_token_missing: "The sign-in service did not confirm who you are. Please sign in again.",
    id_token_invalid: "The response of the sign-in service could not be verified. Please sign in again.",
    id_token_signature_invalid:
      "The response of the sign-in service could not be verified. Please sign in again.",
    nonce_mismatch:
      "The response of the sign-in service does not belong to this sign-in. Please sign in again.",
    session_missing: "This site could not save your sign-in. Please try again in a moment.",
    session_store_failed: "This site could not save your sign-in. Please try again in a moment.",
    insufficient_scope: "You are signed in, but you do not have access to this page.",
    not_permitted: "You are signed in, but you do not have access to this page.",
    insufficient_user_authentication: "This page requires a stronger or more recent sign-in.",
    logout_unconfirmed: "Please confirm that you want to sign out.",
    logout_token_invalid: "This sign-out request could not be verified.",
    logout_request_invalid: "This sign-out request could not be verified.",
    cross_site_refused: "This request did not come from this site, so it was blocked.",
    tokens_unreadable: "Please sign in to continue.",
    token_expired: "Please sign in again to continue.",
    refresh_refused: "Your session has ended. Please sign in again.",
    refresh_identity_mismatch: "Your session has ended. Please sign in again.",
    refresh_failed: "Your session could not be renewed right now. Please try again in a moment.",
    origin_not_allowed: "Something went wrong on this site. Please try again.",
    proxy_request_refused: "This address cannot be opened.",
    proxy_body_consumed: "Something went wrong on this site. Please try again.",
    upstream_unreachable: "Part of this site cannot be reached right now. Please try again in a moment.",
    upstream_timeout: "Part of this site is taking too long to respond. Please try again in a moment.",
    userinfo_missing: "Something went wrong on this site. Please try again.",
    userinfo_refused: "The sign-in service did not return your details. Please try again later.",
    userinfo_invalid: "The response of the sign-in service could not be verified. Please try again later.",
    userinfo_subject_mismatch:
      "The response of the sign-in service could not be verified. Please try again later.",
    hook_failed: "Something went wrong on this site while you were signing in. Please try again.",
    revocation_failed: "You are signed out of this site.",
    unexpected: "Something went wrong on this site. Please try again.",
  },
  titles: {
    signInCancelled: "Not signed in",
    signInFailed: "Sign-in failed",
    signInNeeded: "Please sign in",
    notNow: "Temporarily unavailable",
    notOpen: "Access denied",
    didNotWork: "Something went wrong",
    signOut: "Sign out?",
    redirecting: "Redirecting…",
    sendForm: "Submit your form?",
    noForm: "No form to submit",
  },
  labels: {
    signIn: "Sign in",
    signInAgain: "Sign in again",
    tryAgain: "Try again",
    startPage: "Go to the start page",
    signOut: "Sign out",
    staySignedIn: "Stay signed in",
    continue: "Continue",
    sendNow: "Submit the form",
    doNotSend: "Discard the form",
    request: "request",
  },
  signOutQuestion:
    "You did not click a link or a button on this site to get here, so you have not been signed out.",
  formNotSent: "The data that you submitted was not saved. Please submit it again after you sign in.",
  formQuestion:
    "Your session ended before your form was submitted, so this site saved the form. " +
    "You are now signed in as {name}.",
  formGone:
    "The form was already submitted, or its time limit has passed. " +
    "If it was not submitted, please fill it in again.",
};
