import type { Response } from "express";

const PRIVATE = "private, no-cache";

/** Set while an answer begins, once its last guard has left the header to the application. */
const IS_LEFT_TO_APPLICATION = Symbol("express-portal-auth not private");

type GuardedResponse = Response & { [IS_LEFT_TO_APPLICATION]?: true };

/**
 * Makes an answer private unless the application says how it may be cached (`Cache-Control` or `Expires`). It
 * decides when the answer begins, as express.static() leaves a Cache-Control that is there already. If several
 * guards run, the last one decides: its writeHead is called first. Node.js calls writeHead for every answer.
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

/** Whether the application hands headers on caching to writeHead itself, as an object or a list. */
function hasCacheHeaders(args: readonly unknown[]): boolean {
  const headers = args.find((one) => typeof one === "object" && one !== null);
  const names = Array.isArray(headers) ? headers.flat() : Object.keys(headers ?? {});
  return names.some((name) => /^(cache-control|expires)$/i.test(String(name)));
}
