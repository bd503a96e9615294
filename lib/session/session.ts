import { randomBytes } from "node:crypto";
import { parseCookie } from "cookie";
import type { CookieOptions, Request, Response } from "express";
import type { Session, SessionData } from "express-session";
import { type Clock, epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { SessionRefused } from "../events.js";
import type { Authentication, Claims, TokenSet } from "../tokens.js";
import { holderOf, holdersOf, type Instance } from "./holder.js";
import { findKeeper, type Keeper } from "./keeper.js";
import { FORM_KEY, type PendingForm } from "./kept-forms.js";
import { type Kept, knownOf } from "./known.js";
import { personOf } from "./persons/making.js";
import { type EndedSession, endThese } from "./persons/persons-sessions.js";
import { holderOfLogin } from "./persons/session-index.js";
import { LOGIN_KEYS, reservedKey } from "./reserved.js";
import { KeptPortalSession, type PortalSession, type StoredPortal } from "./stored.js";
import { promised } from "./update.js";

/** What a session must be for a person to count as logged in. */
export interface SessionRules extends Instance {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly sessionAbsolute: number;
  readonly clock: Clock;
}

/** The person of this request, or undefined when nobody is logged in (any more). No I/O, no crypto. */
export function readSession(req: Request, rules: SessionRules): PortalSession | undefined {
  const kept = holderOf(req, rules).session?.portal;
  return kept && whyNot(kept, rules) === undefined ? kept : undefined;
}

type Reason = SessionRefused["reason"];

/** Why a login does not count here; undefined when it does. */
function whyNot(kept: PortalSession, rules: SessionRules): Reason | undefined {
  if (!KeptPortalSession.isOurs(kept)) return "not_ours";
  if (!kept.claims || typeof kept.tokens?.access_token !== "string") return "unreadable"; // others may write to the store
  if (isForeign(kept, rules)) return "of_another_portal_auth";
  if (kept.unconfirmed) return "unconfirmed";
  const now = rules.clock() / 1000;
  return now < kept.started_at + rules.sessionAbsolute ? undefined : "too_old"; // also if `started_at` is no number
}

/** Why the login in the session of this request does not count; undefined when there is none, or it does. */
export function whyRefused(req: Request, rules: SessionRules): Reason | undefined {
  const { session } = holderOf(req, rules);
  if (session?.portal) return whyNot(session.portal, rules);
  const wasStored = session && knownOf(session.id, session as Kept)?.stored !== undefined;
  return wasStored ? "unreadable" : undefined; // what could not be opened is not there
}

export interface NewSession {
  readonly rules: SessionRules;
  readonly tokens: TokenSet;
  readonly claims: Claims;
  readonly authentication: Authentication;
  /** When the provider was asked for the tokens, in epoch milliseconds: a logout since then ends this login. */
  readonly askedAt: number;
  /** What else shall be in the new session: from the onLogin hook. */
  readonly extra: Partial<SessionData>;
  /** Keys of the old session that survive. */
  readonly keep: readonly string[];
  /**
   * Whether all keys of the old session survive but those that onLogin has set, if its login counts and is the same user's.
   * Default false.
   */
  readonly keepAll?: boolean;
  /** One that waits for this login. */
  readonly form?: PendingForm | undefined;
  /** Told of another person's login that was in the session of before, once that is gone. */
  readonly onReplaced: (login: PortalSession) => void;
}

/**
 * Begins the person's session under a NEW id, so that an id planted before the login is worth nothing (session
 * fixation), and saves it. Either all of it holds or the request ends without a session. Returns the new id.
 */
export async function beginSession(on: Request, begun: NewSession): Promise<string> {
  const { rules, tokens, claims, authentication, askedAt, extra, form, onReplaced } = begun;
  const req = holderOf(on, rules);
  const { issuer, clientId: client_id, redirectUri: redirect_uri, clock } = rules;
  const now = epochSeconds(clock);
  const old: Kept = sessionOf(req);
  const former = loginIn(old);
  const isAnothers = former !== undefined && !(isOfClient(former, rules) && former.claims?.sub === claims.sub);
  const kept = isAnothers ? [] : keptKeys(on, begun, old);
  const survivors = Object.fromEntries(kept.map((key) => [key, old[key as keyof Session]]));
  try {
    const replaced = isAnothers ? await endReplaced(req, former, rules) : undefined;
    await promised<void>((done) => old.regenerate(done));
    if (replaced) onReplaced(replaced);
    const loginKeys = Object.keys(extra);
    const listed = loginKeys.length > 0 && { [LOGIN_KEYS]: loginKeys };
    Object.assign(req.session, survivors, extra, listed, form && { [FORM_KEY]: form });
    const login = { tokens, claims: asStored(claims), authentication, issuer, client_id, redirect_uri, version: 1 };
    const login_id = randomBytes(16).toString("base64url");
    const portal = { ...login, login_id, started_at: now, obtained_at: now };
    findKeeper(req.sessionStore)?.begin(req.session, portal, askedAt);
    await save(req);
  } catch (cause) {
    // express-session saves what is in req.session when the answer ends: a half-made session must not be there then
    forget(req);
    throw storeFailed("begin", cause);
  }
  return req.sessionID;
}

/** The form that waits belongs to the user, and goes along. */
const isOfApplication = (key: string): boolean => key === FORM_KEY || reservedKey([key]) === undefined;

/**
 * Returns the keys of the old session that survive. It is no session of another user. With `keepAll`, keys that onLogin
 * has set stay behind: they say what the provider said then, such as a role that the user may have lost since.
 */
function keptKeys(on: Request, { keep, keepAll = false, rules }: NewSession, old: Kept): readonly string[] {
  const isSignedIn = readSession(on, rules) !== undefined;
  const ofLogin = loginKeysOf(old);
  const all = () => Object.keys(old).filter((key) => isOfApplication(key) && !ofLogin.includes(key));
  const keys = keepAll && isSignedIn ? [...new Set([...all(), ...keep])] : keep;
  return keys.filter((key) => key in old);
}

function loginKeysOf(session: object): readonly unknown[] {
  const { [LOGIN_KEYS]: listed } = session as { readonly [LOGIN_KEYS]?: unknown };
  return Array.isArray(listed) ? listed : [];
}

/** What a hook has put into them stays the application's own: what is kept is frozen. */
const asStored = (claims: Claims): Claims => JSON.parse(JSON.stringify(claims));

/** Whether a login is of this portal and client, whichever router began it. */
const isOfClient = (
  login: Pick<StoredPortal, "issuer" | "client_id">,
  { issuer, clientId }: Pick<SessionRules, "issuer" | "clientId">,
): boolean => login.issuer === issuer && login.client_id === clientId;

/** Another person's login, as it was stored last, if its tokens are ones that we can revoke: no request in flight brings it back. */
async function endReplaced(
  req: Request,
  former: StoredPortal,
  rules: SessionRules,
): Promise<PortalSession | undefined> {
  const [keeper, id] = [findKeeper(req.sessionStore), req.sessionID];
  if (!keeper) return undefined;
  const ended = await endWherever(keeper, id, former);
  const { last } = await keeper.remove(id, () => true); // where it is known no more, or was not yet
  const logins = [...ended.map(({ login }) => login), last?.portal && keeper.open(id, last.portal)];
  return logins.map(whole).find((login) => login !== undefined && isOfClient(login, rules));
}

/** Others may write to the store. */
const whole = (login: PortalSession | undefined): PortalSession | undefined =>
  login?.tokens && login.claims ? login : undefined;

/**
 * Lets this request answer with a session that another request of the same browser has just begun: a double
 * click cancels the answer that carried its cookie. False when that session is gone.
 */
export async function joinSession(on: Request, instance: Instance, id: string): Promise<boolean> {
  const req = holderOf(on, instance);
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
type Tenant = Pick<SessionRules, "name" | "issuer" | "clientId" | "redirectUri">;

/**
 * A login that another portalAuth() began is nothing to this one: it neither counts here nor is ended by a logout here.
 * By its redirect address too: of two with the same portal and client one may let in whom the hooks of the other refuse.
 */
const isForeign = (portal: Pick<PortalSession, "issuer" | "client_id" | "redirect_uri"> | undefined, tenant: Tenant) =>
  portal !== undefined && !(isOfClient(portal, tenant) && portal.redirect_uri === tenant.redirectUri);

/**
 * Destroys the session in the store, and its cookie; the request goes on without one. So do the sessions that an application
 * has moved this login to, in a request that was under way. Gives what each of them kept of the login last, this one's first:
 * a refresh elsewhere may have brought tokens that this request has never seen.
 */
export async function endSession(on: Request, res: Response, tenant: Tenant): Promise<PortalSession[]> {
  const req = holderOf(on, tenant);
  const [ending, keeper] = [req.session, findKeeper(req.sessionStore)];
  if (!ending || !keeper) return [];
  const ended = await endLogin(keeper, ending.id, loginIn(ending), tenant).catch((error) => {
    throw storeFailed("destroy", error, "You are still signed in: signing out did not work. Please try again.");
  });
  if (!ended) return [];
  forget(req);
  const name = cookieOf(req, ending.id);
  const { path = "/", domain, secure, httpOnly, sameSite } = ending.cookie;
  if (name !== undefined)
    res.clearCookie(name, { path, domain, secure: secure === true, httpOnly, sameSite } as CookieOptions);
  return ended.flatMap((last) => whole(last) ?? []);
}

/** The login in the session of this request, whether or not it counts any more; another portalAuth()'s is none. */
export function lastLogin(on: Request, tenant: Tenant): StoredPortal | undefined {
  const { session } = holderOf(on, tenant);
  const login = session && loginIn(session);
  return login?.claims && !isForeign(login, tenant) ? login : undefined;
}

/** Its last states, that of this session first; undefined where the session stays, as its login is another portalAuth()'s. */
async function endLogin(keeper: Keeper, id: string, login: StoredPortal | undefined, tenant: Tenant) {
  const ended = isForeign(login, tenant) ? [] : await endWherever(keeper, id, login);
  const [own, others] = [ended.find((one) => one.id === id), ended.filter((one) => one.id !== id)];
  const elsewhere = others.map((one) => one.login);
  if (own) return [own.login, ...elsewhere];
  const { last, stays } = await keeper.remove(id, ({ portal }) => !isForeign(portal, tenant));
  if (stays) return undefined;
  return [last?.portal && keeper.open(id, last.portal), ...elsewhere];
}

/**
 * Ends a login in all sessions that are known to hold it. They are marked first, and who moves it to yet another one
 * meanwhile finds that.
 */
async function endWherever(keeper: Keeper, id: string, login: StoredPortal | undefined): Promise<EndedSession[]> {
  if (!login?.claims) return [];
  return endThese(keeper, personOf(login), holderOfLogin(id, login));
}

/** As it was stored, whatever the application has made of it since; of what it has put there itself, ours alone. */
function loginIn(session: Kept): StoredPortal | undefined {
  const { portal } = session;
  return knownOf(session.id, session)?.stored ?? (KeptPortalSession.isOurs(portal) ? portal : undefined);
}

/** The name of the cookie by which the browser has named this session, if it has. */
function cookieOf(req: Request, id: string): string | undefined {
  const cookies = Object.entries(parseCookie(req.headers.cookie ?? ""));
  return cookies.find(([, value]) => value?.startsWith(`s:${id}.`))?.[0];
}

/**
 * Lets the answer to a request that came without cookies, as they are Lax and another site has posted it, carry none
 * either: an application's session that was begun for it would take the place of the one that the browser has.
 */
export function dropNewSession(on: Request, instance: Instance): void {
  const req = holderOf(on, instance);
  if (req.session && cookieOf(req, req.sessionID) === undefined) forget(req);
}

/**
 * Lets this request count as no use of any session: express-session finds none when the answer ends, so it neither pushes
 * an end, in whichever manner an application has it, nor sets a cookie. `req.session` is gone then, as after a logout.
 */
export function passUnnoticed(on: Request): void {
  for (const req of holdersOf(on)) {
    forget(req);
    (req as { sessionID: string | undefined }).sessionID = undefined; // else `unset: "destroy"` would end it
  }
}

/** Where a session is kept, and under which id. */
export interface Place {
  readonly id: string;
  readonly keeper: Keeper;
}

/** @throws PortalAuthError `session_missing` */
export function placeOf(on: Request, instance: Instance): Place {
  const req = holderOf(on, instance);
  const keeper = findKeeper(req.sessionStore);
  if (!keeper || !req.session) throw new PortalAuthError("session_missing");
  return { id: req.sessionID, keeper };
}

/** Lets the rest of this request see the login as it is stored now: undefined when it has ended. */
export function updateSession(req: Request, instance: Instance, id: string, portal: PortalSession | undefined): void {
  const { session, sessionID, sessionStore } = holderOf(req, instance);
  if (session && sessionID === id) findKeeper(sessionStore)?.refreshed(session, portal);
}

/** The session that this portalAuth() keeps its logins in; undefined where it could not be loaded. */
export const sessionHere = (req: Request, instance: Instance): (Session & Partial<SessionData>) | undefined =>
  holderOf(req, instance).session;

/** The id of a session that is stored, or "" for a visitor who has none: express-session gives them a new id each time. */
export function sessionId(on: Request, instance: Instance): string {
  const req = holderOf(on, instance);
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

/** What went wrong with the store, while it was asked to do this. */
export function storeFailed(verb: string, cause: unknown, sentence?: string): PortalAuthError {
  const isOurs = cause instanceof PortalAuthError;
  if (isOurs && sentence === undefined) return cause;
  const detail = isOurs ? `${verb}: ${cause.detail}` : verb; // ours say in their detail what was seen
  return new PortalAuthError("session_store_failed", { detail, cause, ...(sentence && { sentence }) });
}
