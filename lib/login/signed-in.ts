import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import {
  bounce,
  forgetBounce,
  isBounceKept,
  isFetchMetadataSent,
  isLedByOwnPage,
  keepBounce,
  mayLackStrictCookies,
} from "../context/navigation-origin.js";
import type { Parts, Visit } from "../context/router-context.js";
import { epochSeconds } from "../contract/clock.js";
import { readQuery } from "../http/parameters.js";
import { dropNewSession } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { readSession } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";
import { landingPage } from "./landing-page.js";
import { type LoginStrength, settleStrength } from "./strength.js";
import { weaknessBy } from "./weakness.js";

/** What the query of the login route asks for. */
interface Wanted extends LoginStrength {
  readonly returnTo?: string;
}

/**
 * In the address of the login route: another site led to it, and our interstitial page has loaded it anew.
 */
const ELSEWHERE = "elsewhere";

/** A longer query is dropped: a response header has to carry it. */
const LONGEST_QUERY = 3000;

/**
 * Answers the login route if the user is signed in already and no page of this site sent the request. The
 * user goes on to the return address, and the session stays as it is: a link on another site must not
 * replace it. A login that must be stronger than the one of the session begins all the same.
 *
 * @returns whether the request was answered
 */
export async function answerSignedIn(parts: Parts, visit: Visit, options: Wanted): Promise<boolean> {
  const { req, res, mount } = visit;
  const { settings } = parts;
  const query = readQuery(req);
  if (isLedByOwnPage(parts, req) && !query.has(ELSEWHERE)) return false;
  const session = readSession(req, settings);
  // If a redirect was followed already, a script on the return address asks for a login, and gets one.
  if (session && !isBounceKept(parts, req) && isEnough(parts, req, session, options)) {
    keepBounce(parts, req, res);
    redirect(res, 303, landingPage(settings, mount, options.returnTo));
    return true;
  }
  forgetBounce(parts, req, res);
  if (session) return false;
  if (!isStrict(req, settings) || !mayLackStrictCookies(req) || query.has(ELSEWHERE)) return false;
  dropNewSession(req, settings);
  await bounce(parts, req, res, sameAddress(query));
  return true;
}

/** Tells whether the login of a session is as strong as the one that is asked for. */
function isEnough({ settings }: Parts, req: Request, session: PortalSession, options: Wanted): boolean {
  const weakness = weaknessBy(settleStrength("login", options))?.(session, settings);
  if (weakness) return false;
  // A page whose accessToken() failed sends the user here. An old browser does not say that it was a page
  // of this site, and would be sent back to that page again and again.
  return isFetchMetadataSent(req) || hasUsableTokens(session, epochSeconds(settings.clock));
}

const hasUsableTokens = ({ tokens }: PortalSession, nowSeconds: number): boolean =>
  tokens.refresh_token !== undefined || nowSeconds < (tokens.expires_at ?? Number.POSITIVE_INFINITY);

/** The same address, relative to itself: a proxy may have removed a prefix from it. */
function sameAddress(query: URLSearchParams): string {
  const marked = new URLSearchParams(query);
  marked.set(ELSEWHERE, "1");
  return `?${String(marked).length > LONGEST_QUERY ? `${ELSEWHERE}=1` : marked}`;
}
