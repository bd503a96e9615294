import type { Request, Response } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import {
  describeForwarding,
  isForwardedAsHttp,
  isProbablyHttps,
  isVerifiedHttps,
} from "../http/request-scheme.js";
import { getSessionHolder, type PortalAuthInstance } from "./session-holder.js";

/** Each portalAuth() whose session cookie was omitted although X-Forwarded-Proto said https. */
const instancesWithoutCookie = new WeakSet<PortalAuthInstance>();

/**
 * Rejects a login if express-session would not set the session cookie. express-session silently omits a
 * Secure cookie if the request seems to come over http. The user would sign in, lose the session, and the
 * browser would be in a redirect loop.
 *
 * X-Forwarded-Proto is believed here at first, although an application's session may not trust it. If a
 * cookie was omitted nevertheless, isSessionCookieMissing() has seen that, and the header no longer counts.
 *
 * @throws PortalAuthError `proxy_not_trusted`, or `login_over_http` if the browser uses http
 */
export function checkCookieCanBeSet(req: Request, instance: PortalAuthInstance): void {
  const holder = getSessionHolder(req, instance);
  if (holder.session?.cookie?.secure !== true) return;
  const canBeSet = instancesWithoutCookie.has(instance) ? isVerifiedHttps(req) : isProbablyHttps(holder);
  if (canBeSet) return;
  // The proxy is configured correctly: the browser itself uses http.
  if (isForwardedAsHttp(holder)) throw new PortalAuthError("login_over_http");
  throw new PortalAuthError("proxy_not_trusted", { detail: describeForwarding(holder) });
}

/**
 * Returns whether the session cookie is SameSite=Strict. The browser then does not send it when a link on
 * another site leads here (RFC 6265bis, section 5.2).
 */
export function isSameSiteStrict(req: Request, instance: PortalAuthInstance): boolean {
  const sameSite = getSessionHolder(req, instance).session?.cookie?.sameSite;
  return sameSite === true || sameSite === "strict";
}

/**
 * Returns whether the response of a new session has no session cookie, although it needs a Secure one. If so,
 * checkCookieCanBeSet() rejects the following logins. The result is false if Express itself recognizes https.
 */
export function isSessionCookieMissing(req: Request, instance: PortalAuthInstance, res: Response): boolean {
  const holder = getSessionHolder(req, instance);
  if (isVerifiedHttps(req) || holder.session?.cookie?.secure !== true) return false;
  const cookieLines = [res.getHeader("Set-Cookie") ?? []].flat();
  const isMissing = !cookieLines.some((line) =>
    String(line).includes(`=s%3A${encodeURIComponent(holder.sessionID)}.`),
  );
  if (isMissing) instancesWithoutCookie.add(instance);
  return isMissing;
}
