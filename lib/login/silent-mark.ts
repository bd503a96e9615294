import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { silentCookieName } from "../cookie-names.js";
import type { Settings } from "../settings/settings.js";

/**
 * What a browser is known by that may be logged in without being asked: ready, as it has brought this back, and so keeps
 * cookies; or tried, until it is closed.
 */
type Mark = "ready" | "tried";

type Naming = Pick<Settings, "name" | "https">;

export function readMark(req: Request, settings: Naming): Mark | undefined {
  const value = parseCookie(req.headers.cookie ?? "")[silentCookieName(settings)];
  return value === "ready" || value === "tried" ? value : undefined;
}

/** It tells nothing of anybody, and whoever changes it changes what happens to themselves. */
export function writeMark(res: Response, settings: Naming, value: Mark): void {
  const name = silentCookieName(settings);
  const cookie = { name, value, path: "/", httpOnly: true, secure: settings.https, sameSite: "lax" } as const;
  res.appendHeader("Set-Cookie", stringifySetCookie(cookie));
}

/** Who signs out is not to be signed in again by the next page. */
export function markSignedOut(res: Response, settings: Pick<Settings, "name" | "https" | "silentLogin">): void {
  if (settings.silentLogin) writeMark(res, settings, "tried");
}
