import { createHeaderSetter } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { readQuery } from "../http/parameters.js";
import type { Provider } from "../provider/discovery.js";
import { isIssuerOfProvider } from "../provider/is-issuer-of-provider.js";
import { discardNewSession } from "../session/end-session.js";
import { endSessionsForProvider } from "../session/user-sessions.js";
import type { Settings } from "../settings/settings.js";
import { epochSeconds } from "../util/time.js";
import { finishProviderLogout } from "./after-logout.js";

/** The page is the same for known and unknown sessions, so that a page that frames it learns nothing. */
const FRAME_HTML = '<!doctype html><html lang="en"><title>Sign-out request processed</title>';

/**
 * Creates the handler of GET /frontchannel-logout, which the provider loads in a frame (OpenID Connect
 * Front-Channel Logout 1.0, section 2). Browsers send no cookie of this site in a frame of another site.
 * Therefore the handler finds the session by `sid`, the id of the provider's session. It cannot be guessed.
 * Without `sid` no session ends, because any site can frame this URL.
 */
export function createFrontChannelStep(router: RouterContext) {
  return async function frontChannelLogout({ req, res }: RequestContext): Promise<void> {
    const { settings } = router;
    discardNewSession(req, settings);
    const { iss, sid } = readParameters(readQuery(req));
    // The logout works without the provider's discovery document, too.
    const provider = await router.getProvider().catch(() => undefined);
    if (!isIssuerOfProvider(provider, settings, iss))
      throw createRequestError("iss is not the issuer of the provider");
    const iat = epochSeconds(settings.clock); // a login with a later ID token does not end
    const outcome = await endSessionsForProvider(req, settings, { reason: "frontchannel", sid, iat }, true);
    finishProviderLogout(router, req, "frontchannel", outcome);
    createHeaderSetter({}, getProviderOrigins(settings, provider))(res);
    send(res, "text/html; charset=utf-8", FRAME_HTML);
  };
}

/** Returns the origins whose pages may frame the response: of the issuer, and of the provider's logout. */
function getProviderOrigins({ issuer }: Settings, provider: Provider | undefined): string[] {
  const urls = [issuer, provider?.metadata.end_session_endpoint];
  return [...new Set(urls.flatMap((url) => (url === undefined ? [] : [new URL(url).origin])))];
}

/** @throws PortalAuthError `logout_request_invalid` */
function readParameters(query: URLSearchParams): { readonly iss: string; readonly sid: string } {
  const sids = query.getAll("sid");
  const issuers = query.getAll("iss");
  const [sid] = sids;
  const [iss] = issuers;
  if (!sid || iss === undefined || sids.length > 1 || issuers.length > 1)
    throw createRequestError("iss and sid must each be present exactly once");
  if (sid.length > MAX_SID_LENGTH)
    throw createRequestError(`sid is longer than ${MAX_SID_LENGTH} characters`);
  return { iss, sid };
}

const MAX_SID_LENGTH = 255;

const createRequestError = (detail: string) => new PortalAuthError("logout_request_invalid", { detail });
