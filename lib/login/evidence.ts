import { createHmac, timingSafeEqual } from "node:crypto";
import type { Request } from "express";
import type { PortalAuthErrorCode } from "../errors.js";
import { isOverHttps } from "../over-https.js";
import { deriveKeys } from "../session/seal.js";

/**
 * What the state of a login tells when its cookie does not come back: how the browser looked when it was sent to the
 * portal. "The state is wrong" has seven causes, and each its own remedy; without this they look all alike. It decides
 * nothing but the name of a failure, and whether the person is to see it.
 */
export interface Evidence {
  /** The state to send: what was given, and behind it what was seen. */
  add(state: string, req: Request, begun: Begun): string;
  /** Whether one of our secrets has signed this state, with the evidence in it. */
  isOurs(state: string): boolean;
  /** Whether a login that was begun with this state is one that nobody has asked for. */
  isSilent(state: string): boolean;
  /** Why a login that was begun with this state is not to be found in this request. */
  whyLost(state: string, req: Request, cookieIsThere: boolean): PortalAuthErrorCode;
}

/** What is to be known of an attempt even where its cookie does not come back. */
export interface Begun {
  readonly begun_at: number;
  readonly silent?: boolean;
}

/** Of base64url: 256 bits of the state itself, and 15 bytes of evidence behind them. */
const [STATE_LENGTH, WHOLE_LENGTH] = [43, 63];
const [TIME_BYTES, MARK_BYTES, MAC_BYTES] = [4, 2, 8];
const SEEN_BYTES = TIME_BYTES + 1 + MARK_BYTES;
const [HAD_COOKIES, OVER_HTTPS, SILENT] = [1, 2, 4];

/** What a login's state is without the evidence behind it. */
export const bareState = (state: string): string => state.slice(0, STATE_LENGTH);

export interface EvidenceOptions {
  readonly secrets: readonly string[];
  readonly belongsTo: string;
  /** Whether people reach the app over https. */
  readonly https: boolean;
  /** How long a login may take. */
  readonly lifetimeMs: number;
  /** The option `clock`. */
  readonly clock: () => number;
}

export function createEvidence({ secrets, belongsTo, https, lifetimeMs, clock }: EvidenceOptions): Evidence {
  const keys = deriveKeys(secrets, `evidence ${belongsTo}`);
  const [first] = keys as [Buffer, ...Buffer[]];

  /** Undefined for a state that none of our secrets has signed. */
  function read(state: string): { readonly seen: Buffer; readonly key: Buffer } | undefined {
    if (state.length !== WHOLE_LENGTH) return undefined;
    const tail = Buffer.from(state.slice(STATE_LENGTH), "base64url");
    const [seen, mac] = [tail.subarray(0, SEEN_BYTES), tail.subarray(SEEN_BYTES)];
    if (mac.length !== MAC_BYTES) return undefined;
    const key = keys.find((candidate) => timingSafeEqual(mac, macOf(candidate, bareState(state), seen)));
    return key && { seen, key };
  }

  return {
    add(state, req, { begun_at, silent }) {
      const seen = Buffer.alloc(SEEN_BYTES);
      seen.writeUInt32BE(Math.floor(begun_at / 1000) >>> 0);
      const flags = (hasCookies(req) ? HAD_COOKIES : 0) | (isOverHttps(req) ? OVER_HTTPS : 0) | (silent ? SILENT : 0);
      seen.writeUInt8(flags, TIME_BYTES);
      browserMark(first, req).copy(seen, TIME_BYTES + 1);
      return state + Buffer.concat([seen, macOf(first, state, seen)]).toString("base64url");
    },

    isOurs: (state) => read(state) !== undefined,

    isSilent(state) {
      const seen = read(state)?.seen;
      return seen !== undefined && (seen.readUInt8(TIME_BYTES) & SILENT) !== 0;
    },

    whyLost(state, req, cookieIsThere) {
      const found = read(state);
      if (!found) return cookieIsThere ? "login_secret_changed" : "login_not_found";
      const { seen, key } = found;
      const flags = seen.readUInt8(TIME_BYTES);
      if (seen.readUInt32BE() * 1000 + lifetimeMs <= clock()) return "login_expired";
      if (!browserMark(key, req).equals(seen.subarray(TIME_BYTES + 1))) return "login_in_other_browser";
      if (https && !(flags & OVER_HTTPS) && isOverHttps(req)) return "login_over_http";
      if (hasCookies(req)) return "login_cookie_lost";
      if (!(flags & HAD_COOKIES)) return "login_cookies_blocked";
      return req.headers["sec-fetch-site"] === "cross-site" ? "login_cookies_strict" : "login_cookie_lost";
    },
  };
}

const macOf = (key: Buffer, state: string, seen: Buffer): Buffer =>
  createHmac("sha256", key).update(state).update(seen).digest().subarray(0, MAC_BYTES);

/** Two bytes tell two browsers apart, and nobody who reads them learns which they are. */
const browserMark = (key: Buffer, { headers }: Request): Buffer =>
  createHmac("sha256", key)
    .update(`browser ${headers["user-agent"] ?? ""}`)
    .digest()
    .subarray(0, MARK_BYTES);

const hasCookies = ({ headers }: Request): boolean => Boolean(headers.cookie);
