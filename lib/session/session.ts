import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import { type Clock, epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { Claims, TokenSet } from "../tokens.js";
import { findKeeper, type Keeper } from "./keeper.js";
import type { PortalSession } from "./stored.js";
import { promised } from "./update.js";

/** What a session must be for a person to count as logged in. */
export interface SessionRules {
  readonly issuer: string;
  readonly clientId: string;
  readonly sessionAbsolute: number;
  readonly clock: Clock;
}

/** The person of this request, or undefined when nobody is logged in (any more). No I/O, no crypto. */
export function readSession(req: Request, rules: SessionRules): PortalSession | undefined {
  const kept = req.session?.portal;
  if (!kept?.claims || typeof kept.tokens?.access_token !== "string") return undefined; // others may write to the store
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
  /** The session that this browser had at the beginning of the login, where its cookie does not travel to the end of it. */
  readonly replaces?: string | undefined;
}

/**
 * Begins the person's session under a NEW id, so that an id planted before the login is worth nothing (session
 * fixation), and saves it. Either all of it holds or the request ends without a session. Returns the new id.
 */
export async function beginSession(req: Request, begun: NewSession): Promise<string> {
  const { rules, tokens, claims, extra, keep, replaces } = begun;
  const { issuer, clientId: client_id, clock } = rules;
  const now = epochSeconds(clock);
  const old = sessionOf(req);
  const survivors = Object.fromEntries(keep.filter((key) => key in old).map((key) => [key, old[key as keyof Session]]));
  try {
    if (replaces) await findKeeper(req.sessionStore)?.remove(replaces, ({ portal }) => !isForeign(portal, rules));
    await promised<void>((done) => old.regenerate(done));
    Object.assign(req.session, survivors, extra, {
      portal: { tokens, claims, started_at: now, issuer, client_id, version: 1, obtained_at: now },
    });
    await save(req);
  } catch (cause) {
    // express-session saves what is in req.session when the answer ends: a half-made session must not be there then
    forget(req);
    throw storeFailed("begin", cause);
  }
  return req.sessionID;
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
type Tenant = Pick<SessionRules, "issuer" | "clientId">;

/** A login that another portal or client began is nothing to this one: it neither counts here nor ends here. */
const isForeign = (portal: Pick<PortalSession, "issuer" | "client_id"> | undefined, { issuer, clientId }: Tenant) =>
  portal !== undefined && (portal.issuer !== issuer || portal.client_id !== clientId);

/**
 * Destroys the session in the store, and its cookie; the request goes on without one. Gives what was kept of a person
 * last, if anything: a refresh elsewhere may have brought tokens that this request has never seen.
 */
export async function endSession(req: Request, res: Response, tenant: Tenant): Promise<PortalSession | undefined> {
  const [ending, keeper] = [req.session, findKeeper(req.sessionStore)];
  if (!ending || !keeper) return undefined;
  const { last, stays } = await keeper
    .remove(ending.id, ({ portal }) => !isForeign(portal, tenant))
    .catch((error) => {
      throw storeFailed("destroy", error, "You are still signed in: signing out did not work. Please try again.");
    });
  if (stays) return undefined;
  forget(req);
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  const [name] = cookies.find(([, value]) => value?.startsWith(`s:${ending.id}.`)) ?? [];
  const { path = "/", domain, secure, httpOnly, sameSite } = ending.cookie;
  if (name !== undefined)
    res.clearCookie(name, { path, domain, secure: secure === true, httpOnly, sameSite } as CookieOptions);
  return last?.portal && keeper.open(ending.id, last.portal);
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
