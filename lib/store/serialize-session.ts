import type { SessionData } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { SessionEntry } from "./record-store.js";

/** The JSON text of each top-level key of a session. */
export type AppPart = SessionEntry["app"];

/** Members of a session cookie that are stored. When it expires follows from the life of the entry. */
export interface CookieMembers {
  readonly originalMaxAge?: number | null;
  readonly [member: string]: unknown;
}

/** A session as express-session or an application passes it to a store. Its cookie can be a plain object. */
export type SessionLike = Readonly<Partial<SessionData>>;

const COOKIE_MEMBERS = [
  "partitioned",
  "priority",
  "secure",
  "httpOnly",
  "domain",
  "path",
  "sameSite",
] as const;
/** express-session itself moves `originalMaxAge` at a request, by the time between two of its statements. */
const TOLERANCE_MS = 1000;
/** express-session does not load a key of this name, and an assignment would set the prototype. */
const NEVER_STORED = "__proto__";

/**
 * Serializes each top-level key of a session.
 *
 * @throws TypeError if a value cannot be serialized
 */
export function serializeSession(session: SessionLike): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(session)) {
    if (key === NEVER_STORED) continue;
    const text = key === "cookie" ? serializeCookie(value) : JSON.stringify(value);
    if (text !== undefined) texts[key] = text; // undefined: a function, a symbol or undefined, as in JSON
  }
  return texts;
}

/** Parses the application's part of an entry. The result has a cookie whose end is `lifeMs` from now. */
export function parseSession(app: AppPart, cookie: CookieMembers, lifeMs: number): SessionData {
  const data: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(app)) {
    if (key === "cookie") data[key] = { ...cookie, expires: computeExpiry(cookie, lifeMs) };
    else if (key !== NEVER_STORED) data[key] = parseJson(text);
  }
  return data as unknown as SessionData;
}

/** The cookie that was parsed last. Most sessions of an application have the same text. */
let lastCookie: { readonly text: string; readonly cookie: CookieMembers } | undefined;

/** Parses the cookie of an entry. Returns undefined if the entry has none: then it is no session. */
export function parseCookie(app: AppPart): CookieMembers | undefined {
  const text = app["cookie"];
  if (text === undefined) return undefined;
  if (lastCookie?.text !== text)
    lastCookie = { text, cookie: Object.freeze(parseJson(text) as CookieMembers) };
  return lastCookie.cookie;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // the error of JSON.parse quotes the text, which may hold secrets
    throw new PortalAuthError("session_store_failed", { detail: "a stored session is not JSON" });
  }
}

function computeExpiry({ originalMaxAge }: CookieMembers, lifeMs: number): Date | null {
  return typeof originalMaxAge === "number" ? new Date(Date.now() + lifeMs) : null;
}

const serializeCookie = (cookie: unknown): string | undefined =>
  JSON.stringify(cookie, ["originalMaxAge", ...COOKIE_MEMBERS]);

/** Whether the application has changed the session's cookie, for example to a longer life. */
export function isCookieChanged(stored: CookieMembers, cookie: unknown): boolean {
  if (typeof cookie !== "object" || cookie === null) return false;
  const current = cookie as CookieMembers;
  if (isLifeChanged(stored.originalMaxAge, current.originalMaxAge)) return true;
  return COOKIE_MEMBERS.some((member) => stored[member] !== current[member]);
}

function isLifeChanged(stored: unknown, current: unknown): boolean {
  if (typeof stored !== "number" || typeof current !== "number") return stored !== current;
  return Math.abs(current - stored) >= TOLERANCE_MS;
}

/** What a request has done to the session that it loaded, by top-level keys. */
export interface SessionChanges {
  readonly changed: AppPart;
  readonly removed: readonly string[];
}

/** Compares two states of a session. Returns undefined if they are equal. */
export function diffSessions(before: AppPart, after: AppPart): SessionChanges | undefined {
  const changed: Record<string, string> = {};
  for (const [key, text] of Object.entries(after)) if (before[key] !== text) changed[key] = text;
  const removed = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return removed.length > 0 || Object.keys(changed).length > 0 ? { changed, removed } : undefined;
}
