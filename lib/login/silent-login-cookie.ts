import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { getSilentCookieNames } from "../http/cookie-names.js";
import type { Settings } from "../settings/settings.js";

/**
 * What a browser is known by that may be logged in without being asked: ready, as it has brought this back, and so keeps
 * cookies of ours; or tried, until it is closed.
 */
type SilentLoginState = "ready" | "tried";

type CookieSettings = Pick<Settings, "name" | "https">;

export function readSilentLoginState(req: Request, settings: CookieSettings): SilentLoginState | undefined {
  const cookies = parseCookie(req.headers.cookie ?? "");
  const names = getSilentCookieNames(settings);
  return (["tried", "ready"] as const).find((mark) => cookies[names[mark]] !== undefined);
}

/** It tells nothing of anybody, and whoever changes it changes what happens to themselves. */
export function writeSilentLoginState(res: Response, settings: CookieSettings, mark: SilentLoginState): void {
  const name = getSilentCookieNames(settings)[mark];
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
 * Nobody is asked for silently any more, in this session of the browser. Who signs out is not to be signed in again by the
 * next page; nor is somebody whose login has ended by itself, as its limits would be none.
 */
export function preventSilentLogin(
  res: Response,
  settings: Pick<Settings, "name" | "https" | "silentLogin">,
): void {
  if (settings.silentLogin) writeSilentLoginState(res, settings, "tried");
}
