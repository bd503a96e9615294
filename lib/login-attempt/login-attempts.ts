import type { Request, Response } from "express";
import { getRemainingHeaderBytes } from "../answer/remaining-header-bytes.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { deriveAttemptSecrets } from "../provider/authorization-request.js";
import type { LoginExpectations } from "../provider/exchange-code.js";
import { omitUndefined } from "../util/omit-undefined.js";
import { sha256 } from "../util/sha256.js";
import { digestState, encodeAttempt, encodeUsedMark, stripQuery } from "./encode-attempt.js";
import type { LoginAttempt, PendingAttempt, SlotContent, UsedMark } from "./login-attempt.js";
import {
  type FoundLoginCookies,
  type FoundSlot,
  LoginCookies,
  type LoginCookiesOptions,
} from "./login-cookies.js";
import { countOverflowBytes, type OverflowEntry } from "./overflow-cookie.js";
import { createStateDiagnostics, type StateDiagnostics, stripDiagnostics } from "./state-diagnostics.js";

/** How long Reload and Back lead to the page of a login that is over. */
const USED_MARK_LIFETIME_MS = 10 * 60 * 1000;
/** A login counts as consecutive if it finishes within this time after the last one. */
const CONSECUTIVE_SECONDS = 60;

export interface SavedAttempt {
  /** The URL at the provider where this login continues. */
  readonly href: string;
  /** The id of this attempt in events. */
  readonly id: string;
}

export interface LastFinishedLogin {
  readonly secondsAgo: number;
  /** How many logins, this one included, succeeded in quick succession. */
  readonly consecutiveLogins: number;
}

interface RequestAndResponse {
  readonly req: Request;
  readonly res: Response;
}

/** An attempt that this callback may finish, or the page of an attempt that is already over. */
export type TakeResult = TakenAttempt | { readonly kind: "used"; readonly return_to: string };

export interface TakenAttempt {
  readonly kind: "taken";
  /** The id of this attempt in events. */
  readonly id: string;
  readonly loginAttempt: LoginAttempt;
  readonly expected: LoginExpectations;
  /** The name of the slot cookie, which holds the used mark from now on. */
  readonly cookie: string;
  readonly digest: Buffer;
}

export interface LoginAttemptsOptions extends LoginCookiesOptions {
  /** The option `clock`. */
  readonly clock: () => number;
  /** How long a login may take. */
  readonly lifetimeMs: number;
}

/**
 * The login attempts of one portalAuth(). Each attempt waits in a cookie of its own between /login and
 * /callback, so that several tabs can sign in at once.
 */
export class LoginAttempts {
  readonly #cookies: LoginCookies;
  readonly #diagnostics: StateDiagnostics;
  readonly #clock: () => number;
  readonly #lifetimeMs: number;

  constructor(options: LoginAttemptsOptions) {
    this.#cookies = new LoginCookies(options);
    this.#diagnostics = createStateDiagnostics(options);
    this.#clock = options.clock;
    this.#lifetimeMs = options.lifetimeMs;
  }

  /**
   * Sets the cookies that hold an attempt, and returns the URL at the provider. If no slot is free, it
   * overwrites one: see LoginCookies.chooseSlot(). If the return address is too long, its path or the start
   * page takes its place.
   *
   * @param createHref creates that URL from the state. Its length limits how much of the attempt fits into
   *   the response headers.
   * @throws PortalAuthError `authorization_params_invalid` if scope and acr are too long for the cookies
   */
  save(
    { req, res }: RequestAndResponse,
    loginAttempt: LoginAttempt,
    createHref: (state: string) => string,
  ): SavedAttempt {
    const state = this.#diagnostics.addToState(
      deriveAttemptSecrets(loginAttempt.seed).state,
      req,
      loginAttempt,
    );
    const href = createHref(state);
    const found = this.#cookies.read(req);
    const { slot, entries } = this.#encode(res, found, loginAttempt, href);
    this.#cookies.writeSlot(res, this.#cookies.chooseSlot(found), slot, this.#lifetimeMs);
    if (entries) this.#cookies.writeOverflow(res, entries, this.#lifetimeMs);
    return { href, id: toAttemptId(state) };
  }

  /** Returns whether the state belongs to a silent login. The state alone shows it, without the cookie. */
  isSilent(state: string): boolean {
    return this.#diagnostics.isSilent(state);
  }

  /**
   * Finds the attempt that this browser started with this state, and replaces its cookie with its used mark.
   * Afterwards the attempt cannot be taken again.
   *
   * @param home The page that the login leads to if the attempt has no return address.
   * @returns "taken" with the attempt. If this browser has its used mark: "used" with the page of that login.
   * @throws PortalAuthError in these cases:
   *   - `login_expired`: the attempt or its used mark has expired.
   *   - `login_overwritten`: `acr`, `scope` or `max_age` is lost. The attempt is used up.
   *   - A code of StateDiagnostics.explainLostLogin(): this browser has no such attempt. The probe cookie is
   *     set.
   */
  take({ req, res }: RequestAndResponse, state: string, home: string): TakeResult {
    const { slots } = this.#cookies.read(req);
    const digest = digestState(state);
    const mark = slots.map(({ content }) => content).find((content) => isUsedMarkOf(digest, content));
    if (mark) return this.#toUsedResult(mark, home);
    const { name, content } = this.#findSlot({ req, res }, state, slots);
    if (this.#isExpired(content)) throw new PortalAuthError("login_expired");
    const loginAttempt = { ...content.loginAttempt, return_to: content.loginAttempt.return_to || home };
    // This is first, so that an attempt is used once even if a later step fails.
    this.#writeUsedMark(res, name, { digest, return_to: loginAttempt.return_to, consecutiveLogins: 0 });
    if (content.hasLostChecks) throw new PortalAuthError("login_overwritten");
    const expected = toExpected(loginAttempt);
    return { kind: "taken", id: toAttemptId(state), loginAttempt, expected, cookie: name, digest };
  }

  #toUsedResult({ used_at, return_to }: UsedMark, home: string): TakeResult {
    if (used_at + USED_MARK_LIFETIME_MS <= this.#clock()) throw new PortalAuthError("login_expired");
    return { kind: "used", return_to: return_to || home };
  }

  #findSlot(
    { req, res }: RequestAndResponse,
    state: string,
    slots: readonly FoundSlot[],
  ): { name: string; content: PendingAttempt } {
    const bareState = stripDiagnostics(state);
    if (this.#diagnostics.isOwnState(state))
      for (const { name, content } of slots) if (hasState(content, bareState)) return { name, content };
    const { code, detail } = this.#diagnostics.explainLostLogin(state, req, slots.some(isUnreadableSlot));
    this.#diagnostics.setProbeCookie(state, res);
    throw new PortalAuthError(code, omitUndefined({ detail }));
  }

  /**
   * Replaces the used mark of a successful login: from now on it leads to `return_to`. Clears an overflow
   * cookie that no other attempt needs. Clears the marks of earlier logins and expired attempts, as far as
   * the headers of a redirect to `return_to` have room. Pending attempts of other tabs stay.
   */
  finish({ req, res }: RequestAndResponse, { cookie, digest }: TakenAttempt, return_to: string): void {
    const found = this.#cookies.read(req);
    const last = this.findLastFinished(req);
    const isConsecutive = last !== undefined && last.secondsAgo < CONSECUTIVE_SECONDS;
    const consecutiveLogins = isConsecutive ? last.consecutiveLogins + 1 : 1;
    this.#writeUsedMark(res, cookie, { digest, return_to, consecutiveLogins });
    const others = found.slots.filter(({ name }) => name !== cookie);
    const over = others.filter(({ content }) => content && (content.isUsed || this.#isExpired(content)));
    const neededOverflow = this.#findPending(others).flatMap(({ overflow }) => overflow ?? []);
    if (found.hasOverflow && neededOverflow.length === 0) this.#cookies.clearOverflow(res);
    this.#clearSlots(res, over, return_to);
  }

  /**
   * Clears all attempts and marks, marks first, as far as the headers of a redirect to `location` have room
   * for it.
   */
  clear({ req, res }: RequestAndResponse, location: string): void {
    const { slots, hasOverflow } = this.#cookies.read(req);
    const marksFirst = [...slots].sort((one, other) => Number(isUsedSlot(other)) - Number(isUsedSlot(one)));
    this.#clearSlots(res, marksFirst, location);
    if (hasOverflow && getRemainingHeaderBytes(res, location) >= this.#cookies.clearBytes)
      this.#cookies.clearOverflow(res);
  }

  /**
   * Returns the last login that this browser has finished successfully. Returns undefined if the request has
   * no used mark of such a login.
   */
  findLastFinished(req: Request): LastFinishedLogin | undefined {
    const contents = this.#cookies.read(req).slots.map(({ content }) => content);
    const marks = contents.filter(
      (content): content is UsedMark => content?.isUsed === true && content.consecutiveLogins > 0,
    );
    const [last] = marks.sort((one, other) => other.used_at - one.used_at);
    if (!last) return undefined;
    const { used_at, consecutiveLogins } = last;
    return { secondsAgo: (this.#clock() - used_at) / 1000, consecutiveLogins };
  }

  #clearSlots(res: Response, unwanted: readonly FoundSlot[], location: string): void {
    const count = Math.max(0, Math.floor(getRemainingHeaderBytes(res, location) / this.#cookies.clearBytes));
    for (const { name } of unwanted.slice(0, count)) this.#cookies.clearSlot(res, name);
  }

  #writeUsedMark(res: Response, name: string, mark: Omit<UsedMark, "isUsed" | "used_at">): void {
    const usedMark: UsedMark = { isUsed: true, ...mark, used_at: this.#clock() };
    const bytes = encodeUsedMark(usedMark, this.#cookies.maxSlotBytes);
    this.#cookies.writeSlot(res, name, bytes, USED_MARK_LIFETIME_MS);
  }

  /**
   * Encodes an attempt with its whole return address, else with its path, else without it. The first that
   * fits is used. If the overflow cookie has no room for all pending attempts, the oldest entries are
   * dropped.
   */
  #encode(res: Response, found: FoundLoginCookies, loginAttempt: LoginAttempt, href: string) {
    const { maxSlotBytes, maxOverflowBytes } = this.#cookies;
    const freeBytes = getRemainingHeaderBytes(res, href) - this.#cookies.countLineBytes(maxSlotBytes);
    const fits = (entries: readonly OverflowEntry[]): boolean => {
      const bytes = countOverflowBytes(entries);
      return bytes <= maxOverflowBytes && this.#cookies.countLineBytes(bytes) <= freeBytes;
    };
    for (const return_to of [loginAttempt.return_to, stripQuery(loginAttempt.return_to), ""]) {
      const { slot, overflow } = encodeAttempt({ ...loginAttempt, return_to }, maxSlotBytes);
      if (!overflow) return { slot };
      const entries = this.#findPending(found.slots).flatMap((pending) => pending.overflow ?? []);
      entries.push(overflow);
      while (entries.length > 1 && !fits(entries)) entries.shift();
      if (fits(entries)) return { slot, entries };
    }
    const detail = "scope and acr are too long: the cookies and headers of a login would exceed 4 KiB";
    throw new PortalAuthError("authorization_params_invalid", { detail });
  }

  /** Returns the attempts that can still be finished, the oldest first. */
  #findPending(slots: readonly FoundSlot[]): PendingAttempt[] {
    const attempts = slots.flatMap(({ content }) => (content && !content.isUsed ? [content] : []));
    const pending = attempts.filter((attempt) => !this.#isExpired(attempt));
    return pending.sort((one, other) => one.loginAttempt.started_at - other.loginAttempt.started_at);
  }

  #isExpired({ loginAttempt }: PendingAttempt): boolean {
    return loginAttempt.started_at + this.#lifetimeMs <= this.#clock();
  }
}

/** Returns the id of an attempt in events. It is a hash, so the state cannot be read from it. */
const toAttemptId = (state: string): string => sha256(state).slice(0, 16);

const isUsedMarkOf = (digest: Buffer, content: SlotContent | undefined): content is UsedMark =>
  content?.isUsed === true && content.digest.equals(digest);

const isUsedSlot = ({ content }: FoundSlot): boolean => content?.isUsed === true;

const isUnreadableSlot = ({ content }: FoundSlot): boolean => content === undefined;

const hasState = (content: SlotContent | undefined, bareState: string): content is PendingAttempt =>
  content !== undefined &&
  !content.isUsed &&
  deriveAttemptSecrets(content.loginAttempt.seed).state === bareState;

const toExpected = ({ seed, max_age, acr, scope }: LoginAttempt): LoginExpectations => ({
  ...deriveAttemptSecrets(seed),
  ...omitUndefined({ max_age, acr, scope }),
});
