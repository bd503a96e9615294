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

/** The person is logged out here before the portal is asked for anything; longer than this nobody waits for it. */
const PROVIDER_TIMEOUT_SECONDS = 5;

/** Pages of the user that the browser keeps would be shown on Back (Clear Site Data, section 3.1). Cookies stay. */
const CLEAR_SITE_DATA = '"cache"';

/** What `req.portal.logout()` is told. */
export interface LogoutOptions {
  /** Whether the person's other sessions here end as well, on whichever device. Default false. */
  readonly everywhere?: boolean;
}

/** GET and POST /logout */
export function createLogoutStep(router: RouterContext) {
  return async function logout(request: RequestContext): Promise<void> {
    if (await isLogoutIntended(router, request.req)) await logOutUser(router, request);
    else await sendConfirmationPage(router, request);
  };
}

/**
 * Ends the session here, then the tokens and the session at the provider, as far as it can be reached. If the store fails,
 * the answer offers to try again and no sign-in. With `everywhere` the session of this request ends last, so that the user
 * can repeat a logout that has failed half-way.
 */
export async function logOutUser(
  router: RouterContext,
  request: RequestContext,
  { everywhere = false }: LogoutOptions = {},
): Promise<void> {
  const { settings } = router;
  const { req, res, mount } = request;
  let others: readonly EndedSession[] = [];
  let own: EndedRequestLogin | undefined;
  const reason = everywhere ? "everywhere" : "logout";
  try {
    if (everywhere) {
      const { ended, failure } = await endOtherSessionsOfUser(req, settings);
      others = ended;
      if (failure) throw failure;
    }
    own = await endSessionOfRequest(req, res, settings);
  } catch (error) {
    if (others.length > 0) emitLogout(router, reason, others.length);
    void revokeAndCallHooks(router, req, reason, others); // a second try does not find them any more
    return sendErrorResponse(req, res, error, offerRetry(router, request));
  }
  preventSilentLogin(res, settings);
  const otherLogins = getLogins(others);
  const ownLogins = own?.isEndedHere ? [own.login] : [];
  const [providerLogoutUrl] = await Promise.all([
    prepareProviderLogout(router, own?.login, otherLogins, mount),
    callLogoutHooks(router, req, reason, [...ownLogins, ...otherLogins]),
  ]);
  const details = { had_login: own !== undefined, at_portal: providerLogoutUrl !== undefined };
  emitLogout(router, reason, others.length + ownLogins.length, details);
  const to = providerLogoutUrl ?? getPostLogoutUrl(settings, mount);
  router.loginAttempts.clear({ req, res }, to);
  await sendLogoutResponse(router, request, to);
}

/**
 * Sends the browser to the provider's logout or the page after it. A script cannot follow a redirect to another site, so it
 * gets the address to send the user to.
 */
async function sendLogoutResponse(
  router: RouterContext,
  { req, res }: RequestContext,
  to: string,
): Promise<void> {
  res.setHeader("Clear-Site-Data", CLEAR_SITE_DATA);
  if (!shouldSendPage(req)) {
    setResponseHeaders(res);
    return send(res, "application/json", JSON.stringify({ logout_url: to }));
  }
  const leavesSite = new URL(to).origin !== getOrigin(router);
  if (leavesSite && isFormPost(req)) await sendInterstitial(router.pages, req, res, to);
  else redirect(res, 303, to);
}

/**
 * Revokes the refresh tokens: those of this session first, the others without anybody waiting for them. Gives the address
 * that ends the provider's own session; undefined if the provider cannot be reached or takes too long.
 */
function prepareProviderLogout(
  router: RouterContext,
  ended: PortalSession | undefined,
  others: readonly PortalSession[],
  mount: string,
): Promise<string | undefined> {
  const own = ended?.tokens.refresh_token;
  const revocation = tryToRevoke(router, own);
  void revokeTokens(router, getRefreshTokens(others), revocation);
  return withTimeout(
    findProviderLogoutUrl(router, ended, revocation, mount),
    PROVIDER_TIMEOUT_SECONDS * 1000,
    () => undefined,
  );
}

/**
 * Waits for the revocation, as the provider's own logout may end the token first. A provider that cannot be reached is
 * logged here unless the revocation has failed as well: that has a line of its own.
 */
async function findProviderLogoutUrl(
  router: RouterContext,
  ended: PortalSession | undefined,
  revocation: Promise<RevocationFailure>,
  mount: string,
): Promise<string | undefined> {
  try {
    const provider = await router.getProvider();
    await revocation;
    return buildLogoutUrl(provider, ended?.tokens.id_token, getPostLogoutUrl(router.settings, mount))?.href;
  } catch (error) {
    if (!(error instanceof PortalAuthError)) throw error;
    if ((await revocation) === undefined) logFailure(router.log, error);
    return undefined;
  }
}

/** A person who came from elsewhere is asked; a program is told. */
async function sendConfirmationPage(
  router: RouterContext,
  { req, res, mount }: RequestContext,
): Promise<void> {
  if (!shouldSendPage(req))
    return sendErrorResponse(req, res, new PortalAuthError("logout_unconfirmed"), offerLogin(router, mount));
  clearReloadMark(router, req, res);
  const post = getRouteUrl(router.settings, mount, String(router.settings.routes.logout));
  await router.pages.send(req, res, ({ titles, labels, signOutQuestion }) => ({
    kind: "sign_out",
    title: titles.signOut,
    text: signOutQuestion,
    actions: [
      { label: labels.signOut, post, fields: Object.entries(createConfirmationFields(router, req)) },
      { label: labels.staySignedIn, href: getStartPage(router.settings, mount) },
    ],
  }));
}
