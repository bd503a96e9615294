import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { getSilentCookieNames } from "../http/cookie-names.js";
import type { Settings } from "../settings/settings.js";

/**
 * Whether a browser may get a silent login. "ready": it has sent a cookie of ours back, so it keeps cookies.
 * "tried": it gets no silent login until the user closes it.
 */
type SilentLoginState = "ready" | "tried";

type CookieSettings = Pick<Settings, "name" | "https">;

/**
 * Returns the state in this request's cookies; undefined if it has none. If both are set, "tried" takes
 * precedence.
 */
export function readSilentLoginState(req: Request, settings: CookieSettings): SilentLoginState | undefined {
  const cookies = parseCookie(req.headers.cookie ?? "");
  const names = getSilentCookieNames(settings);
  return (["tried", "ready"] as const).find((state) => cookies[names[state]] !== undefined);
}

/**
 * Sets the session cookie of a state. It contains no data of the user, and is not signed: a user who changes
 * it only changes the user's own logins.
 */
export function writeSilentLoginState(
  res: Response,
  settings: CookieSettings,
  state: SilentLoginState,
): void {
  const name = getSilentCookieNames(settings)[state];
  const cookie = {
    name,
    value: "1",
    path: "/",
    httpOnly: true,
    secure: settings.https,
    sameSite: "lax",
  } as const;
  res.appendHeader("Set-Cookie", stringifySetCookie(cookie));
}

/**
 * Prevents silent logins in this browser until the user closes it: sets the cookie of the state "tried". If
 * the option `silentLogin` is off, nothing happens. A user who signs out must not be signed in again by the
 * next page. A login that has expired must not be renewed silently, because its limits would have no effect.
 */
export function preventSilentLogin(
  res: Response,
  settings: Pick<Settings, "name" | "https" | "silentLogin">,
): void {
  if (settings.silentLogin) writeSilentLoginState(res, settings, "tried");
}
