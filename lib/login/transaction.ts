import { createHash } from "node:crypto";
import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { loginCookiePrefix } from "../cookie-names.js";
import { PortalAuthError } from "../errors.js";
import { attemptOf } from "../portal/authorize.js";
import type { Expected } from "../portal/exchange.js";
import { createSealer, type Sealer } from "../session/seal.js";
import { bareState, createEvidence } from "./evidence.js";
import { returnTo } from "./return-to.js";

/** How long a login may take. */
export const LIFETIME_MS = 10 * 60 * 1000;
/** Proxies cut a header line at 8 KiB: all attempts together stay under half of it. */
const ALL_ATTEMPTS_BYTES = 4000;
/** No browser of ours carries more; whoever sends them does so to keep us busy with opening them. */
const MOST_OPENED = 24;

/** A login that was begun: what waits in the browser until the portal answers. */
export interface Transaction {
  /** What state, nonce and code_verifier grow from. */
  readonly seed: string;
  readonly return_to: string;
  /** In epoch milliseconds: several logins may begin in one second, and the oldest is dropped first. */
  readonly begun_at: number;
  /** The limit that the authorization request asked for, in seconds: auth_time is compared with it. */
  readonly max_age?: number;
  /** That the authorization request asked for, where it was another than the option's. */
  readonly scope?: string;
  /** One of these `acr` values the ID token must have. */
  readonly acr?: readonly string[];
  /** There where nobody has asked for it. */
  readonly silent?: boolean;
  /** The id of a form that is kept until this login is done. */
  readonly form?: string;
}

/** A login that was finished, or that failed: its cookie stays, so that reload and back lead to its page. */
interface Spent {
  readonly spent: true;
  readonly return_to: string;
  readonly begun_at: number;
}

export interface Saved {
  /** What is sent to the portal as state (RFC 6749, section 10.12). */
  readonly state: string;
  /** The name that events call this attempt by. */
  readonly name: string;
}

export type Taken =
  | { readonly kind: "begun"; readonly id: string; readonly transaction: Transaction; readonly expected: Expected }
  | { readonly kind: "spent"; readonly return_to: string };

/** What waits between /login and /callback, sealed in one cookie an attempt: several tabs can log in at once. */
export interface Transactions {
  /** @param state of the attempt: it goes on to the portal with what is to be known of it at the callback */
  save(req: Request, res: Response, state: string, transaction: Transaction): Saved;
  /** Whether this is the state of a login that nobody has asked for, whatever has become of its cookie. */
  isSilent(state: string): boolean;
  /**
   * The transaction that was begun in this browser with this state, which is spent by that.
   *
   * @throws PortalAuthError `login_expired`, and the others of Evidence.whyLost()
   */
  take(req: Request, res: Response, state: string): Taken;
  /** Lets reload and back lead to another page than the login had begun with. */
  redirectLater(res: Response, id: string, transaction: Transaction, return_to: string): void;
}

export interface TransactionsOptions {
  /** Of several portalAuth() in an application. */
  readonly name: string | undefined;
  readonly secrets: readonly string[];
  readonly https: boolean;
  /** Whose logins these are, at which portal: a login that was begun at one cannot be finished at another. */
  readonly belongsTo: string;
}

export function createTransactions({ name: instance, secrets, https, belongsTo }: TransactionsOptions): Transactions {
  const sealer = createSealer(secrets, `login ${belongsTo}`);
  const prefix = loginCookiePrefix({ name: instance, https });
  const evidence = createEvidence({ secrets, belongsTo, https, lifetimeMs: LIFETIME_MS });
  // by whose login it is as well: what another portalAuth() has begun is no cookie of ours that cannot be opened
  const nameOf = (state: string) =>
    prefix + createHash("sha256").update(`${belongsTo} ${state}`).digest("base64url").slice(0, 16);
  const isOurs = new RegExp(`^${prefix.replaceAll(".", "\\.")}[\\w-]{16}$`);

  function setCookie(res: Response, name: string, value: string, { begun_at }: Transaction | Spent): void {
    const maxAge = Math.floor((begun_at + LIFETIME_MS - Date.now()) / 1000);
    const cookie = { name, value, path: "/", httpOnly: true, secure: https, sameSite: "lax", maxAge } as const;
    res.appendHeader("Set-Cookie", stringifySetCookie(cookie));
  }

  function spend(res: Response, name: string, { begun_at }: Transaction, return_to: string): void {
    const spent: Spent = { spent: true, return_to, begun_at };
    setCookie(res, name, sealer.seal(spent), spent);
  }

  return {
    save(req, res, bare, transaction) {
      const state = evidence.add(bare, req, transaction);
      const name = nameOf(state);
      const value = sealer.seal(transaction);
      const others = cookiesOf(req).filter(([other]) => isOurs.test(other));
      const dropped = oldest(others, sealer, ALL_ATTEMPTS_BYTES - bytes([name, value]));
      for (const other of dropped) res.clearCookie(other, { path: "/", httpOnly: true, secure: https });
      setCookie(res, name, value, transaction);
      return { state, name: shortName(name) };
    },

    isSilent: evidence.isSilent,

    take(req, res, state) {
      const id = nameOf(state);
      const value = parseCookie(req.headers.cookie ?? "")[id];
      const found = value && (sealer.open(value) as Transaction | Spent | undefined);
      if (!found) throw new PortalAuthError(evidence.whyLost(state, req, value !== undefined));
      if (found.begun_at + LIFETIME_MS <= Date.now()) throw new PortalAuthError("login_expired");
      if ("spent" in found) return { kind: "spent", return_to: returnTo(found.return_to) };
      const attempt = attemptOf(found.seed);
      if (attempt.state !== bareState(state)) throw new PortalAuthError("login_not_found");
      spend(res, id, found, found.return_to); // before anything can fail: it is spent once
      const { max_age, acr, scope } = found;
      const expected = {
        ...attempt,
        ...(max_age !== undefined && { max_age }),
        ...(acr && { acr }),
        ...(scope !== undefined && { scope }),
      };
      return { kind: "begun", id, transaction: found, expected };
    },

    redirectLater: spend,
  };
}

/** Of the cookie of an attempt. Events call the attempt by it: it is a hash of the state, and leads to nothing. */
export const shortName = (cookie: string): string => cookie.slice(cookie.lastIndexOf(".") + 1);

type CookiePair = readonly [name: string, value: string];

const bytes = ([name, value]: CookiePair): number => name.length + value.length + "=; ".length;

function cookiesOf(req: Request): CookiePair[] {
  return Object.entries(parseCookie(req.headers.cookie ?? "")) as CookiePair[];
}

/**
 * The names of the oldest attempts that must go for the others to fit. Those that are spent go before those that
 * somebody may still finish; what cannot be opened (another app's, an older secret's) goes first.
 */
function oldest(attempts: CookiePair[], sealer: Sealer, room: number): string[] {
  let excess = attempts.reduce((sum, pair) => sum + bytes(pair), 0) - room;
  if (excess <= 0) return [];
  const aged = attempts.map((pair, index) => {
    const opened = index < MOST_OPENED ? (sealer.open(pair[1]) as Transaction | Spent | undefined) : undefined;
    const isSpent = opened !== undefined && "spent" in opened;
    return { pair, age: (opened?.begun_at ?? 0) - (isSpent ? LIFETIME_MS : 0) };
  });
  const dropped: string[] = [];
  for (const { pair } of aged.sort((a, b) => a.age - b.age)) {
    if (excess <= 0) break;
    dropped.push(pair[0]);
    excess -= bytes(pair);
  }
  return dropped;
}
