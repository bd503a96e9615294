import type { Request } from "express";

/** Identifies one of several portalAuth() in an application by its option `name`, which can be undefined. */
export interface PortalAuthInstance {
  readonly name: string | undefined;
}

const HOLDERS = Symbol("express-portal-auth sessions");
const REQUEST = Symbol("express-portal-auth request");

/** The key of the holder without a name. It is never the name of an instance, because that is not empty. */
const UNNAMED = "";

type RequestWithHolders = Request & { [HOLDERS]?: Record<string, Request>; [REQUEST]?: Request };

/**
 * Returns the object whose member `session` is the session of this portalAuth(): the holder. Without a name,
 * the holder is the request itself, or the holder that addUnnamedHolder() has added. With a name, it is an
 * object that inherits from the request, so that its session can exist beside the application's. Such a
 * holder is created if the request has none. Its own members `session`, `sessionID` and `sessionStore` are
 * undefined until its session is loaded.
 */
export function getSessionHolder(req: Request, { name }: PortalAuthInstance): Request {
  if (name === undefined) return (req as RequestWithHolders)[HOLDERS]?.[UNNAMED] ?? req;
  return (req as RequestWithHolders)[HOLDERS]?.[name] ?? addHolder(req, name);
}

/**
 * Adds a holder for the portalAuth() without a name, and returns it. getSessionHolder() then returns it
 * instead of the request. This is for applications whose `req.session` belongs to another session package.
 */
export const addUnnamedHolder = (req: Request): Request =>
  (req as RequestWithHolders)[HOLDERS]?.[UNNAMED] ?? addHolder(req, UNNAMED);

/** Returns the request that a holder belongs to. The holder may be the request itself. */
export const getRequestOfHolder = (holder: Request): Request =>
  (holder as RequestWithHolders)[REQUEST] ?? holder;

/**
 * Returns all holders of a request. The request itself is one of them, unless its `req.session` belongs to
 * another session package.
 */
export function getSessionHolders(req: Request): Request[] {
  const holders = (req as RequestWithHolders)[HOLDERS] ?? {};
  return UNNAMED in holders ? Object.values(holders) : [req, ...Object.values(holders)];
}

function addHolder(req: Request, name: string): Request {
  const emptyMember = { value: undefined, writable: true, configurable: true };
  const holder: Request = Object.create(req, {
    session: emptyMember,
    sessionID: emptyMember,
    sessionStore: emptyMember,
    [REQUEST]: { value: req },
  });
  const request = req as RequestWithHolders;
  request[HOLDERS] ??= Object.create(null) as Record<string, Request>;
  request[HOLDERS][name] = holder;
  return holder;
}
