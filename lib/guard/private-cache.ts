import type { Response } from "express";

const PRIVATE = "private, no-cache";

const IS_WANTED = Symbol("express-portal-auth private");

/** An answer whose header is decided when it begins, and what the last guard has said. */
type Decided = Response & { [IS_WANTED]?: boolean };

/**
 * Makes an answer private unless the application says how it may be cached (`Cache-Control` or `Expires`). It decides when
 * the answer begins, as express.static() leaves a Cache-Control that is there already. If several guards run, the last one
 * decides.
 */
export function keepPrivate(res: Decided, isWanted: boolean): void {
  const isFirst = res[IS_WANTED] === undefined;
  res[IS_WANTED] = isWanted;
  if (isFirst) beforeHeaders(res, () => addPrivate(res));
}

function addPrivate(res: Decided): void {
  if (res[IS_WANTED] !== true || res.hasHeader("Cache-Control") || res.hasHeader("Expires")) return;
  res.setHeader("Cache-Control", PRIVATE);
}

/** Node.js calls writeHead for every answer, also where the application does not. */
function beforeHeaders(res: Response, act: () => void): void {
  const { writeHead } = res;
  res.writeHead = function writeHeadPrivate(this: Response, ...given: unknown[]) {
    if (!namesCaching(given)) act();
    return Reflect.apply(writeHead, this, given);
  } as typeof writeHead;
}

/** Whether the application hands headers on caching to writeHead itself, as an object or a list. */
function namesCaching(given: readonly unknown[]): boolean {
  const headers = given.find((one) => typeof one === "object" && one !== null);
  const names = Array.isArray(headers) ? headers.flat() : Object.keys(headers ?? {});
  return names.some((name) => /^(cache-control|expires)$/i.test(String(name)));
}
