import { randomInt } from "node:crypto";
import { parseCookie, stringifySetCookie } from "cookie";
import type { Request, Response } from "express";
import { getHeaderLineBytes } from "../answer/remaining-header-bytes.js";
import { getLoginCookiePrefix } from "../http/cookie-names.js";
import { createByteEncryption, getEncryptedLength, getMaxEncryptableBytes } from "../util/encryption.js";
import { sha256 } from "../util/sha256.js";
import { decodeSlot } from "./encode-attempt.js";
import type { SlotContent } from "./login-attempt.js";
import { decodeOverflow, encodeOverflow, type OverflowEntry } from "./overflow-cookie.js";

/**
 * The slots have fixed names. Parallel requests of one browser do not see each other's cookies, so they can
 * only overwrite a slot, and never add one.
 */
const SLOT_COUNT = 8;
/** The limit of one slot in the Cookie header, with its name, "=", its value and "; ". */
const MAX_SLOT_COOKIE_BYTES = 237;
/** The limit of the overflow cookie. All cookies together have at most 8 * 237 + 2,100 = 3,996 bytes. */
const MAX_OVERFLOW_COOKIE_BYTES = 2100;
const SEPARATOR_BYTES = "=; ".length;
const HASH_LENGTH = 8;

/** A slot cookie of a request. */
export interface FoundSlot {
  readonly name: string;
  /** Undefined if none of our secrets decrypts the cookie. */
  readonly content: SlotContent | undefined;
}

/** The login cookies of a request. */
export interface FoundLoginCookies {
  readonly slots: readonly FoundSlot[];
  /** Whether the request has an overflow cookie, readable or not. */
  readonly hasOverflow: boolean;
}

export interface LoginCookiesOptions {
  /** The option `name` of this portalAuth(). */
  readonly name: string | undefined;
  readonly secrets: readonly string[];
  readonly https: boolean;
  /** Issuer, client and redirect URI. Two applications on one host must not share cookies. */
  readonly belongsTo: string;
}

/**
 * Reads and writes the cookies of all login attempts of one portalAuth(). Each attempt has one of a fixed
 * number of small slots. They share one overflow cookie for fields that are too long for a slot. Therefore
 * the size of all cookies together is bounded, even if requests run in parallel.
 */
export class LoginCookies {
  /** How many bytes of content fit into a slot, and into the overflow cookie. */
  readonly maxSlotBytes: number;
  readonly maxOverflowBytes: number;
  /** How many bytes of response headers clearing one cookie needs. */
  readonly clearBytes: number;
  readonly #https: boolean;
  readonly #names: readonly string[];
  readonly #overflowName: string;
  readonly #slotEncryption;
  readonly #overflowEncryption;
  /** How many bytes the longest Set-Cookie line has, without its value. */
  readonly #emptyLineBytes: number;
  readonly #found = new WeakMap<Request, FoundLoginCookies>();
  /**
   * The index of the slot that is tried first. Parallel requests of a browser see different cookies.
   * The index grows with each request, so those that one process answers choose different slots.
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
    const nameBytes = this.#overflowName.length + SEPARATOR_BYTES;
    this.maxSlotBytes = getMaxEncryptableBytes(MAX_SLOT_COOKIE_BYTES - nameBytes);
    this.maxOverflowBytes = getMaxEncryptableBytes(MAX_OVERFLOW_COOKIE_BYTES - nameBytes);
    const longestEmptyLine = this.#createLine(this.#overflowName, "", Number.MAX_SAFE_INTEGER);
    this.#emptyLineBytes = getHeaderLineBytes("Set-Cookie", longestEmptyLine);
    this.clearBytes = getHeaderLineBytes("Set-Cookie", this.#createLine(this.#overflowName, "", 0));
  }

  /**
   * Returns the decrypted login cookies of a request. The result is cached, because several steps of a login
   * need it. A slot that cannot be decrypted has no content. An unreadable overflow cookie has no entries.
   */
  read(req: Request): FoundLoginCookies {
    const known = this.#found.get(req);
    if (known) return known;
    const found = this.#decryptCookies(req);
    this.#found.set(req, found);
    return found;
  }

  #decryptCookies(req: Request): FoundLoginCookies {
    const cookies = parseCookie(req.headers.cookie ?? "");
    const encrypted = cookies[this.#overflowName];
    const overflow = encrypted === undefined ? undefined : this.#overflowEncryption.decrypt(encrypted);
    const entries = overflow ? decodeOverflow(overflow) : [];
    const slots = this.#names.flatMap((name) => {
      const value = cookies[name];
      if (value === undefined) return [];
      const bytes = this.#slotEncryption.decrypt(value);
      return [{ name, content: bytes && decodeSlot(bytes, entries) }];
    });
    return { slots, hasOverflow: encrypted !== undefined };
  }

  /**
   * Returns the name of the slot for a new attempt. A free slot comes first. If there is no free slot, the
   * new attempt overwrites a slot that cannot be decrypted, else the oldest used mark, else the oldest
   * attempt.
   */
  chooseSlot({ slots }: FoundLoginCookies): string {
    this.#nextIndex = (this.#nextIndex + 1) % SLOT_COUNT;
    const inTurn = [...this.#names.slice(this.#nextIndex), ...this.#names.slice(0, this.#nextIndex)];
    const free = inTurn.find((name) => slots.every((slot) => slot.name !== name));
    if (free !== undefined) return free;
    const byRank = [...slots].sort((one, other) => rankSlot(one) - rankSlot(other));
    return (byRank[0] as FoundSlot).name;
  }

  /** Adds a Set-Cookie header for a slot. It replaces a header for the same slot. */
  writeSlot(res: Response, name: string, bytes: Buffer, lifeMs: number): void {
    setCookieLine(res, name, this.#createLine(name, this.#slotEncryption.encrypt(bytes), lifeMs));
  }

  /** Adds a Set-Cookie header for the overflow cookie. It replaces a header for that cookie. */
  writeOverflow(res: Response, entries: readonly OverflowEntry[], lifeMs: number): void {
    const name = this.#overflowName;
    const value = this.#overflowEncryption.encrypt(encodeOverflow(entries));
    setCookieLine(res, name, this.#createLine(name, value, lifeMs));
  }

  /** Adds a Set-Cookie header that removes a slot. It replaces a header for the same slot. */
  clearSlot(res: Response, name: string): void {
    setCookieLine(res, name, this.#createLine(name, "", 0));
  }

  /** Adds a Set-Cookie header that removes the overflow cookie. It replaces a header for that cookie. */
  clearOverflow(res: Response): void {
    this.clearSlot(res, this.#overflowName);
  }

  /** Returns how many bytes of response headers a cookie with this many bytes of content needs. */
  countLineBytes(contentBytes: number): number {
    return this.#emptyLineBytes + getEncryptedLength(contentBytes);
  }

  #createLine(name: string, value: string, lifeMs: number): string {
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

/** Returns the order in which slots are overwritten: the lowest rank first. */
function rankSlot({ content }: FoundSlot): number {
  if (!content) return Number.NEGATIVE_INFINITY;
  return content.isUsed ? content.used_at - Number.MAX_SAFE_INTEGER : content.loginAttempt.started_at;
}

function setCookieLine(res: Response, name: string, line: string): void {
  const lines = [res.getHeader("Set-Cookie") ?? []].flat().map(String);
  const others = lines.filter((other) => !other.startsWith(`${name}=`));
  res.setHeader("Set-Cookie", [...others, line]);
}
