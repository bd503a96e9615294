import { createHash } from "node:crypto";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { type BinaryFields, countFieldBytes, decodeFields, encodeFields } from "./binary-fields.js";
import { getOverflowOwner, type OverflowEntry } from "./overflow-cookie.js";

/** A login that was begun: what waits in the browser until the provider answers. */
export interface LoginAttempt {
  /** The seed of state, nonce and code_verifier: 32 bytes as base64url. */
  readonly seed: string;
  /** Where the login leads; "" for the start page. */
  readonly return_to: string;
  /** In epoch milliseconds. */
  readonly begun_at: number;
  /** The `max_age` of the authorization request, in seconds. auth_time is compared with it. */
  readonly max_age?: number;
  /** The scope of the authorization request, if it differs from the option's. */
  readonly scope?: string;
  /** The ID token must have one of these `acr` values. */
  readonly acr?: readonly string[];
  /** Set for a silent login, which no user has asked for. */
  readonly silent?: boolean;
  /**
   * Set if something else than a page of this site led to this login: it must not empty the session of the
   * same user.
   */
  readonly elsewhere?: boolean;
  /** The id of a form that is kept until this login is done. */
  readonly form?: string;
}

/** A login that is over. Its mark stays for a while, so that reload and back lead to its page. */
export interface UsedMark {
  readonly isUsed: true;
  /** The digest of its state: the mark is found by it. */
  readonly digest: Buffer;
  /** Where the login led; "" for the start page. */
  readonly return_to: string;
  /** In epoch milliseconds. */
  readonly used_at: number;
  /** How many logins were finished in a row, in quick succession, with this one; 0 for a login that has failed. */
  readonly consecutiveLogins: number;
}

/** What a slot cookie holds: an attempt that waits for its callback, or the mark of one that is over. */
export type SlotContent = PendingAttempt | UsedMark;

export interface PendingAttempt {
  readonly isUsed?: false;
  readonly loginAttempt: LoginAttempt;
  /** What the overflow cookie holds of this attempt. */
  readonly overflow: OverflowEntry | undefined;
  /**
   * Whether `acr`, `scope` or `max_age` were in the overflow cookie, and another attempt has overwritten it
   * since.
   */
  readonly hasLostChecks: boolean;
}

/** An attempt as bytes. */
export interface EncodedAttempt {
  readonly slot: Buffer;
  /** For the overflow cookie: what does not fit into the slot. */
  readonly overflow: OverflowEntry | undefined;
}

const TAG = { maxAge: 1, form: 2, acr: 3, scope: 4, returnTo: 5 } as const;
const USED = 1;
const SILENT = 2;
const NEEDS_OVERFLOW = 4;
const FROM_OUTSIDE = 8;
/** The rounds of a mark stand in the upper half of its flags. */
const CONSECUTIVE_LOGINS_SHIFT = 4;
const MAX_CONSECUTIVE_LOGINS = 15;
const FLAG_BYTES = 1;
const TIME_BYTES = 6;
const SEED_BYTES = 32;
const DIGEST_BYTES = 16;

/** Returns the path of a return address, without query and fragment. */
export const stripQuery = (return_to: string): string => return_to.split(/[?#]/, 1)[0] ?? "/";

/** Finds the mark of a login by the state that was sent to the provider. */
export const digestState = (state: string): Buffer =>
  createHash("sha256").update(state).digest().subarray(0, DIGEST_BYTES);

/**
 * Packs an attempt into a slot of so many bytes. Fields that do not fit go into the overflow; the return
 * address stays in the slot as well, shortened to its path, for the case that another tab's attempt
 * overwrites the overflow.
 */
export function encodeAttempt(loginAttempt: LoginAttempt, slotBytes: number): EncodedAttempt {
  const { seed, begun_at, return_to } = loginAttempt;
  const wanted = toFields(loginAttempt);
  const slot: Record<number, Buffer> = {};
  const rest: Record<number, Buffer> = {};
  let room = slotBytes - FLAG_BYTES - TIME_BYTES - SEED_BYTES;
  for (const [tag, value] of Object.entries(wanted)) {
    if (!value) continue;
    const fits = countFieldBytes(value) <= room;
    (fits ? slot : rest)[Number(tag)] = value;
    if (fits) room -= countFieldBytes(value);
  }
  const path = Buffer.from(stripQuery(return_to));
  if (rest[TAG.returnTo] && countFieldBytes(path) <= room) slot[TAG.returnTo] = path;
  const needsOverflow = [TAG.maxAge, TAG.acr, TAG.scope].some((tag) => rest[tag] !== undefined);
  const flags = toFlags(loginAttempt) | (needsOverflow ? NEEDS_OVERFLOW : 0);
  const seedBytes = Buffer.from(seed, "base64url");
  const hasRest = Object.keys(rest).length > 0;
  return {
    slot: Buffer.concat([encodeHead(flags, begun_at), seedBytes, encodeFields(slot)]),
    overflow: hasRest ? { owner: getOverflowOwner(seedBytes), fields: encodeFields(rest) } : undefined,
  };
}

const toFlags = ({ silent, elsewhere }: LoginAttempt): number =>
  (silent ? SILENT : 0) | (elsewhere ? FROM_OUTSIDE : 0);

/** The order decides which fields stay in the slot: short ones and those of security checks first. */
function toFields({ max_age, form, acr, scope, return_to }: LoginAttempt): BinaryFields {
  return {
    [TAG.maxAge]: max_age === undefined ? undefined : Buffer.from(String(max_age)),
    [TAG.form]: form === undefined ? undefined : Buffer.from(form, "base64url"),
    [TAG.acr]: acr && Buffer.from(acr.join(" ")),
    [TAG.scope]: scope === undefined ? undefined : Buffer.from(scope),
    [TAG.returnTo]: return_to === "" ? undefined : Buffer.from(return_to),
  };
}

/** Packs the mark of a login that is over. A return address that does not fit is shortened to its path, or left out. */
export function encodeUsedMark(
  { digest, return_to, used_at: spent_at, consecutiveLogins: rounds }: UsedMark,
  slotBytes: number,
): Buffer {
  const flags = USED | (Math.min(rounds, MAX_CONSECUTIVE_LOGINS) << CONSECUTIVE_LOGINS_SHIFT);
  const room = slotBytes - FLAG_BYTES - TIME_BYTES - DIGEST_BYTES;
  const candidates = [return_to, stripQuery(return_to)].map((text) => Buffer.from(text));
  const address = candidates.find((bytes) => countFieldBytes(bytes) <= room);
  return Buffer.concat([encodeHead(flags, spent_at), digest, encodeFields({ [TAG.returnTo]: address })]);
}

function encodeHead(flags: number, at: number): Buffer {
  const head = Buffer.alloc(FLAG_BYTES + TIME_BYTES);
  head.writeUInt8(flags);
  head.writeUIntBE(at, FLAG_BYTES, TIME_BYTES);
  return head;
}

/**
 * Reads a slot and what the overflow cookie holds of its attempt: a return address there wins over the
 * shortened one.
 */
export function decodeSlot(bytes: Buffer, entries: readonly OverflowEntry[]): SlotContent {
  const flags = bytes.readUInt8();
  const at = bytes.readUIntBE(FLAG_BYTES, TIME_BYTES);
  const body = bytes.subarray(FLAG_BYTES + TIME_BYTES);
  if (flags & USED) {
    const address = decodeFields(body.subarray(DIGEST_BYTES))[TAG.returnTo];
    const digest = body.subarray(0, DIGEST_BYTES);
    const rounds = flags >> CONSECUTIVE_LOGINS_SHIFT;
    return {
      isUsed: true,
      digest,
      used_at: at,
      consecutiveLogins: rounds,
      return_to: sanitizeReturnTo(address?.toString(), ""),
    };
  }
  const seed = body.subarray(0, SEED_BYTES);
  const overflow = entries.find(({ owner }) => owner.equals(getOverflowOwner(seed)));
  const fields = {
    ...decodeFields(body.subarray(SEED_BYTES)),
    ...(overflow && decodeFields(overflow.fields)),
  };
  const basics = {
    seed: seed.toString("base64url"),
    begun_at: at,
    ...((flags & SILENT) !== 0 && { silent: true }),
    ...((flags & FROM_OUTSIDE) !== 0 && { elsewhere: true }),
  };
  return {
    loginAttempt: { ...basics, ...parseFields(fields) },
    overflow,
    hasLostChecks: (flags & NEEDS_OVERFLOW) !== 0 && !overflow,
  };
}

function parseFields(fields: BinaryFields): Omit<LoginAttempt, "seed" | "begun_at" | "silent" | "elsewhere"> {
  const maxAge = fields[TAG.maxAge]?.toString();
  const acr = fields[TAG.acr]?.toString().split(" ");
  const scope = fields[TAG.scope]?.toString();
  const form = fields[TAG.form]?.toString("base64url");
  return {
    return_to: sanitizeReturnTo(fields[TAG.returnTo]?.toString(), ""),
    ...(maxAge !== undefined && { max_age: Number(maxAge) }),
    ...(acr && { acr }),
    ...(scope !== undefined && { scope }),
    ...(form !== undefined && { form }),
  };
}
