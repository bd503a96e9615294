import type { Request } from "express";

/** One of several portalAuth() in an application; undefined for the one that needs no name. */
export interface Instance {
  readonly name: string | undefined;
}

const HOLDERS = Symbol("express-portal-auth sessions");
const REQUEST = Symbol("express-portal-auth request");

type Holding = Request & { [HOLDERS]?: Record<string, Request>; [REQUEST]?: Request };

/**
 * The request as the session of this portalAuth() hangs on it. That is the request itself, and `req.session`,
 * unless the portalAuth() has a name: then it is a second view of the same request, so that express-session
 * can put another session on it beside the application's.
 */
export function holderOf(req: Request, { name }: Instance): Request {
  if (name === undefined) return (req as Holding)[HOLDERS]?.[BESIDE] ?? req;
  return (req as Holding)[HOLDERS]?.[name] ?? addHolder(req, name);
}

/**
 * The place of a session of ours that has no name, on a request whose `req.session` belongs to another
 * package. No name is empty.
 */
const BESIDE = "";

/** The holder of such a session. From then on holderOf() returns it for this request. */
export const holderBeside = (req: Request): Request => (req as Holding)[HOLDERS]?.[BESIDE] ?? addHolder(req, BESIDE);

/** The request that a holder belongs to. */
export const requestOf = (holder: Request): Request => (holder as Holding)[REQUEST] ?? holder;

/** All places of sessions of ours or of express-session in a request. */
export function holdersOf(req: Request): Request[] {
  const holders = (req as Holding)[HOLDERS] ?? {};
  return BESIDE in holders ? Object.values(holders) : [req, ...Object.values(holders)];
}

function addHolder(req: Request, name: string): Request {
  const none = { value: undefined, writable: true, configurable: true };
  const properties = { session: none, sessionID: none, sessionStore: none, [REQUEST]: { value: req } };
  const holder: Request = Object.create(req, properties);
  const holding = req as Holding;
  holding[HOLDERS] ??= Object.create(null) as Record<string, Request>;
  holding[HOLDERS][name] = holder;
  return holder;
}
