import { createHmac, timingSafeEqual } from "node:crypto";
import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import type { PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { isOurCookie, PROBE_COOKIE } from "../http/cookie-names.js";
import { readBrowserHost } from "../http/request-host.js";
import { isProbablyHttps } from "../http/request-scheme.js";
import { deriveKeys } from "../util/encryption.js";

/**
 * Explains why the cookie of a login does not come back. For that, the state that is sent to the provider
 * holds signed facts about the request that started the login. Each cause has an error code and a remedy of
 * its own. The facts only choose a message, because the browser can forge the headers that they describe.
 */
export interface StateDiagnostics {
  /** Returns the state to send: the given state, followed by the facts about this request. */
  addToState(state: string, req: Request, started: StartedLogin): string;
  /** Returns whether one of our secrets has signed this state and its facts. */
  isOwnState(state: string): boolean;
  /** Returns whether this state belongs to a silent login; false if none of our secrets has signed it. */
  isSilent(state: string): boolean;
  /**
   * Returns why this request has no attempt for this state. The code is one of these:
   *
   * - `login_not_found` or `login_secret_changed`, if none of our secrets has signed the state
   * - `login_expired`
   * - `login_in_other_browser`, `login_over_http`, `login_on_other_host`, or `login_in_frame`
   * - `login_cookie_lost`, `login_cookie_changed`, `login_cookies_strict`, or `login_cookies_blocked`
   *
   * @param hasUnreadableCookie whether a login cookie of the request cannot be decrypted
   */
  explainLostLogin(state: string, req: Request, hasUnreadableCookie: boolean): LostLogin;
  /**
   * Sets the probe cookie in the response to a lost login. It has no Path, no Domain and no prefix, so a
   * browser keeps it even if a proxy changes these for the login's cookie. If the browser's next login fails
   * as well, the probe cookie shows the cause. A state that none of our secrets has signed sets no cookie.
   */
  setProbeCookie(state: string, res: Response): void;
}

export interface LostLogin {
  readonly code: PortalAuthErrorCode;
  /** Describes the cookies of the request, if several causes share one code. */
  readonly detail?: string;
}

/** The facts about an attempt that its state contains, even if its cookie is lost. */
export interface StartedLogin {
  /** In epoch milliseconds. */
  readonly started_at: number;
  readonly isSilent?: boolean;
}

/** In characters of base64url: 256 bits of the state itself, followed by 10 bytes of facts and their MAC. */
const STATE_LENGTH = 43;
const FULL_STATE_LENGTH = 67;
const TIME_BYTES = 4;
const FLAG_BYTES = 1;
/** Two or three bytes of a hash distinguish two browsers or two hosts, and do not reveal them. */
const BROWSER_BYTES = 2;
const HOST_BYTES = 3;
const FACTS_BYTES = TIME_BYTES + FLAG_BYTES + BROWSER_BYTES + HOST_BYTES;
const MAC_BYTES = 8;

const HAD_COOKIES = 1;
const OVER_HTTPS = 2;
const SILENT = 4;
const IN_FRAME = 8;
const HAD_OUR_COOKIES = 16;
const HAD_PROBE = 32;

/** Returns a login's state without the facts that addToState() has added. */
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

interface SignedFacts {
  readonly bytes: Buffer;
  /** The key whose signature was valid. */
  readonly key: Buffer;
}

/** Creates the state diagnostics of one portalAuth(). The first secret signs. All secrets verify. */
export function createStateDiagnostics(options: StateDiagnosticsOptions): StateDiagnostics {
  const { secrets, belongsTo, https, lifetimeMs, clock } = options;
  const keys = deriveKeys(secrets, `state diagnostics ${belongsTo}`);
  const [signingKey] = keys as [Buffer, ...Buffer[]];
  return {
    addToState(state, req, started) {
      const facts = encodeFacts(signingKey, req, started);
      return state + Buffer.concat([facts, signFacts(signingKey, state, facts)]).toString("base64url");
    },
    isOwnState: (state) => verifyState(keys, state) !== undefined,
    isSilent(state) {
      const facts = verifyState(keys, state);
      return facts !== undefined && (readFlags(facts) & SILENT) !== 0;
    },
    explainLostLogin(state, req, hasUnreadableCookie) {
      const facts = verifyState(keys, state);
      if (!facts) return { code: hasUnreadableCookie ? "login_secret_changed" : "login_not_found" };
      if (facts.bytes.readUInt32BE() * 1000 + lifetimeMs <= clock()) return { code: "login_expired" };
      const code = explainByStart(facts, req, https);
      return code ? { code } : explainByCookies(readFlags(facts), req);
    },
    setProbeCookie(state, res) {
      if (!verifyState(keys, state)) return; // a forged link must not set a cookie
      const maxAge = Math.floor(lifetimeMs / 1000);
      const attributes = { httpOnly: true, secure: https, sameSite: "lax", maxAge } as const;
      res.append("Set-Cookie", stringifySetCookie({ name: PROBE_COOKIE, value: "1", ...attributes }));
    },
  };
}

/** Returns the facts in a state; undefined if none of our secrets has signed it. */
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

function encodeFacts(key: Buffer, req: Request, { started_at, isSilent }: StartedLogin): Buffer {
  const head = Buffer.alloc(TIME_BYTES + FLAG_BYTES);
  head.writeUInt32BE(Math.floor(started_at / 1000) >>> 0);
  let flags = 0;
  if (hasOtherCookies(req)) flags |= HAD_COOKIES;
  if (isProbablyHttps(req)) flags |= OVER_HTTPS;
  if (isSilent) flags |= SILENT;
  if (isFramed(req)) flags |= IN_FRAME;
  if (hasOurCookies(req)) flags |= HAD_OUR_COOKIES;
  if (hasProbeCookie(req)) flags |= HAD_PROBE;
  head.writeUInt8(flags, TIME_BYTES);
  return Buffer.concat([head, hashBrowser(key, req), hashHost(key, req)]);
}

const readFlags = ({ bytes }: SignedFacts): number => bytes.readUInt8(TIME_BYTES);

/** Returns the code if the login started in another browser, over http, at another host, or in a frame. */
function explainByStart(facts: SignedFacts, req: Request, https: boolean): PortalAuthErrorCode | undefined {
  const { bytes, key } = facts;
  const flags = readFlags(facts);
  const hashes = bytes.subarray(TIME_BYTES + FLAG_BYTES);
  if (!hashBrowser(key, req).equals(hashes.subarray(0, BROWSER_BYTES))) return "login_in_other_browser";
  if (https && !(flags & OVER_HTTPS) && isProbablyHttps(req)) return "login_over_http";
  if (!hashHost(key, req).equals(hashes.subarray(BROWSER_BYTES))) return "login_on_other_host";
  if (flags & IN_FRAME || isFramed(req)) return "login_in_frame";
  return undefined;
}

/** Compares the cookies of this request with those that /login had, from the same browser and host. */
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

const signFacts = (key: Buffer, state: string, facts: Buffer): Buffer =>
  createHmac("sha256", key).update(state).update(facts).digest().subarray(0, MAC_BYTES);

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

/** Returns whether the page is loaded into a frame (Fetch Metadata Request Headers, section 2.1). */
const isFramed = ({ headers }: Request): boolean =>
  ["iframe", "frame", "embed", "object", "fencedframe"].includes(String(headers["sec-fetch-dest"]));

const readCookieNames = ({ headers }: Request): string[] => Object.keys(parseCookie(headers.cookie ?? ""));

const hasProbeCookie = (req: Request): boolean => readCookieNames(req).includes(PROBE_COOKIE);

const hasOtherCookies = (req: Request): boolean => readCookieNames(req).some((name) => name !== PROBE_COOKIE);

const hasOurCookies = (req: Request): boolean => readCookieNames(req).some(isOurCookie);
