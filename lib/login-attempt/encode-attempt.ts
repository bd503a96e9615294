import { createHash } from "node:crypto";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { omitUndefined } from "../util/omit-undefined.js";
import { type BinaryFields, countFieldBytes, decodeFields, encodeFields } from "./binary-fields.js";
import type { LoginAttempt, PendingAttempt, SlotContent, UsedMark } from "./login-attempt.js";
import { getOverflowOwner, type OverflowEntry } from "./overflow-cookie.js";

// A slot begins with one byte of flags and six bytes of time in epoch milliseconds. An attempt then has its
// seed, a used mark its digest. The fields of binary-fields.ts follow.

export interface EncodedAttempt {
  readonly slot: Buffer;
  /** The fields that do not fit into the slot. */
  readonly overflow: OverflowEntry | undefined;
}

const TAG = { maxAge: 1, form: 2, acr: 3, scope: 4, returnTo: 5 } as const;
/** Fields without which the callback cannot check the ID token. */
const CHECKED_TAGS = [TAG.maxAge, TAG.acr, TAG.scope];
const USED = 1;
const SILENT = 2;
const NEEDS_OVERFLOW = 4;
const FROM_OUTSIDE = 8;
/** The upper half of the flags holds `consecutiveLogins`. */
const CONSECUTIVE_LOGINS_SHIFT = 4;
const MAX_CONSECUTIVE_LOGINS = 15;
const FLAG_BYTES = 1;
const TIME_BYTES = 6;
const HEAD_BYTES = FLAG_BYTES + TIME_BYTES;
const SEED_BYTES = 32;
const DIGEST_BYTES = 16;

/** Returns the path of a return address, without query and fragment. The path of "" is "". */
export const stripQuery = (return_to: string): string => return_to.split(/[?#]/, 1)[0] ?? "/";

/** Returns the digest by which the used mark of a login is found. */
export const digestState = (state: string): Buffer =>
  createHash("sha256").update(state).digest().subarray(0, DIGEST_BYTES);

/**
 * Encodes an attempt into a slot of at most `slotBytes`. Fields that do not fit go into the overflow.
 * The path of a long return address stays in the slot too, because another tab can overwrite the overflow.
 */
export function encodeAttempt(loginAttempt: LoginAttempt, slotBytes: number): EncodedAttempt {
  const slot: Record<number, Buffer> = {};
  const overflow: Record<number, Buffer> = {};
  let freeBytes = slotBytes - HEAD_BYTES - SEED_BYTES;
  for (const [tag, value] of Object.entries(toFields(loginAttempt))) {
    if (!value) continue;
    const fits = countFieldBytes(value) <= freeBytes;
    (fits ? slot : overflow)[Number(tag)] = value;
    if (fits) freeBytes -= countFieldBytes(value);
  }
  const path = Buffer.from(stripQuery(loginAttempt.return_to));
  if (overflow[TAG.returnTo] && countFieldBytes(path) <= freeBytes) slot[TAG.returnTo] = path;
  const needsOverflow = CHECKED_TAGS.some((tag) => overflow[tag] !== undefined);
  const flags = toFlags(loginAttempt) | (needsOverflow ? NEEDS_OVERFLOW : 0);
  const seed = Buffer.from(loginAttempt.seed, "base64url");
  const hasOverflow = Object.keys(overflow).length > 0;
  return {
    slot: Buffer.concat([encodeHead(flags, loginAttempt.started_at), seed, encodeFields(slot)]),
    overflow: hasOverflow ? { owner: getOverflowOwner(seed), fields: encodeFields(overflow) } : undefined,
  };
}

const toFlags = ({ isSilent, isFromOutside }: LoginAttempt): number =>
  (isSilent ? SILENT : 0) | (isFromOutside ? FROM_OUTSIDE : 0);

/** Returns the fields in the order of their tags. The first ones stay in the slot: short ones, and checks. */
function toFields({ max_age, form, acr, scope, return_to }: LoginAttempt): BinaryFields {
  return {
    [TAG.maxAge]: max_age === undefined ? undefined : Buffer.from(String(max_age)),
    [TAG.form]: form === undefined ? undefined : Buffer.from(form, "base64url"),
    [TAG.acr]: acr && Buffer.from(acr.join(" ")),
    [TAG.scope]: scope === undefined ? undefined : Buffer.from(scope),
    [TAG.returnTo]: return_to === "" ? undefined : Buffer.from(return_to),
  };
}

/**
 * Encodes the mark of a login that is over. If the return address is too long for the slot, its path is used.
 * If the path is too long as well, the address is omitted.
 */
export function encodeUsedMark(mark: UsedMark, slotBytes: number): Buffer {
  const { digest, return_to, used_at, consecutiveLogins } = mark;
  const flags = USED | (Math.min(consecutiveLogins, MAX_CONSECUTIVE_LOGINS) << CONSECUTIVE_LOGINS_SHIFT);
  const freeBytes = slotBytes - HEAD_BYTES - DIGEST_BYTES;
  const candidates = [return_to, stripQuery(return_to)].map((text) => Buffer.from(text));
  const returnTo = candidates.find((bytes) => countFieldBytes(bytes) <= freeBytes);
  return Buffer.concat([encodeHead(flags, used_at), digest, encodeFields({ [TAG.returnTo]: returnTo })]);
}

function encodeHead(flags: number, epochMs: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(flags);
  head.writeUIntBE(epochMs, FLAG_BYTES, TIME_BYTES);
  return head;
}

/**
 * Decodes a slot, which must be authenticated: an attempt, or a used mark. Fields in the attempt's overflow
 * entry replace those of the slot. An invalid return address becomes "", the start page.
 *
 * @param entries the entries of the overflow cookie
 */
export function decodeSlot(bytes: Buffer, entries: readonly OverflowEntry[]): SlotContent {
  const flags = bytes.readUInt8();
  const epochMs = bytes.readUIntBE(FLAG_BYTES, TIME_BYTES);
  const body = bytes.subarray(HEAD_BYTES);
  return flags & USED ? decodeUsedMark(flags, epochMs, body) : decodeAttempt(flags, epochMs, body, entries);
}

function decodeUsedMark(flags: number, used_at: number, body: Buffer): UsedMark {
  const fields = decodeFields(body.subarray(DIGEST_BYTES));
  return {
    isUsed: true,
    digest: body.subarray(0, DIGEST_BYTES),
    used_at,
    consecutiveLogins: flags >> CONSECUTIVE_LOGINS_SHIFT,
    return_to: sanitizeReturnTo(fields[TAG.returnTo]?.toString(), ""),
  };
}

function decodeAttempt(
  flags: number,
  started_at: number,
  body: Buffer,
  entries: readonly OverflowEntry[],
): PendingAttempt {
  const seed = body.subarray(0, SEED_BYTES);
  const overflow = entries.find(({ owner }) => owner.equals(getOverflowOwner(seed)));
  const overflowFields = overflow ? decodeFields(overflow.fields) : {};
  const fields = { ...decodeFields(body.subarray(SEED_BYTES)), ...overflowFields };
  const maxAge = fields[TAG.maxAge]?.toString();
  const loginAttempt = omitUndefined({
    seed: seed.toString("base64url"),
    started_at,
    isSilent: (flags & SILENT) !== 0 ? true : undefined,
    isFromOutside: (flags & FROM_OUTSIDE) !== 0 ? true : undefined,
    return_to: sanitizeReturnTo(fields[TAG.returnTo]?.toString(), ""),
    max_age: maxAge === undefined ? undefined : Number(maxAge),
    acr: fields[TAG.acr]?.toString().split(" "),
    scope: fields[TAG.scope]?.toString(),
    form: fields[TAG.form]?.toString("base64url"),
  });
  return { loginAttempt, overflow, hasLostChecks: (flags & NEEDS_OVERFLOW) !== 0 && !overflow };
}
