import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import { type Clock, epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { Claims, TokenSet } from "../tokens.js";
import { findKeeper, type Keeper } from "./keeper.js";
import type { Kept } from "./known.js";
import { KeptPortalSession, type PortalSession } from "./stored.js";
import { promised } from "./update.js";

/** What a session must be for a person to count as logged in. */
export interface SessionRules {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly sessionAbsolute: number;
  readonly clock: Clock;
}

/** The person of this request, or undefined when nobody is logged in (any more). No I/O, no crypto. */
export function readSession(req: Request, rules: SessionRules): PortalSession | undefined {
  const kept = req.session?.portal;
  if (!kept || !KeptPortalSession.isOurs(kept)) return undefined;
  if (!kept.claims || typeof kept.tokens?.access_token !== "string") return undefined; // others may write to the store
  if (isForeign(kept, rules)) return undefined;
  const now = rules.clock() / 1000;
  if (!(now < kept.started_at + rules.sessionAbsolute)) return undefined; // nor one whose beginning is no number
  return now < (kept.tokens.refresh_expires_at ?? Number.POSITIVE_INFINITY) ? kept : undefined;
}

export interface NewSession {
  readonly rules: SessionRules;
  readonly tokens: TokenSet;
  readonly claims: Claims;
  /** What else shall be in the new session: from the onLogin hook. */
  readonly extra: Partial<SessionData>;
  /** Keys of the old session that survive. */
  readonly keep: readonly string[];
}

/** A session that has begun, and the login of somebody else that it replaced. */
export interface Begun {
  readonly id: string;
  readonly replaced: PortalSession | undefined;
}

/**
 * Begins the person's session under a NEW id, so that an id planted before the login is worth nothing (session
 * fixation), and saves it. Either all of it holds or the request ends without a session.
 */
export async function beginSession(req: Request, begun: NewSession): Promise<Begun> {
  const { rules, tokens, claims, extra, keep } = begun;
  const { issuer, clientId: client_id, redirectUri: redirect_uri, clock } = rules;
  const now = epochSeconds(clock);
  const old: Kept = sessionOf(req);
  const isSomebodyElses =
    old.portal !== undefined && (isForeign(old.portal, rules) || old.portal.claims?.sub !== claims.sub);
  const kept = isSomebodyElses ? [] : keep.filter((key) => key in old);
  const survivors = Object.fromEntries(kept.map((key) => [key, old[key as keyof Session]]));
  let replaced: PortalSession | undefined;
  try {
    if (isSomebodyElses) replaced = (await takeAway(findKeeper(req.sessionStore), old.id, rules))?.login;
    await promised<void>((done) => old.regenerate(done));
    const times = { started_at: now, obtained_at: now };
    const portal = new KeptPortalSession({ tokens, claims, issuer, client_id, redirect_uri, version: 1, ...times });
    Object.assign(req.session, survivors, extra, { portal });
    await save(req);
  } catch (cause) {
    // express-session saves what is in req.session when the answer ends: a half-made session must not be there then
    forget(req);
    throw storeFailed("begin", cause);
  }
  return { id: req.sessionID, replaced };
}

/** Destroys a session in the store, unless the login in it is another portalAuth()'s. Gives the login as it was stored last. */
async function takeAway(keeper: Keeper | undefined, id: string, tenant: Tenant) {
  if (!keeper) return undefined;
  const { last, stays } = await keeper.remove(id, ({ portal }) => !isForeign(portal, tenant));
  return stays ? undefined : { login: last?.portal && keeper.open(id, last.portal) };
}

/**
 * Lets this request answer with a session that another request of the same browser has just begun: a double
 * click cancels the answer that carried its cookie. False when that session is gone.
 */
export async function joinSession(req: Request, id: string): Promise<boolean> {
  if (req.sessionID === id) return true;
  const store = req.sessionStore;
  const stored = await promised<SessionData | null>((done) => store.get(id, done)).catch((error) => {
    throw storeFailed("read", error);
  });
  if (!stored?.portal) return false;
  const { originalMaxAge } = stored.cookie;
  req.sessionID = id;
  const joined = store.createSession(req, stored);
  joined.cookie.maxAge = originalMaxAge as number; // this answer carries the session's cookie, as that of its beginning would have
  return true;
}

/** Whose logins are meant. */
type Tenant = Pick<SessionRules, "issuer" | "clientId" | "redirectUri">;

/**
 * A login that another portalAuth() began is nothing to this one: it neither counts here nor ends here. By its redirect
 * address too: of two with the same portal and client one may let in whom the hooks of the other refuse.
 */
const isForeign = (
  portal: Pick<PortalSession, "issuer" | "client_id" | "redirect_uri"> | undefined,
  { issuer, clientId, redirectUri }: Tenant,
) =>
  portal !== undefined &&
  (portal.issuer !== issuer || portal.client_id !== clientId || portal.redirect_uri !== redirectUri);

/**
 * Destroys the session in the store, and its cookie; the request goes on without one. Gives what was kept of a person
 * last, if anything: a refresh elsewhere may have brought tokens that this request has never seen.
 */
export async function endSession(req: Request, res: Response, tenant: Tenant): Promise<PortalSession | undefined> {
  const [ending, keeper] = [req.session, findKeeper(req.sessionStore)];
  if (!ending || !keeper) return undefined;
  const taken = await takeAway(keeper, ending.id, tenant).catch((error) => {
    throw storeFailed("destroy", error, "You are still signed in: signing out did not work. Please try again.");
  });
  if (!taken) return undefined;
  forget(req);
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  const [name] = cookies.find(([, value]) => value?.startsWith(`s:${ending.id}.`)) ?? [];
  const { path = "/", domain, secure, httpOnly, sameSite } = ending.cookie;
  if (name !== undefined)
    res.clearCookie(name, { path, domain, secure: secure === true, httpOnly, sameSite } as CookieOptions);
  return taken.login;
}

/** Where a session is kept, and under which id. */
export interface Place {
  readonly id: string;
  readonly keeper: Keeper;
}

/** @throws PortalAuthError `session_missing` */
export function placeOf(req: Request): Place {
  const keeper = findKeeper(req.sessionStore);
  if (!keeper || !req.session) throw new PortalAuthError("session_missing");
  return { id: req.sessionID, keeper };
}

/** Lets the rest of this request see the login as it is stored now: undefined when it has ended. */
export function updateSession(req: Request, id: string, portal: PortalSession | undefined): void {
  if (req.session && req.sessionID === id) findKeeper(req.sessionStore)?.refreshed(req.session, portal);
}

/** The id of a session that is stored, or "" for a visitor who has none: express-session gives them a new id each time. */
export function sessionId(req: Request): string {
  return req.session?.portal ? req.sessionID : "";
}

function sessionOf(req: Request): Session {
  if (typeof req.session?.regenerate !== "function") throw new PortalAuthError("session_missing");
  return req.session;
}

const save = (req: Request) => promised<void>((done) => req.session.save(done));

function forget(req: Request): void {
  (req as { session?: Session }).session = undefined as never;
}

function storeFailed(verb: string, cause: unknown, sentence?: string): PortalAuthError {
  const isOurs = cause instanceof PortalAuthError;
  if (isOurs && sentence === undefined) return cause;
  const detail = isOurs ? `${verb}: ${cause.detail}` : verb; // ours say in their detail what was seen
  return new PortalAuthError("session_store_failed", { detail, cause, ...(sentence && { sentence }) });
}
