import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/** Makes values that only this application can read, and nobody can change. */
export interface Encryption {
  encrypt(value: object): string;
  /**
   * What was sealed, or undefined for anything that was not sealed by one of our secrets for this purpose.
   */
  decrypt(encrypted: string): unknown;
}

const HEADER = Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString("base64url");
const AAD = Buffer.from(HEADER); // RFC 7516, section 5.1, step 14
const [IV_BYTES, TAG_BYTES] = [12, 16]; // RFC 7518, section 5.3

/**
 * A JWE in its compact form (RFC 7516, section 7.1), `dir` with `A256GCM`, under keys derived from the
 * application's secrets by HKDF (RFC 5869). Each purpose has keys of its own, so that a value sealed for one
 * is nothing to another.
 *
 * By node:crypto and not by jose, whose WebCrypto takes a detour through the thread pool: a login seals and
 * opens three times, and that was a quarter of its CPU time (measured by `npm run bench -- login`). Only this
 * one header is ever written or read; a test compares both ways with jose.
 */
export function createEncryption(secrets: readonly string[], purpose: string): Encryption {
  const keys = deriveKeys(secrets, purpose);
  const [first] = keys as [Buffer, ...Buffer[]];
  return {
    encrypt(value) {
      const { iv, text, tag } = encrypt(first, Buffer.from(JSON.stringify(value)));
      return [HEADER, "", ...[iv, text, tag].map((part) => part.toString("base64url"))].join(".");
    },
    decrypt(encrypted) {
      const parts = parseJwe(encrypted);
      const decrypted = parts && keys.map((key) => decrypt(key, parts)).find((value) => value !== undefined);
      return decrypted && JSON.parse(decrypted.toString("utf8"));
    },
  };
}

/**
 * Encrypts bytes for one purpose, as short as a cookie needs it: the parts of the JWE that differ, in one
 * piece.
 */
export interface ByteEncryption {
  encrypt(bytes: Buffer): string;
  /**
   * What was sealed, or undefined for anything that was not sealed by one of our secrets for this purpose.
   */
  decrypt(encrypted: string): Buffer | undefined;
}

/** The length of what a ByteSealer makes of so many bytes, in characters. */
export const getEncryptedLength = (bytes: number): number =>
  Math.ceil(((IV_BYTES + bytes + TAG_BYTES) * 4) / 3);

/** How many bytes fit, sealed, into so many characters. */
export const getMaxEncryptableBytes = (length: number): number =>
  Math.floor((length * 3) / 4) - IV_BYTES - TAG_BYTES;

/**
 * Creates a ByteSealer: AES-256-GCM (NIST SP 800-38D) under keys derived from the secrets for this purpose
 * alone.
 */
export function createByteEncryption(secrets: readonly string[], purpose: string): ByteEncryption {
  const keys = deriveKeys(secrets, purpose);
  const [first] = keys as [Buffer, ...Buffer[]];
  return {
    encrypt(bytes) {
      const { iv, text, tag } = encrypt(first, bytes);
      return Buffer.concat([iv, text, tag]).toString("base64url");
    },
    decrypt(encrypted) {
      const whole = Buffer.from(encrypted, "base64url");
      if (whole.length < IV_BYTES + TAG_BYTES || whole.toString("base64url") !== encrypted) return undefined;
      const text = whole.subarray(IV_BYTES, whole.length - TAG_BYTES);
      const pieces = { iv: whole.subarray(0, IV_BYTES), text, tag: whole.subarray(whole.length - TAG_BYTES) };
      return keys.map((key) => decrypt(key, pieces)).find((decrypted) => decrypted !== undefined);
    },
  };
}

/** A key from each of the application's secrets (HKDF, RFC 5869), for this purpose and no other. */
export const deriveKeys = (secrets: readonly string[], purpose: string): Buffer[] =>
  secrets.map((secret) => Buffer.from(hkdfSync("sha256", secret, "", `express-portal-auth ${purpose}`, 32)));

interface CipherParts {
  readonly iv: Buffer;
  readonly text: Buffer;
  readonly tag: Buffer;
}

/**
 * The parts of what may be a JWE of ours; each in the one way to write it, so that no two texts mean the
 * same.
 */
function parseJwe(encrypted: string): CipherParts | undefined {
  const [header, key, ...rest] = encrypted.split(".");
  const [iv, text, tag] = rest.map((part) => Buffer.from(part, "base64url"));
  if (header !== HEADER || key !== "" || rest.length !== 3 || !iv || !text || !tag) return undefined;
  if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) return undefined;
  return [iv, text, tag].every((part, index) => part.toString("base64url") === rest[index])
    ? { iv, text, tag }
    : undefined;
}

function encrypt(key: Buffer, bytes: Buffer): CipherParts {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES }).setAAD(AAD);
  const text = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return { iv, text, tag: cipher.getAuthTag() };
}

/** Returns undefined for bytes that another secret sealed, or that were changed. */
function decrypt(key: Buffer, { iv, text, tag }: CipherParts): Buffer | undefined {
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(AAD).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch {
    return undefined;
  }
}
