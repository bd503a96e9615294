import { createHmac, timingSafeEqual } from "node:crypto";
import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import type { PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { isOurCookie, PROBE_COOKIE } from "../http/cookie-names.js";
import { isProbablyHttps } from "../http/request-scheme.js";
import { deriveKeys } from "../util/encryption.js";

/**
 * What the state of a login says if its cookie does not come back: how and where the browser began it. Each cause of a lost
 * login has its own code, and its own remedy. Nothing else depends on it: it may be forged by the browser that it describes.
 */
export interface StateDiagnostics {
  /** Returns the state to send: the given one, and behind it what was seen of the request. */
  addToState(state: string, req: Request, begun: StartedLogin): string;
  /** Whether one of our secrets has signed this state, with the evidence in it. */
  isOwnState(state: string): boolean;
  /** Whether a login that was begun with this state is a silent one. */
  isSilent(state: string): boolean;
  /** Returns why a login that was begun with this state is not to be found in this request. */
  explainLostLogin(state: string, req: Request, cookieIsThere: boolean): LostLogin;
  /**
   * Sets the probe cookie with the page of a lost login. It has no Path, no Domain and no prefix, so a
   * browser keeps it even if a proxy changes these for the login's cookie. If the next login of this browser
   * fails as well, the probe shows why.
   */
  setProbeCookie(state: string, res: Response): void;
}

export interface LostLogin {
  readonly code: PortalAuthErrorCode;
  /** What was seen, where several causes have one code. */
  readonly detail?: string;
}

/** What is known of an attempt even if its cookie does not come back. */
export interface StartedLogin {
  readonly begun_at: number;
  readonly silent?: boolean;
}

/** In characters of base64url: 256 bits of the state itself, and 18 bytes of evidence behind them. */
const STATE_LENGTH = 43;
const FULL_STATE_LENGTH = 67;
const TIME_BYTES = 4;
const FLAG_BYTES = 1;
/** Two or three bytes tell two browsers or two hosts apart, and do not reveal which they are. */
const BROWSER_BYTES = 2;
const HOST_BYTES = 3;
const FACTS_BYTES = TIME_BYTES + FLAG_BYTES + BROWSER_BYTES + HOST_BYTES;
const MAC_BYTES = 8;
/** The longest host name has 253 characters (RFC 1035, section 2.3.4). */
const MAX_URL_CHARACTERS = 300;

const HAD_COOKIES = 1;
const OVER_HTTPS = 2;
const SILENT = 4;
const IN_FRAME = 8;
const HAD_OUR_COOKIES = 16;
const HAD_PROBE = 32;

/** Returns a login's state without the evidence behind it. */
export const stripDiagnostics = (state: string): string => state.slice(0, STATE_LENGTH);

export interface StateDiagnosticsOptions {
  readonly secrets: readonly string[];
  readonly belongsTo: string;
  /** Whether users reach the app over https. */
  readonly https: boolean;
  /** How long a login may take. */
  readonly lifetimeMs: number;
  /** The option `clock`. */
  readonly clock: () => number;
}

/** What was seen when the login began. */
interface SignedFacts {
  readonly bytes: Buffer;
  /** The key that has signed it. */
  readonly key: Buffer;
}

export function createStateDiagnostics({
  secrets,
  belongsTo,
  https,
  lifetimeMs,
  clock,
}: StateDiagnosticsOptions): StateDiagnostics {
  const keys = deriveKeys(secrets, `evidence ${belongsTo}`);
  const [first] = keys as [Buffer, ...Buffer[]];
  return {
    addToState(state, req, begun) {
      const seen = encodeFacts(first, req, begun);
      return state + Buffer.concat([seen, signFacts(first, state, seen)]).toString("base64url");
    },
    isOwnState: (state) => verifyState(keys, state) !== undefined,
    isSilent(state) {
      const seen = verifyState(keys, state);
      return seen !== undefined && (readFlags(seen) & SILENT) !== 0;
    },
    explainLostLogin(state, req, cookieIsThere) {
      const seen = verifyState(keys, state);
      if (!seen) return { code: cookieIsThere ? "login_secret_changed" : "login_not_found" };
      if (seen.bytes.readUInt32BE() * 1000 + lifetimeMs <= clock()) return { code: "login_expired" };
      const elsewhere = explainByStart(seen, req, https);
      return elsewhere ? { code: elsewhere } : explainByCookies(readFlags(seen), req);
    },
    setProbeCookie(state, res) {
      if (!verifyState(keys, state)) return; // a link that was made up sets no cookie
      const maxAge = Math.floor(lifetimeMs / 1000);
      const attributes = { httpOnly: true, secure: https, sameSite: "lax", maxAge } as const;
      res.append("Set-Cookie", stringifySetCookie({ name: PROBE_COOKIE, value: "1", ...attributes }));
    },
  };
}

/** Returns undefined for a state that none of our secrets has signed. */
function verifyState(keys: readonly Buffer[], state: string): SignedFacts | undefined {
  if (state.length !== FULL_STATE_LENGTH) return undefined;
  const tail = Buffer.from(state.slice(STATE_LENGTH), "base64url");
  if (tail.length !== FACTS_BYTES + MAC_BYTES) return undefined;
  const bytes = tail.subarray(0, FACTS_BYTES);
  const mac = tail.subarray(FACTS_BYTES);
  const key = keys.find((candidate) =>
    timingSafeEqual(mac, signFacts(candidate, stripDiagnostics(state), bytes)),
  );
  return key && { bytes, key };
}

function encodeFacts(key: Buffer, req: Request, { begun_at, silent }: StartedLogin): Buffer {
  const head = Buffer.alloc(TIME_BYTES + FLAG_BYTES);
  head.writeUInt32BE(Math.floor(begun_at / 1000) >>> 0);
  let flags = 0;
  if (hasOtherCookies(req)) flags |= HAD_COOKIES;
  if (isProbablyHttps(req)) flags |= OVER_HTTPS;
  if (silent) flags |= SILENT;
  if (isFramed(req)) flags |= IN_FRAME;
  if (hasOurCookies(req)) flags |= HAD_OUR_COOKIES;
  if (hasProbeCookie(req)) flags |= HAD_PROBE;
  head.writeUInt8(flags, TIME_BYTES);
  return Buffer.concat([head, hashBrowser(key, req), hashHost(key, req)]);
}

const readFlags = ({ bytes }: SignedFacts): number => bytes.readUInt8(TIME_BYTES);

/** The login began elsewhere: in another browser, over http, at another host, in a frame. */
function explainByStart(
  { bytes, key }: SignedFacts,
  req: Request,
  https: boolean,
): PortalAuthErrorCode | undefined {
  const flags = bytes.readUInt8(TIME_BYTES);
  const marks = bytes.subarray(TIME_BYTES + FLAG_BYTES);
  if (!hashBrowser(key, req).equals(marks.subarray(0, BROWSER_BYTES))) return "login_in_other_browser";
  if (https && !(flags & OVER_HTTPS) && isProbablyHttps(req)) return "login_over_http";
  if (!hashHost(key, req).equals(marks.subarray(BROWSER_BYTES))) return "login_on_other_host";
  if (flags & IN_FRAME || isFramed(req)) return "login_in_frame";
  return undefined;
}

/** Compares the cookies that came to /login with those that came back, from the same browser and host. */
function explainByCookies(flags: number, req: Request): LostLogin {
  const site = req.headers["sec-fetch-site"];
  if (hasOurCookies(req))
    return { code: "login_cookie_lost", detail: "other cookies of portalAuth() came back" };
  if (flags & HAD_PROBE) {
    if (hasProbeCookie(req)) return { code: "login_cookie_changed" };
    // Browsers send no Fetch Metadata over plain http, except on loopback.
    if (site === undefined || site === "cross-site") return { code: "login_cookies_strict" };
  }
  if (flags & HAD_OUR_COOKIES && site === "cross-site") return { code: "login_cookies_strict" };
  if (flags & HAD_OUR_COOKIES)
    return {
      code: "login_cookie_lost",
      detail: "cookies of portalAuth() came to /login, and none of them came back",
    };
  if (hasOtherCookies(req))
    return { code: "login_cookie_lost", detail: "cookies came back, but none of portalAuth()" };
  if (!(flags & HAD_COOKIES)) return { code: "login_cookies_blocked" };
  if (site === "cross-site") return { code: "login_cookies_strict" };
  return { code: "login_cookie_lost", detail: "cookies came to /login, and none came back" };
}

const signFacts = (key: Buffer, state: string, seen: Buffer): Buffer =>
  createHmac("sha256", key).update(state).update(seen).digest().subarray(0, MAC_BYTES);

const hashBrowser = (key: Buffer, { headers }: Request): Buffer =>
  createHmac("sha256", key)
    .update(`browser ${headers["user-agent"] ?? ""}`)
    .digest()
    .subarray(0, BROWSER_BYTES);

const hashHost = (key: Buffer, req: Request): Buffer =>
  createHmac("sha256", key)
    .update(`host ${readBrowserHost(req)}`)
    .digest()
    .subarray(0, HOST_BYTES);

/**
 * Returns the host in the address bar, without its port: the value of X-Forwarded-Host, else of Host. ""
 * for a value that is no host. Anybody can send these headers, so this may only choose a message.
 */
export function readBrowserHost(req: Request): string {
  const address = `http://${readForwardedHost(req) || (req.headers.host ?? "")}`;
  return address.length <= MAX_URL_CHARACTERS && URL.canParse(address) ? new URL(address).hostname : "";
}

/** Returns the first value of X-Forwarded-Host, which the outermost proxy wrote; "" without one. */
export function readForwardedHost({ headers }: Request): string {
  const [first = ""] = String(headers["x-forwarded-host"] ?? "").split(",");
  return first.trim();
}

/** Whether the page is loaded into a frame (Fetch Metadata Request Headers, section 2.1). */
const isFramed = ({ headers }: Request): boolean =>
  ["iframe", "frame", "embed", "object", "fencedframe"].includes(String(headers["sec-fetch-dest"]));

const readCookieNames = ({ headers }: Request): string[] => Object.keys(parseCookie(headers.cookie ?? ""));

const hasProbeCookie = (req: Request): boolean => readCookieNames(req).includes(PROBE_COOKIE);

const hasOtherCookies = (req: Request): boolean => readCookieNames(req).some((name) => name !== PROBE_COOKIE);

const hasOurCookies = (req: Request): boolean => readCookieNames(req).some(isOurCookie);
