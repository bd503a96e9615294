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

const [A, B] = ["a".repeat(32), "b".repeat(32)];
const RECORD = loginRecord();
const MEGABYTE = 1024 * 1024;

const reported: PortalAuthError[] = [];
const codecWith = (...keys: string[]) => createRecordCodec(keys, (error) => reported.push(error));
const decrypted = vi.mocked(createDecipheriv);
beforeEach(() => {
  reported.length = 0;
  decrypted.mockClear();
});

describe("with a key", () => {
  test("nothing of a record is readable in its text", () => {
    const text = codecWith(A).encode("s:id", RECORD);
    for (const part of ["secret", "amara", "the-session", "portal.example", "s:id"])
      expect(text).not.toContain(part);
  });

  test("a record is decoded as it was encoded, in another process", () => {
    const text = codecWith(A).encode("s:id", RECORD);
    expect(codecWith(A).decode("s:id", text)?.record).toEqual(RECORD);
    expect(reported).toEqual([]);
  });

  test("the text is a JWE that every library opens: dir, A256GCM, and a key by HKDF", async () => {
    const text = codecWith(A).encode("s:id", RECORD);
    const key = new Uint8Array(hkdfSync("sha256", A, "", "express-portal-auth login record", 32));
    const { plaintext, protectedHeader } = await compactDecrypt(text, key);
    expect(protectedHeader).toEqual({ alg: "dir", enc: "A256GCM" });
    expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({ key: "s:id", record: RECORD });
  });

  test("keys rotate: each of them decrypts, and the first one encrypts", () => {
    const old = codecWith(A).encode("s:id", RECORD);
    const rotating = codecWith(B, A);
    expect(rotating.decode("s:id", old)?.record).toEqual(RECORD);
    expect(codecWith(B).decode("s:id", rotating.encode("s:id", RECORD))?.record).toEqual(RECORD);
    expect(reported).toEqual([]);
  });
});

describe("a text that cannot be decoded is reported once, without anything of it", () => {
  const text = codecWith(A).encode("s:id", RECORD);
  const changedAt = (at: number) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
  const { tokens: _, ...withoutTokens } = RECORD;
  const sealed = (value: object) => createEncryption([A], "login record").encrypt(value);
  const OTHER = /another key or for another session, or changed/;

  test.each<[string, readonly string[], string, string, RegExp]>([
    ["of another session", [A], "s:other", text, OTHER],
    ["of another kind of store", [A], "l:id", text, OTHER],
    ["changed at the front", [A], "s:id", changedAt(0), OTHER],
    ["changed in the middle", [A], "s:id", changedAt(text.length >> 1), OTHER],
    ["changed at the end", [A], "s:id", changedAt(text.length - 2), OTHER],
    ["cut off", [A], "s:id", text.slice(0, -1), OTHER],
    ["empty", [A], "s:id", "", OTHER],
    ["of a key that is gone", [B], "s:id", text, OTHER],
    [
      "in clear text although there is a key",
      [A],
      "s:id",
      JSON.stringify(RECORD),
      /not encrypted, and a key is set/,
    ],
    ["encrypted although there is no key", [], "s:id", text, /an encrypted login record, and no key/],
    ["no JSON", [], "s:id", '{"secret', /not a login record/],
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
      "sealed by the key for this place, but no record",
      [A],
      "s:id",
      sealed({ key: "s:id", record: 7 }),
      OTHER,
    ],
  ])("%s", (_name, keys, key, its, detail) => {
    const codec = codecWith(...keys);
    for (let time = 0; time < 3; time += 1) expect(codec.decode(key, its)).toBeUndefined();
    expect(reported).toMatchObject([{ code: "tokens_unreadable", detail: expect.stringMatching(detail) }]);
    expect(reported[0]?.message).not.toContain("secret");
  });

  test("and another text under the same key is tried again", () => {
    const codec = codecWith(B);
    for (let time = 0; time < 3; time += 1) codec.decode("s:id", text);
    expect([decrypted.mock.calls.length, reported.length]).toEqual([1, 1]);
    codec.decode("s:id", changedAt(60));
    expect(reported).toHaveLength(2);
  });
});

describe("decoded records are remembered", () => {
  test("so the same text is decrypted once, and gives the same view", () => {
    const codec = codecWith(A);
    const text = codec.encode("s:id", RECORD);
    const first = codec.decode("s:id", text);
    for (let time = 0; time < 3; time += 1) expect(codec.decode("s:id", text)).toBe(first);
    expect(decrypted).toHaveBeenCalledOnce();
  });

  test("for their own key only", () => {
    const codec = codecWith(A);
    const text = codec.encode("s:id", RECORD);
    codec.decode("s:id", text);
    expect(codec.decode("s:other", text)).toBeUndefined();
  });

  test("up to 16 MB of their texts: many small ones, and few large ones", () => {
    const codec = codecWith();
    const large = (n: number) =>
      JSON.stringify({ ...RECORD, claims: { sub: "amara", of: `${n}${"x".repeat(MEGABYTE)}` } });
    const first = codec.decode("s:0", large(0));
    for (let n = 1; n < 15; n += 1) codec.decode(`s:${n}`, large(n));
    expect(codec.decode("s:0", large(0))).toBe(first); // and it is the last one that was used now
    for (let n = 15; n < 30; n += 1) codec.decode(`s:${n}`, large(n));
    expect(codec.decode("s:0", large(0))).not.toBe(first);
  });

  test("and one text that is larger than that is not", () => {
    const codec = codecWith();
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
    const [used, unused] = [codec.decode("s:used", text), codec.decode("s:unused", text)];
    now = 599_000;
    expect(codec.decode("s:used", text)).toBe(used);
    now = 600_000;
    codec.decode("s:another", text);
    expect(codec.decode("s:used", text)).toBe(used);
    expect(codec.decode("s:unused", text)).not.toBe(unused);
  });

  test("by the bytes that they take: texts under one key replace each other", () => {
    const codec = codecWith();
    const text = (n: number) =>
      JSON.stringify({ ...RECORD, claims: { sub: "amara", of: `${n}${"x".repeat(MEGABYTE)}` } });
    const other = codec.decode("s:other", text(0));
    for (let n = 0; n < 40; n += 1) codec.decode("s:id", text(n));
    expect(codec.decode("s:other", text(0))).toBe(other);
  });
});

test("without a key a record is JSON", () => {
  const codec = codecWith();
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
