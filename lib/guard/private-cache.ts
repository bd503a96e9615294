import type { Response } from "express";

const PRIVATE = "private, no-cache";

/** Set when a response starts and its last guard has `cacheControl: false`. */
const IS_LEFT_TO_APPLICATION = Symbol("express-portal-auth not private");

type GuardedResponse = Response & { [IS_LEFT_TO_APPLICATION]?: true };

/**
 * Sets `Cache-Control: private, no-cache` unless the application sets `Cache-Control` or `Expires`. The
 * decision is made when the response starts, because express.static() does not replace an existing
 * Cache-Control. If several guards run, the last one decides: its writeHead is called first. Node.js calls
 * writeHead for every response.
 */
export function makeResponsePrivate(res: GuardedResponse, isEnabled: boolean): void {
  const { writeHead } = res;
  res.writeHead = function writeHeadPrivate(this: Response, ...args: unknown[]) {
    if (!isEnabled) res[IS_LEFT_TO_APPLICATION] = true;
    else if (!hasCacheHeaders(args)) setPrivateUnlessGiven(res);
    return Reflect.apply(writeHead, this, args);
  } as typeof writeHead;
}

function setPrivateUnlessGiven(res: GuardedResponse): void {
  if (res[IS_LEFT_TO_APPLICATION] || res.hasHeader("Cache-Control") || res.hasHeader("Expires")) return;
  res.setHeader("Cache-Control", PRIVATE);
}

/** Returns whether the arguments of writeHead contain caching headers, as an object or a list. */
function hasCacheHeaders(args: readonly unknown[]): boolean {
  const headers = args.find((arg) => typeof arg === "object" && arg !== null);
  const names = Array.isArray(headers) ? headers.flat() : Object.keys(headers ?? {});
  return names.some((name) => /^(cache-control|expires)$/i.test(String(name)));
}
