import type { Request, Response } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import {
  describeForwarding,
  isForwardedAsHttp,
  isProbablyHttps,
  isVerifiedHttps,
} from "../http/request-scheme.js";
import { getSessionHolder, type PortalAuthInstance } from "./session-holder.js";

/**
 * Checks that express-session will set the session cookie. It omits a Secure cookie silently if it takes a
 * request for plain http. The login would then succeed, the session would be lost, and the browser would be
 * in a redirect loop. X-Forwarded-Proto counts here, although an application's session may not trust it. If
 * it did not, sessionCookieIsMissing() sees that afterwards, and the next login fails here.
 *
 * @throws PortalAuthError `proxy_not_trusted`; `login_over_http` if the user has come by http
 */
export function checkCookieCanBeSet(on: Request, instance: PortalAuthInstance): void {
  const req = getSessionHolder(on, instance);
  if (req.session?.cookie?.secure !== true) return;
  const canBeSet = instancesWithoutCookie.has(instance) ? isVerifiedHttps(on) : isProbablyHttps(req);
  if (canBeSet) return;
  if (isForwardedAsHttp(req)) throw new PortalAuthError("login_over_http"); // the proxy is configured correctly
  throw new PortalAuthError("proxy_not_trusted", { detail: describeForwarding(req) });
}

/** Each portalAuth() whose session cookie was omitted although X-Forwarded-Proto said https. */
const instancesWithoutCookie = new WeakSet<PortalAuthInstance>();

/**
 * Whether the browser keeps this session's cookie to itself when another site leads here (RFC 6265bis,
 * section 5.2).
 */
export function isSameSiteStrict(req: Request, instance: PortalAuthInstance): boolean {
  const sameSite = getSessionHolder(req, instance).session?.cookie?.sameSite;
  return sameSite === true || sameSite === "strict";
}

/** Whether a response that begins a session has no session cookie. False if Express knows of https. */
export function isSessionCookieMissing(on: Request, instance: PortalAuthInstance, res: Response): boolean {
  const req = getSessionHolder(on, instance);
  if (isVerifiedHttps(on) || req.session?.cookie?.secure !== true) return false;
  const lines = [res.getHeader("Set-Cookie") ?? []].flat();
  const isMissing = !lines.some((line) =>
    String(line).includes(`=s%3A${encodeURIComponent(req.sessionID)}.`),
  );
  if (isMissing) instancesWithoutCookie.add(instance);
  return isMissing;
}
