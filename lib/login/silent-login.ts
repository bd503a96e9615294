import { isUserNavigation } from "../answer/client-kind.js";
import { logFailure } from "../answer/log.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { getRequestUrl } from "../http/external-url.js";
import type { Provider } from "../provider/discovery.js";
import { readSession } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";
import { withinTime } from "../util/with-timeout.js";
import { isOwnRoute } from "./is-own-route.js";
import { startLogin } from "./login.js";
import { preventSilentLogin, readSilentLoginState, writeSilentLoginState } from "./silent-login-cookie.js";

/** Nobody has asked for this login, so nobody waits for it. */
const DISCOVERY_TIMEOUT_MS = 2000;
/** A portal that could not be asked is left alone for so long. */
const PROVIDER_PAUSE_MS = 30_000;

/** Resolves to whether the request was answered; undefined where there is nothing to try. */
export type SilentLogin = (request: RequestContext) => Promise<boolean> | undefined;

/**
 * Sends a visitor's browser to the portal once, to ask who they are without asking them anything (`prompt=none`, OpenID
 * Connect Core 1.0, section 3.1.2.1). Only browsers that load a page, and say so by Fetch Metadata, which programs and most
 * crawlers do not; and only those that have brought a cookie of ours back: one that keeps none would go in circles.
 */
export function createSilentLogin(router: RouterContext): SilentLogin {
  const { settings, getProvider, log } = router;
  let pausedUntil = 0;

  async function canBeAsked(): Promise<boolean> {
    try {
      return supportsPromptNone(await withinTime(getProvider(), DISCOVERY_TIMEOUT_MS, throwTimeout));
    } catch (error) {
      if (performance.now() >= pausedUntil) logFailure(log, toPortalAuthError(error)); // and not for each of those who waited
      pausedUntil = performance.now() + PROVIDER_PAUSE_MS;
      return false;
    }
  }

  async function attempt(request: RequestContext, back: string): Promise<boolean> {
    if (!(await canBeAsked())) return false;
    try {
      await startLogin(
        router,
        request,
        { returnTo: back, authorizationParams: { prompt: "none" } },
        { silent: true },
      );
      return true;
    } catch (error) {
      preventSilentLogin(request.res, settings); // the page is there all the same, and whatever failed would fail again
      logFailure(log, toPortalAuthError(error));
      return false;
    }
  }

  return function loginSilently(request) {
    const { req, res, mount } = request;
    if (!isUserNavigation(req) || readSession(req, settings)) return undefined;
    const back = getRequestUrl(settings, mount, req, ""); // who is sent away must come back to the very page
    if (back === "" || isOwnRoute(settings, mount, back)) return undefined;
    // a SameSite=Strict session has stayed away, as another site has led here
    if (isStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return undefined;
    const mark = readSilentLoginState(req, settings);
    if (mark === undefined) writeSilentLoginState(res, settings, "ready");
    return mark === "ready" && performance.now() >= pausedUntil ? attempt(request, back) : undefined;
  };
}

function throwTimeout(): never {
  throw new PortalAuthError("portal_timeout", {
    detail: `discovery, for a silent login: over ${DISCOVERY_TIMEOUT_MS} ms`,
  });
}

/** Believed of a portal that does not say (Initiating User Registration via OpenID Connect 1.0, section 4). */
function supportsPromptNone({ metadata }: Provider): boolean {
  const { prompt_values_supported: known } = metadata;
  return !Array.isArray(known) || known.includes("none");
}
