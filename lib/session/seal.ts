import { hkdfSync } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";

/** Makes values that only this application can read, and nobody can change. */
export interface Sealer {
  seal(value: object): Promise<string>;
  /** What was sealed, or undefined for anything that was not sealed by one of our secrets for this purpose. */
  open(sealed: string): Promise<unknown>;
}

/**
 * A JWE (RFC 7516), `dir` with `A256GCM`, under keys derived from the application's secrets by HKDF (RFC 5869).
 * Each purpose has keys of its own, so that a value sealed for one is nothing to another.
 */
export function createSealer(secrets: readonly string[], purpose: string): Sealer {
  const keys = secrets.map(
    (secret) => new Uint8Array(hkdfSync("sha256", secret, "", `express-portal-auth ${purpose}`, 32)),
  );
  const [first] = keys as [Uint8Array, ...Uint8Array[]];
  return {
    async seal(value) {
      const text = new TextEncoder().encode(JSON.stringify(value));
      return new CompactEncrypt(text).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(first);
    },
    async open(sealed) {
      for (const key of keys) {
        const opened = await compactDecrypt(sealed, key, {
          keyManagementAlgorithms: ["dir"],
          contentEncryptionAlgorithms: ["A256GCM"],
        }).catch(() => undefined); // another secret's, garbled or foreign: the next key, or nobody's
        if (opened) return JSON.parse(new TextDecoder().decode(opened.plaintext));
      }
      return undefined;
    },
  };
}
