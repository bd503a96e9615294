import type { SessionData } from "express-session";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { SessionEntry } from "./record-store.js";

/** The JSON text of each top-level key of a session. */
export type AppPart = SessionEntry["app"];

/** The stored members of a session cookie. Its expiry is computed from the lifetime of the entry. */
export interface CookieMembers {
  readonly originalMaxAge?: number | null;
  readonly [member: string]: unknown;
}

/** A session that express-session or an application passes to a store. Its cookie can be a plain object. */
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
/** express-session itself changes `originalMaxAge` during a request by some milliseconds. */
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
    // As in JSON, functions, symbols and undefined are omitted.
    if (text !== undefined) texts[key] = text;
  }
  return texts;
}

/** Parses the application's part of an entry. The cookie of the result expires after `lifeMs`. */
export function parseSession(app: AppPart, cookie: CookieMembers, lifeMs: number): SessionData {
  const data: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(app)) {
    if (key === "cookie") data[key] = { ...cookie, expires: computeExpiry(cookie, lifeMs) };
    else if (key !== NEVER_STORED) data[key] = parseJson(text);
  }
  return data as unknown as SessionData;
}

/** The last parsed cookie. Most sessions of an application have the same text. */
let lastCookie: { readonly text: string; readonly cookie: CookieMembers } | undefined;

/**
 * Parses the cookie of an entry. Returns undefined if the entry has no cookie and is therefore not a session.
 */
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
    // The error of JSON.parse quotes the text, which may contain secrets.
    throw new PortalAuthError("session_store_failed", { detail: "a stored session is not JSON" });
  }
}

function computeExpiry({ originalMaxAge }: CookieMembers, lifeMs: number): Date | null {
  return typeof originalMaxAge === "number" ? new Date(Date.now() + lifeMs) : null;
}

const serializeCookie = (cookie: unknown): string | undefined =>
  JSON.stringify(cookie, ["originalMaxAge", ...COOKIE_MEMBERS]);

/** Returns whether the application has changed the session's cookie, for example to a longer lifetime. */
export function isCookieChanged(stored: CookieMembers, cookie: unknown): boolean {
  if (typeof cookie !== "object" || cookie === null) return false;
  const current = cookie as CookieMembers;
  if (isMaxAgeChanged(stored.originalMaxAge, current.originalMaxAge)) return true;
  return COOKIE_MEMBERS.some((member) => stored[member] !== current[member]);
}

function isMaxAgeChanged(stored: unknown, current: unknown): boolean {
  if (typeof stored !== "number" || typeof current !== "number") return stored !== current;
  return Math.abs(current - stored) >= TOLERANCE_MS;
}

/** The top-level keys that a request has changed or removed in a session. */
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
