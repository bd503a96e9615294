import type { Response } from "express";

const PRIVATE = "private, no-cache";

/** Set while an answer begins, once its last guard has left the header to the application. */
const IS_LEFT = Symbol("express-portal-auth not private");

type Guarded = Response & { [IS_LEFT]?: true };

/**
 * Makes an answer private unless the application says how it may be cached (`Cache-Control` or `Expires`). It
 * decides when the answer begins, as express.static() leaves a Cache-Control that is there already. If several
 * guards run, the last one decides: its writeHead is called first. Node.js calls writeHead for every answer.
 */
export function keepPrivate(res: Guarded, isWanted: boolean): void {
  const { writeHead } = res;
  res.writeHead = function writeHeadPrivate(this: Response, ...given: unknown[]) {
    if (!isWanted) res[IS_LEFT] = true;
    else if (!namesCaching(given)) addPrivate(res);
    return Reflect.apply(writeHead, this, given);
  } as typeof writeHead;
}

function addPrivate(res: Guarded): void {
  if (res[IS_LEFT] || res.hasHeader("Cache-Control") || res.hasHeader("Expires")) return;
  res.setHeader("Cache-Control", PRIVATE);
}

/** Whether the application hands headers on caching to writeHead itself, as an object or a list. */
function namesCaching(given: readonly unknown[]): boolean {
  const headers = given.find((one) => typeof one === "object" && one !== null);
  const names = Array.isArray(headers) ? headers.flat() : Object.keys(headers ?? {});
  return names.some((name) => /^(cache-control|expires)$/i.test(String(name)));
}
