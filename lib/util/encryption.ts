import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/** Encrypts values so that only this application can read them, and changes are detected. */
export interface Encryption {
  encrypt(value: object): string;
  /** Returns undefined for a text that was not encrypted with one of the secrets for the same purpose. */
  decrypt(encrypted: string): unknown;
}

const HEADER = Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString("base64url");
const AAD = Buffer.from(HEADER); // RFC 7516, section 5.1, step 14
// RFC 7518, section 5.3
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Creates an encryption that writes JWEs in their compact form (RFC 7516, section 7.1), `dir` with `A256GCM`.
 * Each purpose has keys of its own. They are derived from the application's secrets with HKDF (RFC 5869). The
 * first secret encrypts, all secrets decrypt.
 *
 * It calls node:crypto directly, because jose uses WebCrypto, which works in the thread pool. With jose,
 * encryption took a quarter of the CPU time of a login (`npm run bench -- login`). Only this one header is
 * written and accepted. A test compares both directions with jose.
 */
export function createEncryption(secrets: readonly string[], purpose: string): Encryption {
  const keys = deriveKeys(secrets, purpose);
  const [firstKey] = keys as [Buffer, ...Buffer[]];
  return {
    encrypt(value) {
      const { iv, text, tag } = encryptBytes(firstKey, Buffer.from(JSON.stringify(value)));
      return [HEADER, "", ...[iv, text, tag].map((part) => part.toString("base64url"))].join(".");
    },
    decrypt(encrypted) {
      const parts = parseJwe(encrypted);
      const decrypted = parts && decryptWithAnyKey(keys, parts);
      return decrypted && JSON.parse(decrypted.toString("utf8"));
    },
  };
}

/**
 * Encrypts bytes to a text that is short enough for a cookie: the initialization vector, the text and the
 * tag.
 */
export interface ByteEncryption {
  encrypt(bytes: Buffer): string;
  /** Returns undefined for a text that was not encrypted with one of the secrets for the same purpose. */
  decrypt(encrypted: string): Buffer | undefined;
}

/** Returns the length of a text that `ByteEncryption` returns for this number of bytes, in characters. */
export const getEncryptedLength = (bytes: number): number =>
  Math.ceil(((IV_BYTES + bytes + TAG_BYTES) * 4) / 3);

/** Returns how many bytes `ByteEncryption` can encrypt to a text of this length, in characters. */
export const getMaxEncryptableBytes = (length: number): number =>
  Math.floor((length * 3) / 4) - IV_BYTES - TAG_BYTES;

/**
 * Creates an encryption of bytes: AES-256-GCM (NIST SP 800-38D). Its keys are derived from the secrets for
 * this purpose alone.
 */
export function createByteEncryption(secrets: readonly string[], purpose: string): ByteEncryption {
  const keys = deriveKeys(secrets, purpose);
  const [firstKey] = keys as [Buffer, ...Buffer[]];
  return {
    encrypt(bytes) {
      const { iv, text, tag } = encryptBytes(firstKey, bytes);
      return Buffer.concat([iv, text, tag]).toString("base64url");
    },
    decrypt(encrypted) {
      const bytes = Buffer.from(encrypted, "base64url");
      if (bytes.length < IV_BYTES + TAG_BYTES || bytes.toString("base64url") !== encrypted) return undefined;
      const tagStart = bytes.length - TAG_BYTES;
      return decryptWithAnyKey(keys, {
        iv: bytes.subarray(0, IV_BYTES),
        text: bytes.subarray(IV_BYTES, tagStart),
        tag: bytes.subarray(tagStart),
      });
    },
  };
}

/** Derives a key from each secret, for this purpose only (HKDF, RFC 5869). */
export const deriveKeys = (secrets: readonly string[], purpose: string): Buffer[] =>
  secrets.map((secret) => Buffer.from(hkdfSync("sha256", secret, "", `express-portal-auth ${purpose}`, 32)));

interface CipherParts {
  readonly iv: Buffer;
  readonly text: Buffer;
  readonly tag: Buffer;
}

/**
 * Returns undefined for other formats. Each part has only one valid spelling, so equal values are equal
 * texts.
 */
function parseJwe(encrypted: string): CipherParts | undefined {
  const [header, key, ...rest] = encrypted.split(".");
  const [iv, text, tag] = rest.map((part) => Buffer.from(part, "base64url"));
  if (header !== HEADER || key !== "" || rest.length !== 3 || !iv || !text || !tag) return undefined;
  if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) return undefined;
  const isCanonical = [iv, text, tag].every((part, index) => part.toString("base64url") === rest[index]);
  return isCanonical ? { iv, text, tag } : undefined;
}

function encryptBytes(key: Buffer, bytes: Buffer): CipherParts {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES }).setAAD(AAD);
  const text = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return { iv, text, tag: cipher.getAuthTag() };
}

const decryptWithAnyKey = (keys: readonly Buffer[], parts: CipherParts): Buffer | undefined =>
  keys.map((key) => decryptBytes(key, parts)).find((decrypted) => decrypted !== undefined);

/** Returns undefined for bytes that were encrypted with another key, or were changed. */
function decryptBytes(key: Buffer, { iv, text, tag }: CipherParts): Buffer | undefined {
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(AAD).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch {
    return undefined;
  }
}
