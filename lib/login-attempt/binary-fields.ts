/**
 * The fields of a login attempt by their tag. As bytes, a field is its tag, its length in two bytes and its
 * value. JSON would need about twice the space, and all login cookies together may have 4,000 bytes.
 */
export type BinaryFields = Readonly<Record<number, Buffer | undefined>>;

const HEAD_BYTES = 3;

/** Returns how many bytes encodeFields() needs for a field with this value. */
export const countFieldBytes = (value: Buffer): number => HEAD_BYTES + value.length;

/** Encodes fields in the order of their tags. Undefined fields are omitted. */
export function encodeFields(fields: BinaryFields): Buffer {
  const parts: Buffer[] = [];
  for (const [tag, value] of Object.entries(fields)) {
    if (!value) continue;
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(Number(tag));
    head.writeUInt16BE(value.length, 1);
    parts.push(head, value);
  }
  return Buffer.concat(parts);
}

/** Decodes the output of encodeFields(), which is authenticated. A field that is cut off ends the list. */
export function decodeFields(bytes: Buffer): BinaryFields {
  const fields: Record<number, Buffer> = {};
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const end = at + HEAD_BYTES + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) break;
    fields[bytes.readUInt8(at)] = bytes.subarray(at + HEAD_BYTES, end);
    at = end;
  }
  return fields;
}
