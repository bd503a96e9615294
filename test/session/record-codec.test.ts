import { createDecipheriv, hkdfSync } from "node:crypto";
import { compactDecrypt } from "jose";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { createRecordCodec } from "../../lib/session/record-codec.js";
import { createEncryption } from "../../lib/util/encryption.js";
import { loginRecord } from "./records.js";

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof import("node:crypto")>();
  return { ...real, createDecipheriv: vi.fn(real.createDecipheriv) };
});

const KEY_A = "a".repeat(32);
const KEY_B = "b".repeat(32);
const RECORD = loginRecord();
const MEGABYTE = 1024 * 1024;

const reported: PortalAuthError[] = [];
const createCodec = (...keys: string[]) => createRecordCodec(keys, (error) => reported.push(error));
const decrypted = vi.mocked(createDecipheriv);
beforeEach(() => {
  reported.length = 0;
  decrypted.mockClear();
});

describe("with a key", () => {
  test("the text of a record reveals no part of the record", () => {
    const text = createCodec(KEY_A).encode("s:id", RECORD);
    for (const part of ["secret", "amara", "the-session", "portal.example", "s:id"])
      expect(text).not.toContain(part);
  });

  test("another process with the same key decodes the record", () => {
    const text = createCodec(KEY_A).encode("s:id", RECORD);
    expect(createCodec(KEY_A).decode("s:id", text)?.record).toEqual(RECORD);
    expect(reported).toEqual([]);
  });

  test("the text is a JWE that other libraries can decrypt: dir, A256GCM, and a key by HKDF", async () => {
    const text = createCodec(KEY_A).encode("s:id", RECORD);
    const key = new Uint8Array(hkdfSync("sha256", KEY_A, "", "express-portal-auth login record", 32));
    const { plaintext, protectedHeader } = await compactDecrypt(text, key);
    expect(protectedHeader).toEqual({ alg: "dir", enc: "A256GCM" });
    expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({ key: "s:id", record: RECORD });
  });

  test("each key decrypts, and the first one encrypts, so keys can rotate", () => {
    const old = createCodec(KEY_A).encode("s:id", RECORD);
    const rotating = createCodec(KEY_B, KEY_A);
    expect(rotating.decode("s:id", old)?.record).toEqual(RECORD);
    expect(createCodec(KEY_B).decode("s:id", rotating.encode("s:id", RECORD))?.record).toEqual(RECORD);
    expect(reported).toEqual([]);
  });
});

describe("a text that cannot be decoded is reported once, without its content", () => {
  const text = createCodec(KEY_A).encode("s:id", RECORD);
  const changedAt = (at: number) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
  const { tokens: _, ...withoutTokens } = RECORD;
  const encrypt = (value: object) => createEncryption([KEY_A], "login record").encrypt(value);
  const OTHER = /another key or for another session, or changed/;

  test.each<[string, readonly string[], string, string, RegExp]>([
    ["of another session", [KEY_A], "s:other", text, OTHER],
    ["of another kind of store", [KEY_A], "l:id", text, OTHER],
    ["changed at the front", [KEY_A], "s:id", changedAt(0), OTHER],
    ["changed in the middle", [KEY_A], "s:id", changedAt(text.length >> 1), OTHER],
    ["changed at the end", [KEY_A], "s:id", changedAt(text.length - 2), OTHER],
    ["shortened", [KEY_A], "s:id", text.slice(0, -1), OTHER],
    ["empty", [KEY_A], "s:id", "", OTHER],
    ["encrypted with a removed key", [KEY_B], "s:id", text, OTHER],
    [
      "not encrypted, although there is a key",
      [KEY_A],
      "s:id",
      JSON.stringify(RECORD),
      /not encrypted, and a key is set/,
    ],
    ["encrypted although there is no key", [], "s:id", text, /an encrypted login record, and no key/],
    ["not JSON", [], "s:id", '{"secret', /not a login record/],
    ["null", [], "s:id", "null", /an encrypted login record, and no key|not a login record/],
    ["a record without tokens", [], "s:id", JSON.stringify(withoutTokens), /not a login record/],
    [
      "a record whose claims have no sub",
      [],
      "s:id",
      JSON.stringify({ ...RECORD, claims: {} }),
      /not a login record/,
    ],
    [
      "encrypted with the right keys, but not a record",
      [KEY_A],
      "s:id",
      encrypt({ key: "s:id", record: 7 }),
      OTHER,
    ],
  ])("%s", (_name, keys, key, encoded, detail) => {
    const codec = createCodec(...keys);
    for (let time = 0; time < 3; time += 1) expect(codec.decode(key, encoded)).toBeUndefined();
    expect(reported).toMatchObject([{ code: "tokens_unreadable", detail: expect.stringMatching(detail) }]);
    expect(reported[0]?.message).not.toContain("secret");
  });

  test("another text under the same key is decoded again", () => {
    const codec = createCodec(KEY_B);
    for (let time = 0; time < 3; time += 1) codec.decode("s:id", text);
    expect([decrypted.mock.calls.length, reported.length]).toEqual([1, 1]);
    codec.decode("s:id", changedAt(60));
    expect(reported).toHaveLength(2);
  });
});

describe("decoded records stay in memory", () => {
  test("so the same text is decrypted once, and has the same view", () => {
    const codec = createCodec(KEY_A);
    const text = codec.encode("s:id", RECORD);
    const first = codec.decode("s:id", text);
    for (let time = 0; time < 3; time += 1) expect(codec.decode("s:id", text)).toBe(first);
    expect(decrypted).toHaveBeenCalledOnce();
  });

  test("only for their own key", () => {
    const codec = createCodec(KEY_A);
    const text = codec.encode("s:id", RECORD);
    codec.decode("s:id", text);
    expect(codec.decode("s:other", text)).toBeUndefined();
  });

  test("up to 16 MB of text. The least recently used ones are removed first", () => {
    const codec = createCodec();
    const large = (n: number) =>
      JSON.stringify({ ...RECORD, claims: { sub: "amara", of: `${n}${"x".repeat(MEGABYTE)}` } });
    const first = codec.decode("s:0", large(0));
    for (let n = 1; n < 15; n += 1) codec.decode(`s:${n}`, large(n));
    // From now on, this one is the most recently used.
    expect(codec.decode("s:0", large(0))).toBe(first);
    for (let n = 15; n < 30; n += 1) codec.decode(`s:${n}`, large(n));
    expect(codec.decode("s:0", large(0))).not.toBe(first);
  });

  test("unless one text is larger than the limit", () => {
    const codec = createCodec();
    const text = JSON.stringify({ ...RECORD, claims: { sub: "amara", of: "x".repeat(17 * MEGABYTE) } });
    expect(codec.decode("s:id", text)).not.toBe(codec.decode("s:id", text));
  });

  test("until ten minutes after their last use", () => {
    let now = 0;
    const codec = createRecordCodec(
      [],
      () => {},
      () => now,
    );
    const text = JSON.stringify(RECORD);
    const used = codec.decode("s:used", text);
    const unused = codec.decode("s:unused", text);
    now = 599_000;
    expect(codec.decode("s:used", text)).toBe(used);
    now = 600_000;
    codec.decode("s:another", text);
    expect(codec.decode("s:used", text)).toBe(used);
    expect(codec.decode("s:unused", text)).not.toBe(unused);
  });

  test("only with their latest text, which alone counts towards the limit", () => {
    const codec = createCodec();
    const text = (n: number) =>
      JSON.stringify({ ...RECORD, claims: { sub: "amara", of: `${n}${"x".repeat(MEGABYTE)}` } });
    const other = codec.decode("s:other", text(0));
    for (let n = 0; n < 40; n += 1) codec.decode("s:id", text(n));
    expect(codec.decode("s:other", text(0))).toBe(other);
  });
});

test("a record is JSON if there is no key", () => {
  const codec = createCodec();
  const text = codec.encode("s:id", RECORD);
  expect(JSON.parse(text)).toEqual(RECORD);
  expect(codec.decode("s:id", text)?.record).toEqual(RECORD);
  expect(codec.decode("s:id", text)?.view).toMatchObject({
    tokens: RECORD.tokens,
    claims: RECORD.claims,
    version: 3,
  });
  expect(reported).toEqual([]);
});
