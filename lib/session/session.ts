import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
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
  /** Where, and for which application: what was begun at one portal opens nothing that another one guards. */
  issuer: string;
  client_id: string;
}

declare module "express-session" {
  interface SessionData {
    portal?: PortalSession;
  }
}

/** What a session must be for a person to count as logged in. */
export interface SessionRules {
  readonly issuer: string;
  readonly clientId: string;
  readonly sessionAbsolute: number;
}

/** The person of this request, or undefined when nobody is logged in (any more). No I/O, no crypto. */
export function readSession(req: Request, rules: SessionRules): PortalSession | undefined {
  const kept = req.session?.portal;
  if (!kept?.claims || !kept.tokens) return undefined;
  if (kept.issuer !== rules.issuer || kept.client_id !== rules.clientId) return undefined;
  return Date.now() < (kept.started_at + rules.sessionAbsolute) * 1000 ? kept : undefined;
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

/**
 * Begins the person's session under a NEW id, so that an id planted before the login is worth nothing (session
 * fixation), and saves it. Either all of it holds or the request ends without a session. Returns the new id.
 */
export async function beginSession(req: Request, { rules, tokens, claims, extra, keep }: NewSession): Promise<string> {
  const { issuer, clientId: client_id } = rules;
  const old = sessionOf(req);
  const survivors = Object.fromEntries(keep.filter((key) => key in old).map((key) => [key, old[key as keyof Session]]));
  try {
    await new Promise<void>((resolve, reject) => old.regenerate((error) => (error ? reject(error) : resolve())));
    Object.assign(req.session, survivors, extra, {
      portal: { tokens, claims, started_at: epochSeconds(), issuer, client_id },
    });
    await save(req);
    skipUnchangedSave(req.session);
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
  const joined = store.createSession(req, stored);
  // this request lends the session's cookie to its answer and changes nothing: saving its copy could only undo a logout
  joined.save = function save(done) {
    done?.(undefined);
    return this;
  };
  return true;
}

/**
 * Destroys the session in the store, and its cookie; the request goes on without one. Gives what was kept of a person,
 * if anything.
 */
export async function endSession(req: Request, res: Response): Promise<PortalSession | undefined> {
  const ending = req.session;
  if (!ending) return undefined;
  await new Promise<void>((resolve, reject) =>
    ending.destroy((error) => (error ? reject(storeFailed("destroy", error)) : resolve())),
  );
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  const [name] = cookies.find(([, value]) => value?.startsWith(`s:${ending.id}.`)) ?? [];
  const { path = "/", domain, secure, httpOnly, sameSite } = ending.cookie;
  if (name !== undefined)
    res.clearCookie(name, { path, domain, secure: secure === true, httpOnly, sameSite } as CookieOptions);
  return ending.portal;
}

/** The id of a session that is stored, or "" for a visitor who has none: express-session gives them a new id each time. */
export function sessionId(req: Request): string {
  return req.session?.portal ? req.sessionID : "";
}

/** express-session does not notice that a regenerated session has been saved, and saves it again when the answer ends. */
function skipUnchangedSave(saved: Session): void {
  const content = () => JSON.stringify({ ...saved, cookie: undefined });
  const [before, again] = [content(), saved.save];
  saved.save = function save(done) {
    if (content() !== before) return again.call(this, done);
    done?.(undefined);
    return this;
  };
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
