import type { Request } from "express";
import type { Session, SessionData } from "express-session";
import { epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { Claims, TokenSet } from "../tokens.js";

/** What is kept in `req.session.portal`. */
export interface PortalSession {
  tokens: TokenSet;
  claims: Claims;
  /** When the person logged in, in epoch seconds: the absolute limit counts from here. */
  started_at: number;
}

declare module "express-session" {
  interface SessionData {
    portal?: PortalSession;
  }
}

/** The person of this request, or undefined when nobody is logged in (any more). No I/O, no crypto. */
export function readSession(req: Request, absoluteSeconds: number): PortalSession | undefined {
  const kept = req.session?.portal;
  if (!kept?.claims || !kept.tokens) return undefined;
  return Date.now() < (kept.started_at + absoluteSeconds) * 1000 ? kept : undefined;
}

export interface NewSession {
  readonly tokens: TokenSet;
  readonly claims: Claims;
  /** What else shall be in the new session: from the onLogin hook. */
  readonly extra: Partial<SessionData>;
  /** Keys of the old session that survive. */
  readonly keep: readonly string[];
}

/**
 * Begins the person's session under a NEW id, so that an id planted before the login is worth nothing (session
 * fixation), and saves it. Either all of it holds or the request ends without a session. Returns the new id.
 */
export async function beginSession(req: Request, { tokens, claims, extra, keep }: NewSession): Promise<string> {
  const old = sessionOf(req);
  const survivors = Object.fromEntries(keep.filter((key) => key in old).map((key) => [key, old[key as keyof Session]]));
  try {
    await new Promise<void>((resolve, reject) => old.regenerate((error) => (error ? reject(error) : resolve())));
    Object.assign(req.session, survivors, extra, { portal: { tokens, claims, started_at: epochSeconds() } });
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
  const stored = await new Promise<SessionData | null | undefined>((resolve, reject) =>
    store.get(id, (error, found) => (error ? reject(storeFailed("read", error)) : resolve(found))),
  );
  if (!stored?.portal) return false;
  req.sessionID = id;
  store.createSession(req, stored);
  return true;
}

/** Destroys the session in the store; the request goes on without one. Gives what was kept of a person, if anything. */
export async function endSession(req: Request): Promise<PortalSession | undefined> {
  const ending = req.session;
  if (!ending) return undefined;
  await new Promise<void>((resolve, reject) =>
    ending.destroy((error) => (error ? reject(storeFailed("destroy", error)) : resolve())),
  );
  return ending.portal;
}

/** The id of a session that is stored, or "" for a visitor who has none: express-session gives them a new id each time. */
export function sessionId(req: Request): string {
  return req.session?.portal ? req.sessionID : "";
}

function sessionOf(req: Request): Session {
  if (typeof req.session?.regenerate !== "function") throw new PortalAuthError("session_missing");
  return req.session;
}

const save = (req: Request) =>
  new Promise<void>((resolve, reject) => req.session.save((error) => (error ? reject(error) : resolve())));

function forget(req: Request): void {
  (req as { session?: Session }).session = undefined as never;
}

function storeFailed(verb: string, cause: unknown): PortalAuthError {
  return cause instanceof PortalAuthError
    ? cause
    : new PortalAuthError("session_store_failed", { detail: verb, cause });
}
