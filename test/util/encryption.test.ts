import { hkdfSync } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { describe, expect, test } from "vitest";
import { createEncryption } from "../../lib/util/encryption.js";

const SECRET = "a".repeat(32);
const OTHER_SECRET = "b".repeat(32);

test("decrypts a value that it has encrypted, and the encrypted text does not show the value", () => {
  const encryption = createEncryption([SECRET], "login");
  const encrypted = encryption.encrypt({ state: "geheim" });
  expect(encrypted).not.toContain("geheim");
  expect(encryption.decrypt(encrypted)).toEqual({ state: "geheim" });
});

test("encrypts equal values to different texts", () => {
  const encryption = createEncryption([SECRET], "login");
  expect(encryption.encrypt({ n: 1 })).not.toBe(encryption.encrypt({ n: 1 }));
});

test("does not decrypt a value of another purpose or another secret", () => {
  const encrypted = createEncryption([SECRET], "login").encrypt({ n: 1 });
  expect(createEncryption([SECRET], "logout").decrypt(encrypted)).toBeUndefined();
  expect(createEncryption([OTHER_SECRET], "login").decrypt(encrypted)).toBeUndefined();
});

test("encrypts with the first secret, and decrypts with all secrets", () => {
  const before = createEncryption([SECRET], "login");
  const rotated = createEncryption([OTHER_SECRET, SECRET], "login");
  expect(rotated.decrypt(before.encrypt({ n: 1 }))).toEqual({ n: 1 });
  expect(createEncryption([OTHER_SECRET], "login").decrypt(rotated.encrypt({ n: 2 }))).toEqual({ n: 2 });
});

describe("rejects", () => {
  test("a text with a changed character at any position", () => {
    const encryption = createEncryption([SECRET], "login");
    const encrypted = encryption.encrypt({ n: 1 });
    for (let index = 0; index < encrypted.length; index += 1) {
      const letter = encrypted[index] === "." ? "x" : encrypted[index] === "A" ? "Q" : "A";
      const forged = encrypted.slice(0, index) + letter + encrypted.slice(index + 1);
      if (forged !== encrypted) expect(encryption.decrypt(forged), `character ${index}`).toBeUndefined();
    }
  });

  test("other algorithms, no algorithm, and a text that is not a JWE", () => {
    const encryption = createEncryption([SECRET], "login");
    const createHeader = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const [, ...rest] = encryption.encrypt({ n: 1 }).split(".");
    for (const forged of [
      "",
      ".",
      "....",
      "null",
      "{}",
      [createHeader({ alg: "none" }), ...rest].join("."),
      [createHeader({ alg: "dir", enc: "A128GCM" }), ...rest].join("."),
      [createHeader({ alg: "PBES2-HS256+A128KW", enc: "A256GCM", p2c: 1e9, p2s: "x" }), ...rest].join("."),
    ])
      expect(encryption.decrypt(forged)).toBeUndefined();
  });

  test("another base64url spelling of the same bytes, so that equal cookies are equal texts", () => {
    const encryption = createEncryption([SECRET], "login");
    const [header, , iv = "", text = "", tag = ""] = encryption.encrypt({ n: 1 }).split(".");
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // In the last letter of 16 bytes, only two bits count.
    const sameBits = letters[letters.indexOf(tag.at(-1) ?? "") + 1] ?? "";
    for (const [forgedIv, forgedText, forgedTag] of [
      [iv, text, `${tag.slice(0, -1)}${sameBits}`],
      [iv, text, `${tag}==`],
      [`${iv}=`, text, tag],
      [iv, `${text}=`, tag],
      [` ${iv}`, text, tag],
    ])
      expect(encryption.decrypt([header, "", forgedIv, forgedText, forgedTag].join("."))).toBeUndefined();
  });

  test("parts of another number or length, because a short tag could be guessed", () => {
    const encryption = createEncryption([SECRET], "login");
    const [header, , iv = "", text = "", tag = ""] = encryption.encrypt({ n: 1 }).split(".");
    const cut = (part: string, bytes: number) =>
      Buffer.from(part, "base64url").subarray(0, bytes).toString("base64url");
    for (const parts of [
      [header, "", iv, text, cut(tag, 12)],
      [header, "", iv, text, cut(tag, 4)],
      [header, "", iv, text, ""],
      [header, "", cut(iv, 8), text, tag],
      [header, "", iv, text, tag, ""],
      [header, "", iv, text, tag, "x"],
      [header, "AAAA", iv, text, tag],
      [header, "", iv, text],
    ])
      expect(encryption.decrypt(parts.join("."))).toBeUndefined();
  });
});

test("jose decrypts its JWEs, and it decrypts those of jose", async () => {
  const key = new Uint8Array(hkdfSync("sha256", SECRET, "", "express-portal-auth login", 32));
  const encryption = createEncryption([SECRET], "login");
  const { plaintext, protectedHeader } = await compactDecrypt(encryption.encrypt({ n: "ü" }), key);
  expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({ n: "ü" });
  expect(protectedHeader).toEqual({ alg: "dir", enc: "A256GCM" });
  const text = new TextEncoder().encode('{"n":2}');
  const encrypted = await new CompactEncrypt(text)
    .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
    .encrypt(key);
  expect(encryption.decrypt(encrypted)).toEqual({ n: 2 });
});
