import type { Request } from "express";

/** The longest host name has 253 characters (RFC 1035, section 2.3.4). */
const MAX_URL_CHARACTERS = 300;

/**
 * Returns the host that the browser shows in its address bar, without its port: the value of
 * X-Forwarded-Host, else of Host. Returns "" if the value is not a host. Any client can send these headers,
 * so the result may only choose a message.
 */
export function readBrowserHost(req: Request): string {
  const url = `http://${readForwardedHost(req) || (req.headers.host ?? "")}`;
  return url.length <= MAX_URL_CHARACTERS && URL.canParse(url) ? new URL(url).hostname : "";
}

/** Returns the first value of X-Forwarded-Host, which the outermost proxy wrote; "" without one. */
export function readForwardedHost({ headers }: Request): string {
  const [first = ""] = String(headers["x-forwarded-host"] ?? "").split(",");
  return first.trim();
}
