import { isUserNavigation } from "../answer/client-kind.js";
import { logFailure } from "../answer/log.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { getRequestUrl } from "../http/external-url.js";
import type { Provider } from "../provider/discovery.js";
import { readSession } from "../session/request-session.js";
import { isSameSiteStrict } from "../session/session-cookie.js";
import { withTimeout } from "../util/with-timeout.js";
import { isOwnRoute } from "./is-own-route.js";
import { startLogin } from "./login.js";
import { preventSilentLogin, readSilentLoginState, writeSilentLoginState } from "./silent-login-cookie.js";

/** The user has not requested this login, and must not wait long for it. */
const DISCOVERY_TIMEOUT_MS = 2000;
/** After a failed discovery, no silent login is tried for this time. */
const PROVIDER_PAUSE_MS = 30_000;

/**
 * Tries a silent login. A failure is logged, and not thrown.
 *
 * - It resolves to true if the browser was redirected to the provider.
 * - It resolves to false if that failed. Then the caller sends the page.
 * - It returns undefined if no silent login is tried. The response may get the cookie of the state "ready".
 */
export type SilentLogin = (request: RequestContext) => Promise<boolean> | undefined;

/**
 * Creates the silent login of one portalAuth(). It redirects a visitor's browser to the provider once, with
 * `prompt=none` (OpenID Connect Core 1.0, section 3.1.2.1). The provider signs the user in without a page, or
 * returns an error.
 *
 * Only browsers that load a page and say so by Fetch Metadata are redirected. Programs and most crawlers do
 * not send these headers. The browser must also have sent a cookie of ours back, because a browser that keeps
 * no cookies would be redirected for ever.
 *
 * After a failed discovery, no silent login is tried for 30 s.
 */
export function createSilentLogin(router: RouterContext): SilentLogin {
  const { settings, getProvider, log } = router;
  let pausedUntil = 0;

  async function isProviderReady(): Promise<boolean> {
    try {
      return supportsPromptNone(await withTimeout(getProvider(), DISCOVERY_TIMEOUT_MS, throwTimeout));
    } catch (error) {
      // All requests that waited fail at once. One line in the log is enough.
      if (performance.now() >= pausedUntil) logFailure(log, toPortalAuthError(error));
      pausedUntil = performance.now() + PROVIDER_PAUSE_MS;
      return false;
    }
  }

  async function tryLogin(request: RequestContext, returnTo: string): Promise<boolean> {
    if (!(await isProviderReady())) return false;
    try {
      const options = { returnTo, authorizationParams: { prompt: "none" } };
      await startLogin(router, request, options, { isSilent: true });
      return true;
    } catch (error) {
      // The user still gets the page. Another try would fail for the same reason.
      preventSilentLogin(request.res, settings);
      logFailure(log, toPortalAuthError(error));
      return false;
    }
  }

  return function loginSilently(request) {
    const { req, res, mount } = request;
    if (!isUserNavigation(req) || readSession(req, settings)) return undefined;
    // The user must come back to exactly this page. If its URL is too long for that, no login is tried.
    const returnTo = getRequestUrl(settings, mount, req, "");
    if (returnTo === "" || isOwnRoute(settings, mount, returnTo)) return undefined;
    // Browsers omit a SameSite=Strict cookie if another site leads here, so the user may be signed in.
    if (isSameSiteStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return undefined;
    const state = readSilentLoginState(req, settings);
    if (state === undefined) writeSilentLoginState(res, settings, "ready");
    const canTry = state === "ready" && performance.now() >= pausedUntil;
    return canTry ? tryLogin(request, returnTo) : undefined;
  };
}

function throwTimeout(): never {
  throw new PortalAuthError("portal_timeout", {
    detail: `discovery, for a silent login: over ${DISCOVERY_TIMEOUT_MS} ms`,
  });
}

/**
 * Returns whether the provider supports `prompt=none`. A provider that does not list prompt values is assumed
 * to support it (Initiating User Registration via OpenID Connect 1.0, section 4).
 */
function supportsPromptNone({ metadata }: Provider): boolean {
  const { prompt_values_supported: supported } = metadata;
  return !Array.isArray(supported) || supported.includes("none");
}
