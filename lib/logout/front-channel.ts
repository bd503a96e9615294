import { createHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import type { Parts, Visit } from "../context/router-context.js";
import { epochSeconds } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { readQuery } from "../http/parameters.js";
import type { Portal } from "../provider/discovery.js";
import { namesProvider } from "../provider/is-issuer-of-provider.js";
import { dropNewSession } from "../session/end-session.js";
import { endAsProviderSays } from "../session/user-sessions.js";
import type { Settings } from "../settings/settings.js";
import { afterProviderLogout } from "./after-logout.js";

/** The same whether the session is known or not, so that no page that frames it can find out which. */
const FRAME = '<!doctype html><html lang="en"><title>Sign-out request processed</title>';

/**
 * GET /frontchannel-logout, in a frame of the portal's (OpenID Connect Front-Channel Logout 1.0, section 2). In a frame of
 * another site browsers send no cookie of ours: so the session is found by the portal's own, `sid`, which nobody can guess;
 * and without it nobody is logged out, as any site can frame this.
 */
export function frontChannelStep(parts: Parts) {
  return async function frontChannelLogout({ req, res }: Visit): Promise<void> {
    const { settings } = parts;
    dropNewSession(req, settings);
    const { iss, sid } = readParameters(readQuery(req));
    const portal = await parts.getPortal().catch(() => undefined); // the provider's session ends without its document, too
    if (!namesProvider(portal, settings, iss)) throw invalid("iss is not the issuer of the provider");
    const iat = epochSeconds(settings.clock); // a login with a later ID token is another one
    const outcome = await endAsProviderSays(req, settings, { reason: "frontchannel", sid, iat }, true);
    afterProviderLogout(parts, req, "frontchannel", outcome);
    createHeaders({}, providersOrigins(settings, portal))(res);
    send(res, "text/html; charset=utf-8", FRAME);
  };
}

/** The origins whose pages may frame the answer: that of the issuer, and that of the provider's logout. */
function providersOrigins({ issuer }: Settings, portal: Portal | undefined): string[] {
  const addresses = [issuer, portal?.metadata.end_session_endpoint];
  return [
    ...new Set(addresses.flatMap((address) => (address === undefined ? [] : [new URL(address).origin]))),
  ];
}

/** @throws PortalAuthError `logout_request_invalid` */
function readParameters(query: URLSearchParams): { readonly iss: string; readonly sid: string } {
  const sids = query.getAll("sid");
  const issuers = query.getAll("iss");
  const [sid] = sids;
  const [iss] = issuers;
  if (!sid || iss === undefined || sids.length > 1 || issuers.length > 1)
    throw invalid("iss and sid must each be there once");
  if (sid.length > LONGEST) throw invalid(`sid is longer than ${LONGEST} characters`);
  return { iss, sid };
}

const LONGEST = 255;

const invalid = (detail: string) => new PortalAuthError("logout_request_invalid", { detail });
