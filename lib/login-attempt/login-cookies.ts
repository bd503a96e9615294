import { randomInt } from "node:crypto";
import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { getHeaderLineBytes } from "../answer/remaining-header-bytes.js";
import { getLoginCookiePrefix } from "../http/cookie-names.js";
import { createByteEncryption, encryptableBytes, encryptedLength } from "../util/encryption.js";
import { sha256 } from "../util/sha256.js";
import { decodeSlot, type SlotContent } from "./encode-attempt.js";
import { decodeOverflow, encodeOverflow, type OverflowEntry } from "./overflow-cookie.js";

/** Parallel requests of one browser do not see each other's cookies: with fixed names they overwrite slots, and add none. */
const SLOT_COUNT = 8;
/** The most that one slot takes of the Cookie header: name, "=", value and "; ". */
const MAX_SLOT_COOKIE_BYTES = 237;
/** The most that the overflow cookie takes. All cookies together take at most 8 * 237 + 2,100 = 3,996 bytes. */
const MAX_OVERFLOW_COOKIE_BYTES = 2100;
const SEPARATOR_BYTES = "=; ".length;
const HASH_LENGTH = 8;

/** A slot's cookie in a request. */
export interface FoundSlot {
  readonly name: string;
  /** Undefined for a value that none of our secrets has sealed. */
  readonly content: SlotContent | undefined;
}

/** The login cookies that a request brings. */
export interface FoundLoginCookies {
  readonly slots: readonly FoundSlot[];
  /** Whether it brings an overflow cookie, readable or not. */
  readonly hasOverflow: boolean;
}

export interface LoginCookiesOptions {
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
export class LoginCookies {
  /** How many bytes of content fit into a slot, and into the overflow cookie. */
  readonly maxSlotBytes: number;
  readonly maxOverflowBytes: number;
  /** How many bytes of an answer's headers it takes to clear one cookie. */
  readonly clearBytes: number;
  readonly #https: boolean;
  readonly #names: readonly string[];
  readonly #overflowName: string;
  readonly #slotEncryption;
  readonly #overflowEncryption;
  /** How many bytes the longest line of a cookie takes without its value. */
  readonly #lineBytes: number;
  readonly #found = new WeakMap<Request, FoundLoginCookies>();
  /**
   * Where to look for a free slot first. Parallel requests of a browser see different cookies; as far as one process answers
   * them, each starts one slot further, so they do not choose the same one.
   */
  #nextIndex = randomInt(SLOT_COUNT);

  constructor({ name, secrets, https, belongsTo }: LoginCookiesOptions) {
    const hash = sha256(belongsTo).slice(0, HASH_LENGTH);
    const stem = getLoginCookiePrefix({ name, https }) + hash;
    this.#https = https;
    this.#names = Array.from({ length: SLOT_COUNT }, (_, index) => stem + index);
    this.#overflowName = `${stem}x`;
    this.#slotEncryption = createByteEncryption(secrets, `login slot ${belongsTo}`);
    this.#overflowEncryption = createByteEncryption(secrets, `login overflow ${belongsTo}`);
    const taken = this.#overflowName.length + SEPARATOR_BYTES;
    this.maxSlotBytes = encryptableBytes(MAX_SLOT_COOKIE_BYTES - taken);
    this.maxOverflowBytes = encryptableBytes(MAX_OVERFLOW_COOKIE_BYTES - taken);
    this.#lineBytes = getHeaderLineBytes(
      "Set-Cookie",
      this.#line(this.#overflowName, "", Number.MAX_SAFE_INTEGER),
    );
    this.clearBytes = getHeaderLineBytes("Set-Cookie", this.#line(this.#overflowName, "", 0));
  }

  /** Opens the slots that a request brings, once: several steps of a login look at them. */
  read(req: Request): FoundLoginCookies {
    const known = this.#found.get(req);
    if (known) return known;
    const found = this.#decryptCookies(req);
    this.#found.set(req, found);
    return found;
  }

  #decryptCookies(req: Request): FoundLoginCookies {
    const cookies = parseCookie(req.headers.cookie ?? "");
    const sealed = cookies[this.#overflowName];
    const overflow = sealed === undefined ? undefined : this.#overflowEncryption.decrypt(sealed);
    const entries = overflow ? decodeOverflow(overflow) : [];
    const slots = this.#names.flatMap((name) => {
      const value = cookies[name];
      if (value === undefined) return [];
      const bytes = this.#slotEncryption.decrypt(value);
      return [{ name, content: bytes && decodeSlot(bytes, entries) }];
    });
    return { slots, hasOverflow: sealed !== undefined };
  }

  /**
   * Returns the name of the slot for a new attempt: a free one. If all are taken, the first that cannot be opened, else the
   * oldest mark of a login that is over, else the oldest attempt.
   */
  chooseSlot({ slots }: FoundLoginCookies): string {
    this.#nextIndex = (this.#nextIndex + 1) % SLOT_COUNT;
    const inTurn = [...this.#names.slice(this.#nextIndex), ...this.#names.slice(0, this.#nextIndex)];
    const free = inTurn.find((name) => slots.every((slot) => slot.name !== name));
    if (free !== undefined) return free;
    const byAge = [...slots].sort((one, other) => rankSlot(one) - rankSlot(other));
    return (byAge[0] as FoundSlot).name;
  }

  writeSlot(res: Response, name: string, bytes: Buffer, lifeMs: number): void {
    setCookieLine(res, name, this.#line(name, this.#slotEncryption.encrypt(bytes), lifeMs));
  }

  writeOverflow(res: Response, entries: readonly OverflowEntry[], lifeMs: number): void {
    const name = this.#overflowName;
    setCookieLine(
      res,
      name,
      this.#line(name, this.#overflowEncryption.encrypt(encodeOverflow(entries)), lifeMs),
    );
  }

  clearSlot(res: Response, name: string): void {
    setCookieLine(res, name, this.#line(name, "", 0));
  }

  clearOverflow(res: Response): void {
    this.clearSlot(res, this.#overflowName);
  }

  /** Returns how many bytes of an answer's headers the cookie takes that holds so much content. */
  countLineBytes(contentBytes: number): number {
    return this.#lineBytes + encryptedLength(contentBytes);
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
function rankSlot({ content }: FoundSlot): number {
  if (!content) return Number.NEGATIVE_INFINITY;
  return content.isUsed ? content.used_at - Number.MAX_SAFE_INTEGER : content.loginAttempt.begun_at;
}

/** Sets a cookie in an answer. A line that sets the same cookie is replaced. */
function setCookieLine(res: Response, name: string, line: string): void {
  const lines = [res.getHeader("Set-Cookie") ?? []].flat().map(String);
  const others = lines.filter((other) => !other.startsWith(`${name}=`));
  res.setHeader("Set-Cookie", [...others, line]);
}
