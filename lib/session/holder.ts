import type { Request } from "express";

/** One of several portalAuth() in an application; undefined for the one that needs no name. */
export interface Instance {
  readonly name: string | undefined;
}

const HOLDERS = Symbol("express-portal-auth sessions");

type Holding = Request & { [HOLDERS]?: Record<string, Request> };

/**
 * The request as the session of this portalAuth() hangs on it. That is the request itself, and `req.session`, unless the
 * portalAuth() has a name: then it is a second view of the same request, so that express-session can put another session
 * on it beside the application's.
 */
export function holderOf(req: Request, { name }: Instance): Request {
  if (name === undefined) return req;
  return (req as Holding)[HOLDERS]?.[name] ?? addHolder(req, name);
}

/** All that sessions hang on in a request: its own place, and one for each portalAuth() with a name that has met it. */
export const holdersOf = (req: Request): Request[] => [req, ...Object.values((req as Holding)[HOLDERS] ?? {})];

function addHolder(req: Request, name: string): Request {
  const none = { value: undefined, writable: true, configurable: true };
  const holder: Request = Object.create(req, { session: none, sessionID: none, sessionStore: none });
  const holding = req as Holding;
  holding[HOLDERS] ??= Object.create(null) as Record<string, Request>;
  holding[HOLDERS][name] = holder;
  return holder;
}
