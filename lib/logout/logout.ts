import { isFormPost, shouldSendPage } from "../answer/client-kind.js";
import { sendInterstitial } from "../answer/interstitial.js";
import { logFailure } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { setResponseHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { clearReloadMark } from "../context/navigation-origin.js";
import { type RevocationFailure, revokeTokens, tryToRevoke } from "../context/revoke-tokens.js";
import {
  getOrigin,
  offerLogin,
  offerRetry,
  type RequestContext,
  type RouterContext,
} from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getPostLogoutUrl, getRouteUrl, getStartPage } from "../http/external-url.js";
import { preventSilentLogin } from "../login/silent-login-cookie.js";
import { buildLogoutUrl } from "../provider/build-logout-url.js";
import { type EndedRequestLogin, endSessionOfRequest } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { type EndedSession, endOtherSessionsOfUser } from "../session/user-sessions.js";
import { withTimeout } from "../util/with-timeout.js";
import {
  callLogoutHooks,
  emitLogout,
  getLogins,
  getRefreshTokens,
  revokeAndCallHooks,
} from "./after-logout.js";
import { createConfirmationFields, isLogoutIntended } from "./logout-intent.js";

/** How long a logout waits for the provider. The session here has already ended then. */
const PROVIDER_TIMEOUT_SECONDS = 5;

/** Removes cached pages, which browsers would show on Back (Clear Site Data, section 3.1). Cookies stay. */
const CLEAR_SITE_DATA = '"cache"';

/** Options of `req.portal.logout()`. */
export interface LogoutOptions {
  /** Whether the user's other sessions with this application end as well, on all devices. Default false. */
  readonly everywhere?: boolean;
}

/** Creates the handler of GET and POST /logout. */
export function createLogoutStep(router: RouterContext) {
  return async function logout(request: RequestContext): Promise<void> {
    if (await isLogoutIntended(router, request.req)) await logOutUser(router, request);
    else await sendConfirmationPage(router, request);
  };
}

/**
 * Ends the session here, then the tokens and the session at the provider, if it is reachable. If the store
 * fails, the response offers to try again, but not to sign in. With `everywhere` the session of this request
 * ends last, so that the user can repeat a logout that failed half-way.
 */
export async function logOutUser(
  router: RouterContext,
  request: RequestContext,
  { everywhere = false }: LogoutOptions = {},
): Promise<void> {
  const { settings } = router;
  const { req, res, mount } = request;
  const reason = everywhere ? "everywhere" : "logout";
  let otherSessions: readonly EndedSession[] = [];
  let ownLogin: EndedRequestLogin | undefined;
  try {
    if (everywhere) {
      const { ended, failure } = await endOtherSessionsOfUser(req, settings);
      otherSessions = ended;
      if (failure) throw failure;
    }
    ownLogin = await endSessionOfRequest(req, res, settings);
  } catch (error) {
    if (otherSessions.length > 0) emitLogout(router, reason, otherSessions.length);
    void revokeAndCallHooks(router, req, reason, otherSessions); // a second attempt will not find them
    return sendErrorResponse(req, res, error, offerRetry(router, request));
  }
  preventSilentLogin(res, settings);
  const otherLogins = getLogins(otherSessions);
  const ownLogins = ownLogin?.isEndedHere ? [ownLogin.login] : [];
  const [providerLogoutUrl] = await Promise.all([
    prepareProviderLogout(router, ownLogin?.login, otherLogins, mount),
    callLogoutHooks(router, req, reason, [...ownLogins, ...otherLogins]),
  ]);
  const details = { had_login: ownLogin !== undefined, at_provider: providerLogoutUrl !== undefined };
  emitLogout(router, reason, otherSessions.length + ownLogins.length, details);
  const nextUrl = providerLogoutUrl ?? getPostLogoutUrl(settings, mount);
  router.loginAttempts.clear({ req, res }, nextUrl);
  await sendLogoutResponse(router, request, nextUrl);
}

/**
 * Redirects the browser to the provider's logout, or to the page after the logout. A script cannot follow a
 * redirect to another site, so it gets the URL as JSON.
 */
async function sendLogoutResponse(
  router: RouterContext,
  { req, res }: RequestContext,
  nextUrl: string,
): Promise<void> {
  res.setHeader("Clear-Site-Data", CLEAR_SITE_DATA);
  if (!shouldSendPage(req)) {
    setResponseHeaders(res);
    return send(res, "application/json", JSON.stringify({ logout_url: nextUrl }));
  }
  const isOtherSite = new URL(nextUrl).origin !== getOrigin(router);
  if (isOtherSite && isFormPost(req)) await sendInterstitial(router.pages, req, res, nextUrl);
  else redirect(res, 303, nextUrl);
}

/**
 * Revokes the refresh token of this session, and then those of the other sessions in the background. Returns
 * the URL that ends the provider's session; undefined if the provider is unreachable or exceeds the timeout.
 */
function prepareProviderLogout(
  router: RouterContext,
  ownLogin: PortalSession | undefined,
  otherLogins: readonly PortalSession[],
  mount: string,
): Promise<string | undefined> {
  const revocation = tryToRevoke(router, ownLogin?.tokens.refresh_token);
  void revokeTokens(router, getRefreshTokens(otherLogins), revocation);
  return withTimeout(
    findProviderLogoutUrl(router, ownLogin, revocation, mount),
    PROVIDER_TIMEOUT_SECONDS * 1000,
    () => undefined,
  );
}

/**
 * Returns the URL of the provider's logout. Waits for the revocation first, because the provider's logout may
 * invalidate the token before. Logs an unreachable provider, unless the failed revocation has logged it.
 */
async function findProviderLogoutUrl(
  router: RouterContext,
  ownLogin: PortalSession | undefined,
  revocation: Promise<RevocationFailure>,
  mount: string,
): Promise<string | undefined> {
  try {
    const provider = await router.getProvider();
    await revocation;
    const postLogoutUrl = getPostLogoutUrl(router.settings, mount);
    return buildLogoutUrl(provider, ownLogin?.tokens.id_token, postLogoutUrl)?.href;
  } catch (error) {
    if (!(error instanceof PortalAuthError)) throw error;
    if ((await revocation) === undefined) logFailure(router.log, error);
    return undefined;
  }
}

/** Asks the user to confirm the logout. A client that does not show pages gets an error instead. */
async function sendConfirmationPage(
  router: RouterContext,
  { req, res, mount }: RequestContext,
): Promise<void> {
  if (!shouldSendPage(req))
    return sendErrorResponse(req, res, new PortalAuthError("logout_unconfirmed"), offerLogin(router, mount));
  clearReloadMark(router, req, res);
  const logoutUrl = getRouteUrl(router.settings, mount, String(router.settings.routes.logout));
  const createFields = () => Object.entries(createConfirmationFields(router, req));
  await router.pages.send(req, res, ({ titles, labels, signOutQuestion }) => ({
    kind: "sign_out",
    title: titles.signOut,
    text: signOutQuestion,
    actions: [
      { label: labels.signOut, post: logoutUrl, fields: createFields() },
      { label: labels.staySignedIn, href: getStartPage(router.settings, mount) },
    ],
  }));
}
