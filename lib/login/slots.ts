import { randomInt } from "node:crypto";
import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { headerLine } from "../answer/header-room.js";
import { loginCookiePrefix } from "../http/cookie-names.js";
import { createByteSealer, sealableBytes, sealedLength } from "../util/seal.js";
import { sha256 } from "../util/sha256.js";
import { type Slot, unpackSlot } from "./attempt.js";
import { type OverflowEntry, packOverflow, unpackOverflow } from "./overflow.js";

/** Parallel requests of one browser do not see each other's cookies: with fixed names they overwrite slots, and add none. */
const SLOTS = 8;
/** The most that one slot takes of the Cookie header: name, "=", value and "; ". */
const SLOT_BYTES = 237;
/** The most that the overflow cookie takes. All cookies together take at most 8 * 237 + 2,100 = 3,996 bytes. */
const OVERFLOW_BYTES = 2100;
const SEPARATOR_BYTES = "=; ".length;
const HASH_LENGTH = 8;

/** A slot's cookie in a request. */
export interface FoundSlot {
  readonly name: string;
  /** Undefined for a value that none of our secrets has sealed. */
  readonly content: Slot | undefined;
}

/** The login cookies that a request brings. */
export interface FoundSlots {
  readonly slots: readonly FoundSlot[];
  /** Whether it brings an overflow cookie, readable or not. */
  readonly hasOverflow: boolean;
}

export interface SlotsOptions {
  /** The option `name` of this portalAuth(). */
  readonly name: string | undefined;
  readonly secrets: readonly string[];
  readonly https: boolean;
  /** Issuer, client and redirect address: two applications on one host must not share cookies. */
  readonly belongsTo: string;
}

/**
 * The cookies of all login attempts of one portalAuth(): a fixed number of small slots, one for each attempt, and one
 * overflow cookie, which they share, for what is too long for a slot. So they are bounded, whatever runs in parallel.
 */
export class Slots {
  /** How many bytes of content fit into a slot, and into the overflow cookie. */
  readonly slotBytes: number;
  readonly overflowBytes: number;
  /** How many bytes of an answer's headers it takes to clear one cookie. */
  readonly clearBytes: number;
  readonly #https: boolean;
  readonly #names: readonly string[];
  readonly #overflowName: string;
  readonly #slotSealer;
  readonly #overflowSealer;
  /** How many bytes the longest line of a cookie takes without its value. */
  readonly #lineBytes: number;
  readonly #found = new WeakMap<Request, FoundSlots>();
  /**
   * Where to look for a free slot first. Parallel requests of a browser see different cookies; as far as one process answers
   * them, each starts one slot further, so they do not choose the same one.
   */
  #turn = randomInt(SLOTS);

  constructor({ name, secrets, https, belongsTo }: SlotsOptions) {
    const hash = sha256(belongsTo).slice(0, HASH_LENGTH);
    const stem = loginCookiePrefix({ name, https }) + hash;
    this.#https = https;
    this.#names = Array.from({ length: SLOTS }, (_, index) => stem + index);
    this.#overflowName = `${stem}x`;
    this.#slotSealer = createByteSealer(secrets, `login slot ${belongsTo}`);
    this.#overflowSealer = createByteSealer(secrets, `login overflow ${belongsTo}`);
    const taken = this.#overflowName.length + SEPARATOR_BYTES;
    this.slotBytes = sealableBytes(SLOT_BYTES - taken);
    this.overflowBytes = sealableBytes(OVERFLOW_BYTES - taken);
    this.#lineBytes = headerLine("Set-Cookie", this.#line(this.#overflowName, "", Number.MAX_SAFE_INTEGER));
    this.clearBytes = headerLine("Set-Cookie", this.#line(this.#overflowName, "", 0));
  }

  /** Opens the slots that a request brings, once: several steps of a login look at them. */
  read(req: Request): FoundSlots {
    const known = this.#found.get(req);
    if (known) return known;
    const found = this.#open(req);
    this.#found.set(req, found);
    return found;
  }

  #open(req: Request): FoundSlots {
    const cookies = parseCookie(req.headers.cookie ?? "");
    const sealed = cookies[this.#overflowName];
    const overflow = sealed === undefined ? undefined : this.#overflowSealer.open(sealed);
    const entries = overflow ? unpackOverflow(overflow) : [];
    const slots = this.#names.flatMap((name) => {
      const value = cookies[name];
      if (value === undefined) return [];
      const bytes = this.#slotSealer.open(value);
      return [{ name, content: bytes && unpackSlot(bytes, entries) }];
    });
    return { slots, hasOverflow: sealed !== undefined };
  }

  /**
   * Returns the name of the slot for a new attempt: a free one. If all are taken, the first that cannot be opened, else the
   * oldest mark of a login that is over, else the oldest attempt.
   */
  choose({ slots }: FoundSlots): string {
    this.#turn = (this.#turn + 1) % SLOTS;
    const inTurn = [...this.#names.slice(this.#turn), ...this.#names.slice(0, this.#turn)];
    const free = inTurn.find((name) => slots.every((slot) => slot.name !== name));
    if (free !== undefined) return free;
    const byAge = [...slots].sort((one, other) => rankOf(one) - rankOf(other));
    return (byAge[0] as FoundSlot).name;
  }

  write(res: Response, name: string, bytes: Buffer, lifeMs: number): void {
    setLine(res, name, this.#line(name, this.#slotSealer.seal(bytes), lifeMs));
  }

  writeOverflow(res: Response, entries: readonly OverflowEntry[], lifeMs: number): void {
    const name = this.#overflowName;
    setLine(res, name, this.#line(name, this.#overflowSealer.seal(packOverflow(entries)), lifeMs));
  }

  clear(res: Response, name: string): void {
    setLine(res, name, this.#line(name, "", 0));
  }

  clearOverflow(res: Response): void {
    this.clear(res, this.#overflowName);
  }

  /** Returns how many bytes of an answer's headers the cookie takes that holds so much content. */
  lineBytes(contentBytes: number): number {
    return this.#lineBytes + sealedLength(contentBytes);
  }

  #line(name: string, value: string, lifeMs: number): string {
    const maxAge = Math.floor(lifeMs / 1000);
    return stringifySetCookie({
      name,
      value,
      path: "/",
      httpOnly: true,
      secure: this.#https,
      sameSite: "lax",
      maxAge,
    });
  }
}

/** What is overwritten first has the lowest rank. */
function rankOf({ content }: FoundSlot): number {
  if (!content) return Number.NEGATIVE_INFINITY;
  return content.spent ? content.spent_at - Number.MAX_SAFE_INTEGER : content.transaction.begun_at;
}

/** Sets a cookie in an answer. A line that sets the same cookie is replaced. */
function setLine(res: Response, name: string, line: string): void {
  const lines = [res.getHeader("Set-Cookie") ?? []].flat().map(String);
  const others = lines.filter((other) => !other.startsWith(`${name}=`));
  res.setHeader("Set-Cookie", [...others, line]);
}
