/** The fields of one attempt that do not fit into its slot cookie. */
export interface OverflowEntry {
  /** The first bytes of the attempt's seed. */
  readonly owner: Buffer;
  readonly fields: Buffer;
}

const OWNER_BYTES = 8;
const LENGTH_BYTES = 2;
const HEAD_BYTES = OWNER_BYTES + LENGTH_BYTES;

/** Returns the `owner` of an attempt's overflow entry: the first bytes of its seed. */
export const getOverflowOwner = (seed: Buffer): Buffer => seed.subarray(0, OWNER_BYTES);

/** Returns how many bytes encodeOverflow() needs for these entries. */
export const countOverflowBytes = (entries: readonly OverflowEntry[]): number =>
  entries.reduce((sum, { fields }) => sum + HEAD_BYTES + fields.length, 0);

/** Encodes the content of the overflow cookie. decodeOverflow() returns the entries in the same order. */
export function encodeOverflow(entries: readonly OverflowEntry[]): Buffer {
  const parts = entries.flatMap(({ owner, fields }) => {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(fields.length);
    return [owner, length, fields];
  });
  return Buffer.concat(parts);
}

/** Decodes the output of encodeOverflow(). It must be authenticated, because its lengths are trusted. */
export function decodeOverflow(bytes: Buffer): OverflowEntry[] {
  const entries: OverflowEntry[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const start = at + HEAD_BYTES;
    const end = start + bytes.readUInt16BE(at + OWNER_BYTES);
    entries.push({ owner: bytes.subarray(at, at + OWNER_BYTES), fields: bytes.subarray(start, end) });
    at = end;
  }
  return entries;
}
