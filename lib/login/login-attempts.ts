import type { Request, Response } from "express";
import { headerRoom } from "../answer/header-room.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { attemptOf } from "../provider/authorization-request.js";
import type { Expected } from "../provider/exchange-code.js";
import { sha256 } from "../util/sha256.js";
import {
  digestOf,
  type OpenAttempt,
  packAttempt,
  packSpent,
  type Slot,
  type Spent,
  shortened,
  type Transaction,
} from "./attempt.js";
import { type OverflowEntry, overflowSize } from "./overflow.js";
import { type FoundSlot, type FoundSlots, Slots, type SlotsOptions } from "./slots.js";
import { bareState, createEvidence, type Evidence } from "./state-diagnostics.js";

/** How long reload and back lead to the page of a login that is over. */
const MARK_LIFETIME_MS = 10 * 60 * 1000;
/** Logins that are finished within this time belong to one row. */
const IN_A_ROW_SECONDS = 60;

export interface Saved {
  /** The address at the provider where this login continues. */
  readonly href: string;
  /** The name of this attempt in events. */
  readonly name: string;
}

export interface LastFinished {
  readonly secondsAgo: number;
  /** How many logins were finished in a row, in quick succession, with this one. */
  readonly rounds: number;
}

/** A request and its answer. */
interface Exchanged {
  readonly req: Request;
  readonly res: Response;
}

export type Taken = Begun | { readonly kind: "spent"; readonly return_to: string };

/** An attempt that waited for this callback. */
export interface Begun {
  readonly kind: "begun";
  /** The name of this attempt in events. */
  readonly id: string;
  readonly transaction: Transaction;
  readonly expected: Expected;
  /** The cookie that holds its mark from now on. */
  readonly cookie: string;
  readonly digest: Buffer;
}

export interface TransactionsOptions extends SlotsOptions {
  /** The option `clock`. */
  readonly clock: () => number;
  /** How long a login may take. */
  readonly lifetimeMs: number;
}

/** The login attempts of one portalAuth(). Each waits in a cookie between /login and /callback: several tabs can log in at once. */
export class Transactions {
  readonly #slots: Slots;
  readonly #evidence: Evidence;
  readonly #clock: () => number;
  readonly #lifetimeMs: number;

  constructor(options: TransactionsOptions) {
    this.#slots = new Slots(options);
    this.#evidence = createEvidence(options);
    this.#clock = options.clock;
    this.#lifetimeMs = options.lifetimeMs;
  }

  /**
   * Saves an attempt in the browser.
   *
   * @param hrefOf makes the address at the provider, of the state: how much of the attempt fits into the answer depends on it
   * @throws PortalAuthError `authorization_params_invalid` if scope and acr are too long to be remembered
   */
  save({ req, res }: Exchanged, transaction: Transaction, hrefOf: (state: string) => string): Saved {
    const state = this.#evidence.add(attemptOf(transaction.seed).state, req, transaction);
    const href = hrefOf(state);
    const found = this.#slots.read(req);
    const { slot, entries } = this.#pack(res, found, transaction, href);
    this.#slots.write(res, this.#slots.choose(found), slot, this.#lifetimeMs);
    if (entries) this.#slots.writeOverflow(res, entries, this.#lifetimeMs);
    return { href, name: nameOf(state) };
  }

  /** Whether this is the state of a silent login, even if its cookie is lost. */
  isSilent(state: string): boolean {
    return this.#evidence.isSilent(state);
  }

  /**
   * Returns the attempt that was begun in this browser with this state, and marks it as spent.
   *
   * @param home where a login leads whose return address was too long
   * @throws PortalAuthError `login_overwritten`, `login_expired`, and the others of Evidence.whyLost()
   */
  take({ req, res }: Exchanged, state: string, home: string): Taken {
    const found = this.#slots.read(req).slots;
    const digest = digestOf(state);
    const mark = found.map(({ content }) => content).find((content) => isMarkOf(digest, content));
    if (mark && mark.spent_at + MARK_LIFETIME_MS <= this.#clock()) throw new PortalAuthError("login_expired");
    if (mark) return { kind: "spent", return_to: mark.return_to || home };
    const slot = this.#evidence.isOurs(state) ? found.find(isBegunWith(bareState(state))) : undefined;
    if (!slot) {
      const { code, detail } = this.#evidence.whyLost(state, req, found.some(isUnreadable));
      this.#evidence.setProbe(state, res);
      throw new PortalAuthError(code, { ...(detail !== undefined && { detail }) });
    }
    const open = slot.content as OpenAttempt;
    if (this.#isExpired(open)) throw new PortalAuthError("login_expired");
    const transaction = { ...open.transaction, return_to: open.transaction.return_to || home };
    this.#markSpent(res, slot.name, { digest, return_to: transaction.return_to, rounds: 0 }); // before anything can fail: it is used once
    if (open.hasLostChecks) throw new PortalAuthError("login_overwritten");
    const expected = expectedOf(transaction);
    return { kind: "begun", id: nameOf(state), transaction, expected, cookie: slot.name, digest };
  }

  /**
   * Ends a login that has succeeded. Its mark leads to this page from now on. The marks of earlier logins, attempts that have
   * expired and an overflow that no other attempt needs are cleared. Attempts that wait in other tabs stay.
   */
  finish({ req, res }: Exchanged, { cookie, digest }: Begun, return_to: string): void {
    const found = this.#slots.read(req);
    const last = this.lastFinished(req);
    const rounds = last && last.secondsAgo < IN_A_ROW_SECONDS ? last.rounds + 1 : 1;
    this.#markSpent(res, cookie, { digest, return_to, rounds });
    const others = found.slots.filter(({ name }) => name !== cookie);
    const over = others.filter(({ content }) => content && (content.spent || this.#isExpired(content)));
    const kept = this.#waiting(others).flatMap(({ overflow }) => overflow ?? []);
    if (found.hasOverflow && kept.length === 0) this.#slots.clearOverflow(res);
    this.#clear(res, over, return_to);
  }

  /** Clears all attempts and marks, as far as they fit into the headers of a redirect to this address; marks first. */
  clear({ req, res }: Exchanged, location: string): void {
    const { slots, hasOverflow } = this.#slots.read(req);
    const marksFirst = [...slots].sort((one, other) => Number(isMark(other)) - Number(isMark(one)));
    this.#clear(res, marksFirst, location);
    if (hasOverflow && headerRoom(res, location) >= this.#slots.clearBytes) this.#slots.clearOverflow(res);
  }

  /** Returns when this browser has finished a login last, if its mark is still there. */
  lastFinished(req: Request): LastFinished | undefined {
    const contents = this.#slots.read(req).slots.map(({ content }) => content);
    const marks = contents.filter(
      (content): content is Spent => content?.spent === true && content.rounds > 0,
    );
    const [last] = marks.sort((one, other) => other.spent_at - one.spent_at);
    return last && { secondsAgo: (this.#clock() - last.spent_at) / 1000, rounds: last.rounds };
  }

  #clear(res: Response, unwanted: readonly FoundSlot[], location: string): void {
    const count = Math.max(0, Math.floor(headerRoom(res, location) / this.#slots.clearBytes));
    for (const { name } of unwanted.slice(0, count)) this.#slots.clear(res, name);
  }

  #markSpent(res: Response, name: string, mark: Pick<Spent, "digest" | "return_to" | "rounds">): void {
    const spent: Spent = { spent: true, ...mark, spent_at: this.#clock() };
    this.#slots.write(res, name, packSpent(spent, this.#slots.slotBytes), MARK_LIFETIME_MS);
  }

  /**
   * Packs an attempt with its whole return address, else with its path, else without one: the first that fits. The overflow of
   * other attempts that wait is kept as far as it fits as well; the oldest goes first.
   */
  #pack(res: Response, found: FoundSlots, transaction: Transaction, href: string) {
    const { slotBytes, overflowBytes } = this.#slots;
    const room = headerRoom(res, href) - this.#slots.lineBytes(slotBytes);
    const fits = (entries: readonly OverflowEntry[]): boolean =>
      overflowSize(entries) <= overflowBytes && this.#slots.lineBytes(overflowSize(entries)) <= room;
    for (const return_to of [transaction.return_to, shortened(transaction.return_to), ""]) {
      const { slot, overflow } = packAttempt({ ...transaction, return_to }, slotBytes);
      if (!overflow) return { slot };
      const entries = [...this.#waiting(found.slots).flatMap((open) => open.overflow ?? []), overflow];
      while (entries.length > 1 && !fits(entries)) entries.shift();
      if (fits(entries)) return { slot, entries };
    }
    const detail = "scope and acr are too long: the cookies and headers of a login would exceed 4 KiB";
    throw new PortalAuthError("authorization_params_invalid", { detail });
  }

  /** Returns the attempts that can still be finished, the oldest first. */
  #waiting(found: readonly FoundSlot[]): OpenAttempt[] {
    const attempts = found.flatMap(({ content }) => (content && !content.spent ? [content] : []));
    const open = attempts.filter((attempt) => !this.#isExpired(attempt));
    return open.sort((one, other) => one.transaction.begun_at - other.transaction.begun_at);
  }

  #isExpired({ transaction }: OpenAttempt): boolean {
    return transaction.begun_at + this.#lifetimeMs <= this.#clock();
  }
}

/** It is a hash, and leads to nothing. */
const nameOf = (state: string): string => sha256(state).slice(0, 16);

const isMarkOf = (digest: Buffer, content: Slot | undefined): content is Spent =>
  content?.spent === true && content.digest.equals(digest);

const isMark = ({ content }: FoundSlot): boolean => content?.spent === true;

const isUnreadable = ({ content }: FoundSlot): boolean => content === undefined;

const isBegunWith =
  (bare: string) =>
  ({ content }: FoundSlot): boolean =>
    content !== undefined && !content.spent && attemptOf(content.transaction.seed).state === bare;

function expectedOf({ seed, max_age, acr, scope }: Transaction): Expected {
  return {
    ...attemptOf(seed),
    ...(max_age !== undefined && { max_age }),
    ...(acr && { acr }),
    ...(scope !== undefined && { scope }),
  };
}
