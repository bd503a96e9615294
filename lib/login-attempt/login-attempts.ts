import type { Request, Response } from "express";
import { getRemainingHeaderBytes } from "../answer/remaining-header-bytes.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { attemptOf } from "../provider/authorization-request.js";
import type { Expected } from "../provider/exchange-code.js";
import { sha256 } from "../util/sha256.js";
import {
  digestState,
  encodeAttempt,
  encodeUsedMark,
  type LoginAttempt,
  type PendingAttempt,
  type SlotContent,
  stripQuery,
  type UsedMark,
} from "./encode-attempt.js";
import {
  type FoundLoginCookies,
  type FoundSlot,
  LoginCookies,
  type LoginCookiesOptions,
} from "./login-cookies.js";
import { countOverflowBytes, type OverflowEntry } from "./overflow-cookie.js";
import { createStateDiagnostics, type StateDiagnostics, stripDiagnostics } from "./state-diagnostics.js";

/** How long reload and back lead to the page of a login that is over. */
const USED_MARK_LIFETIME_MS = 10 * 60 * 1000;
/** Logins that are finished within this time belong to one row. */
const IN_A_ROW_SECONDS = 60;

export interface SavedAttempt {
  /** The address at the provider where this login continues. */
  readonly href: string;
  /** The name of this attempt in events. */
  readonly id: string;
}

export interface LastFinishedLogin {
  readonly secondsAgo: number;
  /** How many logins were finished in a row, in quick succession, with this one. */
  readonly consecutiveLogins: number;
}

/** A request and its answer. */
interface RequestAndResponse {
  readonly req: Request;
  readonly res: Response;
}

export type TakeResult = TakenAttempt | { readonly kind: "spent"; readonly return_to: string };

/** An attempt that waited for this callback. */
export interface TakenAttempt {
  readonly kind: "begun";
  /** The name of this attempt in events. */
  readonly id: string;
  readonly loginAttempt: LoginAttempt;
  readonly expected: Expected;
  /** The cookie that holds its mark from now on. */
  readonly cookie: string;
  readonly digest: Buffer;
}

export interface LoginAttemptsOptions extends LoginCookiesOptions {
  /** The option `clock`. */
  readonly clock: () => number;
  /** How long a login may take. */
  readonly lifetimeMs: number;
}

/** The login attempts of one portalAuth(). Each waits in a cookie between /login and /callback: several tabs can log in at once. */
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
   * Saves an attempt in the browser.
   *
   * @param hrefOf makes the address at the provider, of the state: how much of the attempt fits into the answer depends on it
   * @throws PortalAuthError `authorization_params_invalid` if scope and acr are too long to be remembered
   */
  save(
    { req, res }: RequestAndResponse,
    loginAttempt: LoginAttempt,
    hrefOf: (state: string) => string,
  ): SavedAttempt {
    const state = this.#diagnostics.addToState(attemptOf(loginAttempt.seed).state, req, loginAttempt);
    const href = hrefOf(state);
    const found = this.#cookies.read(req);
    const { slot, entries } = this.#encode(res, found, loginAttempt, href);
    this.#cookies.writeSlot(res, this.#cookies.chooseSlot(found), slot, this.#lifetimeMs);
    if (entries) this.#cookies.writeOverflow(res, entries, this.#lifetimeMs);
    return { href, id: toAttemptId(state) };
  }

  /** Whether this is the state of a silent login, even if its cookie is lost. */
  isSilent(state: string): boolean {
    return this.#diagnostics.isSilent(state);
  }

  /**
   * Returns the attempt that was begun in this browser with this state, and marks it as spent.
   *
   * @param home where a login leads whose return address was too long
   * @throws PortalAuthError `login_overwritten`, `login_expired`, and the others of Evidence.whyLost()
   */
  take({ req, res }: RequestAndResponse, state: string, home: string): TakeResult {
    const found = this.#cookies.read(req).slots;
    const digest = digestState(state);
    const mark = found.map(({ content }) => content).find((content) => isUsedMarkOf(digest, content));
    if (mark && mark.used_at + USED_MARK_LIFETIME_MS <= this.#clock())
      throw new PortalAuthError("login_expired");
    if (mark) return { kind: "spent", return_to: mark.return_to || home };
    const slot = this.#diagnostics.isOwnState(state)
      ? found.find(hasState(stripDiagnostics(state)))
      : undefined;
    if (!slot) {
      const { code, detail } = this.#diagnostics.explainLostLogin(state, req, found.some(isUnreadableSlot));
      this.#diagnostics.setProbeCookie(state, res);
      throw new PortalAuthError(code, { ...(detail !== undefined && { detail }) });
    }
    const open = slot.content as PendingAttempt;
    if (this.#isExpired(open)) throw new PortalAuthError("login_expired");
    const transaction = { ...open.loginAttempt, return_to: open.loginAttempt.return_to || home };
    this.#writeUsedMark(res, slot.name, { digest, return_to: transaction.return_to, consecutiveLogins: 0 }); // before anything can fail: it is used once
    if (open.hasLostChecks) throw new PortalAuthError("login_overwritten");
    const expected = toExpected(transaction);
    return {
      kind: "begun",
      id: toAttemptId(state),
      loginAttempt: transaction,
      expected,
      cookie: slot.name,
      digest,
    };
  }

  /**
   * Ends a login that has succeeded. Its mark leads to this page from now on. The marks of earlier logins, attempts that have
   * expired and an overflow that no other attempt needs are cleared. Attempts that wait in other tabs stay.
   */
  finish({ req, res }: RequestAndResponse, { cookie, digest }: TakenAttempt, return_to: string): void {
    const found = this.#cookies.read(req);
    const last = this.findLastFinished(req);
    const rounds = last && last.secondsAgo < IN_A_ROW_SECONDS ? last.consecutiveLogins + 1 : 1;
    this.#writeUsedMark(res, cookie, { digest, return_to, consecutiveLogins: rounds });
    const others = found.slots.filter(({ name }) => name !== cookie);
    const over = others.filter(({ content }) => content && (content.isUsed || this.#isExpired(content)));
    const kept = this.#findPending(others).flatMap(({ overflow }) => overflow ?? []);
    if (found.hasOverflow && kept.length === 0) this.#cookies.clearOverflow(res);
    this.#clearSlots(res, over, return_to);
  }

  /** Clears all attempts and marks, as far as they fit into the headers of a redirect to this address; marks first. */
  clear({ req, res }: RequestAndResponse, location: string): void {
    const { slots, hasOverflow } = this.#cookies.read(req);
    const marksFirst = [...slots].sort((one, other) => Number(isUsedSlot(other)) - Number(isUsedSlot(one)));
    this.#clearSlots(res, marksFirst, location);
    if (hasOverflow && getRemainingHeaderBytes(res, location) >= this.#cookies.clearBytes)
      this.#cookies.clearOverflow(res);
  }

  /** Returns when this browser has finished a login last, if its mark is still there. */
  findLastFinished(req: Request): LastFinishedLogin | undefined {
    const contents = this.#cookies.read(req).slots.map(({ content }) => content);
    const marks = contents.filter(
      (content): content is UsedMark => content?.isUsed === true && content.consecutiveLogins > 0,
    );
    const [last] = marks.sort((one, other) => other.used_at - one.used_at);
    return (
      last && { secondsAgo: (this.#clock() - last.used_at) / 1000, consecutiveLogins: last.consecutiveLogins }
    );
  }

  #clearSlots(res: Response, unwanted: readonly FoundSlot[], location: string): void {
    const count = Math.max(0, Math.floor(getRemainingHeaderBytes(res, location) / this.#cookies.clearBytes));
    for (const { name } of unwanted.slice(0, count)) this.#cookies.clearSlot(res, name);
  }

  #writeUsedMark(
    res: Response,
    name: string,
    mark: Pick<UsedMark, "digest" | "return_to" | "consecutiveLogins">,
  ): void {
    const spent: UsedMark = { isUsed: true, ...mark, used_at: this.#clock() };
    this.#cookies.writeSlot(
      res,
      name,
      encodeUsedMark(spent, this.#cookies.maxSlotBytes),
      USED_MARK_LIFETIME_MS,
    );
  }

  /**
   * Packs an attempt with its whole return address, else with its path, else without one: the first that fits. The overflow of
   * other attempts that wait is kept as far as it fits as well; the oldest goes first.
   */
  #encode(res: Response, found: FoundLoginCookies, loginAttempt: LoginAttempt, href: string) {
    const { maxSlotBytes: slotBytes, maxOverflowBytes: overflowBytes } = this.#cookies;
    const room = getRemainingHeaderBytes(res, href) - this.#cookies.countLineBytes(slotBytes);
    const fits = (entries: readonly OverflowEntry[]): boolean =>
      countOverflowBytes(entries) <= overflowBytes &&
      this.#cookies.countLineBytes(countOverflowBytes(entries)) <= room;
    for (const return_to of [loginAttempt.return_to, stripQuery(loginAttempt.return_to), ""]) {
      const { slot, overflow } = encodeAttempt({ ...loginAttempt, return_to }, slotBytes);
      if (!overflow) return { slot };
      const entries = [...this.#findPending(found.slots).flatMap((open) => open.overflow ?? []), overflow];
      while (entries.length > 1 && !fits(entries)) entries.shift();
      if (fits(entries)) return { slot, entries };
    }
    const detail = "scope and acr are too long: the cookies and headers of a login would exceed 4 KiB";
    throw new PortalAuthError("authorization_params_invalid", { detail });
  }

  /** Returns the attempts that can still be finished, the oldest first. */
  #findPending(found: readonly FoundSlot[]): PendingAttempt[] {
    const attempts = found.flatMap(({ content }) => (content && !content.isUsed ? [content] : []));
    const open = attempts.filter((attempt) => !this.#isExpired(attempt));
    return open.sort((one, other) => one.loginAttempt.begun_at - other.loginAttempt.begun_at);
  }

  #isExpired({ loginAttempt }: PendingAttempt): boolean {
    return loginAttempt.begun_at + this.#lifetimeMs <= this.#clock();
  }
}

/** It is a hash, and leads to nothing. */
const toAttemptId = (state: string): string => sha256(state).slice(0, 16);

const isUsedMarkOf = (digest: Buffer, content: SlotContent | undefined): content is UsedMark =>
  content?.isUsed === true && content.digest.equals(digest);

const isUsedSlot = ({ content }: FoundSlot): boolean => content?.isUsed === true;

const isUnreadableSlot = ({ content }: FoundSlot): boolean => content === undefined;

const hasState =
  (bare: string) =>
  ({ content }: FoundSlot): boolean =>
    content !== undefined && !content.isUsed && attemptOf(content.loginAttempt.seed).state === bare;

function toExpected({ seed, max_age, acr, scope }: LoginAttempt): Expected {
  return {
    ...attemptOf(seed),
    ...(max_age !== undefined && { max_age }),
    ...(acr && { acr }),
    ...(scope !== undefined && { scope }),
  };
}
