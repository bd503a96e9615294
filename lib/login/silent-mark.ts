import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { silentCookieNames } from "../http/cookie-names.js";
import type { Settings } from "../settings/settings.js";

/**
 * What a browser is known by that may be logged in without being asked: ready, as it has brought this back, and so keeps
 * cookies of ours; or tried, until it is closed.
 */
type Mark = "ready" | "tried";

type Naming = Pick<Settings, "name" | "https">;

export function readMark(req: Request, settings: Naming): Mark | undefined {
  const cookies = parseCookie(req.headers.cookie ?? "");
  const names = silentCookieNames(settings);
  return (["tried", "ready"] as const).find((mark) => cookies[names[mark]] !== undefined);
}

/** It tells nothing of anybody, and whoever changes it changes what happens to themselves. */
export function writeMark(res: Response, settings: Naming, mark: Mark): void {
  const name = silentCookieNames(settings)[mark];
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
export function markTried(res: Response, settings: Pick<Settings, "name" | "https" | "silentLogin">): void {
  if (settings.silentLogin) writeMark(res, settings, "tried");
}
