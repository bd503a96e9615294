import { hkdfSync } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { expect, test } from "vitest";
import { createEncryption } from "../../lib/util/encryption.js";

const [A, B] = ["a".repeat(32), "b".repeat(32)];

test("what was sealed is opened, and reads like nothing in between", async () => {
  const sealer = createEncryption([A], "login");
  const sealed = sealer.encrypt({ state: "geheim" });
  expect(sealed).not.toContain("geheim");
  expect(sealer.decrypt(sealed)).toEqual({ state: "geheim" });
});

test("the same value never looks the same twice", async () => {
  const sealer = createEncryption([A], "login");
  expect(sealer.encrypt({ n: 1 })).not.toBe(sealer.encrypt({ n: 1 }));
});

test("one purpose's seal is nothing to another, nor is another secret's", async () => {
  const sealed = createEncryption([A], "login").encrypt({ n: 1 });
  expect(createEncryption([A], "logout").decrypt(sealed)).toBeUndefined();
  expect(createEncryption([B], "login").decrypt(sealed)).toBeUndefined();
});

test("secrets rotate: the first seals, all open", async () => {
  const [old, both] = [createEncryption([A], "login"), createEncryption([B, A], "login")];
  expect(both.decrypt(old.encrypt({ n: 1 }))).toEqual({ n: 1 });
  expect(createEncryption([B], "login").decrypt(both.encrypt({ n: 2 }))).toEqual({ n: 2 });
});

test("a single changed letter, anywhere, opens nothing", async () => {
  const sealer = createEncryption([A], "login");
  const sealed = sealer.encrypt({ n: 1 });
  for (let at = 0; at < sealed.length; at += 1) {
    const letter = sealed[at] === "." ? "x" : sealed[at] === "A" ? "Q" : "A";
    const forged = sealed.slice(0, at) + letter + sealed.slice(at + 1);
    if (forged !== sealed) expect(sealer.decrypt(forged), `letter ${at}`).toBeUndefined();
  }
});

test("nothing else opens either: other algorithms, no algorithm, no JWE", async () => {
  const sealer = createEncryption([A], "login");
  const header = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [, ...rest] = sealer.encrypt({ n: 1 }).split(".");
  for (const forged of [
    "",
    ".",
    "....",
    "null",
    "{}",
    [header({ alg: "none" }), ...rest].join("."),
    [header({ alg: "dir", enc: "A128GCM" }), ...rest].join("."),
    [header({ alg: "PBES2-HS256+A128KW", enc: "A256GCM", p2c: 1e9, p2s: "x" }), ...rest].join("."),
  ])
    expect(sealer.decrypt(forged)).toBeUndefined();
});

test("a second way to write the same bytes opens nothing: a cookie that is compared with another is the same or is none", () => {
  const sealer = createEncryption([A], "login");
  const sealed = sealer.encrypt({ n: 1 });
  const [header, , iv = "", text = "", tag = ""] = sealed.split(".");
  const last = tag.at(-1) ?? "";
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const sameBits = letters[letters.indexOf(last) + 1] ?? ""; // of the last letter of 16 bytes two bits count
  for (const [forgedIv, forgedText, forgedTag] of [
    [iv, text, `${tag.slice(0, -1)}${sameBits}`],
    [iv, text, `${tag}==`],
    [`${iv}=`, text, tag],
    [iv, `${text}=`, tag],
    [` ${iv}`, text, tag],
  ])
    expect(sealer.decrypt([header, "", forgedIv, forgedText, forgedTag].join("."))).toBeUndefined();
});

test("parts of another number or length open nothing: a tag that is cut short is found by trying", () => {
  const sealer = createEncryption([A], "login");
  const [header, , iv = "", text = "", tag = ""] = sealer.encrypt({ n: 1 }).split(".");
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
    expect(sealer.decrypt(parts.join("."))).toBeUndefined();
});

test("it is a JWE like any other: what we seal jose opens, and what jose seals we open", async () => {
  const key = new Uint8Array(hkdfSync("sha256", A, "", "express-portal-auth login", 32));
  const sealer = createEncryption([A], "login");
  const { plaintext, protectedHeader } = await compactDecrypt(sealer.encrypt({ n: "ü" }), key);
  expect([JSON.parse(new TextDecoder().decode(plaintext)), protectedHeader]).toEqual([
    { n: "ü" },
    { alg: "dir", enc: "A256GCM" },
  ]);
  const text = new TextEncoder().encode('{"n":2}');
  const sealed = await new CompactEncrypt(text)
    .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
    .encrypt(key);
  expect(sealer.decrypt(sealed)).toEqual({ n: 2 });
});
