import type { Request } from "express";

/** One of several portalAuth() in an application; undefined for the one that needs no name. */
export interface PortalAuthInstance {
  readonly name: string | undefined;
}

const HOLDERS = Symbol("express-portal-auth sessions");
const REQUEST = Symbol("express-portal-auth request");

type RequestWithHolders = Request & { [HOLDERS]?: Record<string, Request>; [REQUEST]?: Request };

/**
 * Returns the object whose member `session` is the session of this portalAuth(). Without a name that is the
 * request. A portalAuth() with a name has an object that inherits from the request, so express-session can
 * set a session there beside the application's.
 */
export function getSessionHolder(req: Request, { name }: PortalAuthInstance): Request {
  if (name === undefined) return (req as RequestWithHolders)[HOLDERS]?.[UNNAMED] ?? req;
  return (req as RequestWithHolders)[HOLDERS]?.[name] ?? addHolder(req, name);
}

/**
 * The key of the holder without a name, if `req.session` belongs to another package. An option `name` is never
 * empty.
 */
const UNNAMED = "";

/** Adds the holder without a name. From then on holderOf() returns it for this request. */
export const addUnnamedHolder = (req: Request): Request =>
  (req as RequestWithHolders)[HOLDERS]?.[UNNAMED] ?? addHolder(req, UNNAMED);

/** The request that a holder belongs to. */
export const getRequestOfHolder = (holder: Request): Request =>
  (holder as RequestWithHolders)[REQUEST] ?? holder;

/** Returns all holders of a request whose session is ours or of express-session. */
export function getSessionHolders(req: Request): Request[] {
  const holders = (req as RequestWithHolders)[HOLDERS] ?? {};
  return UNNAMED in holders ? Object.values(holders) : [req, ...Object.values(holders)];
}

function addHolder(req: Request, name: string): Request {
  const none = { value: undefined, writable: true, configurable: true };
  const properties = { session: none, sessionID: none, sessionStore: none, [REQUEST]: { value: req } };
  const holder: Request = Object.create(req, properties);
  const request = req as RequestWithHolders;
  request[HOLDERS] ??= Object.create(null) as Record<string, Request>;
  request[HOLDERS][name] = holder;
  return holder;
}
