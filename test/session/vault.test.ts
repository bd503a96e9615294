import { createDecipheriv, hkdfSync } from "node:crypto";
import { compactDecrypt } from "jose";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { PortalAuthError } from "../../lib/errors.js";
import type { StoredPortal } from "../../lib/session/stored.js";
import { createVault } from "../../lib/session/vault.js";

vi.mock("node:crypto", async (original) => {
  const real = await original<typeof import("node:crypto")>();
  return { ...real, createDecipheriv: vi.fn(real.createDecipheriv) };
});

const [A, B] = ["a".repeat(32), "b".repeat(32)];
const TOKENS = { access_token: "geheim-access", token_type: "bearer", refresh_token: "geheim-refresh" };
const PORTAL: StoredPortal = {
  tokens: TOKENS,
  claims: { sub: "amara", name: "Amara" },
  started_at: 1,
  issuer: "https://portal.example",
  client_id: "app",
  redirect_uri: "https://app.example/callback",
  version: 3,
  obtained_at: 2,
};

const reported: PortalAuthError[] = [];
const vaultWith = (...keys: string[]) => createVault(keys, (error) => reported.push(error));
const decrypted = vi.mocked(createDecipheriv);
beforeEach(() => {
  reported.length = 0;
  decrypted.mockClear();
});

describe("with a key", () => {
  test("tokens are sealed, and all else stays readable", () => {
    const closed = vaultWith(A).close("id", PORTAL);
    expect(closed).toEqual({ ...PORTAL, tokens: expect.any(String) });
    expect(JSON.stringify(closed)).not.toContain("geheim");
  });

  test("what was closed is opened as it was, whatever else in it has changed", () => {
    const closed = vaultWith(A).close("id", PORTAL);
    expect(vaultWith(A).open("id", { ...closed, version: 4 })).toEqual({ ...PORTAL, version: 4 });
    expect(reported).toEqual([]);
  });

  test("what is closed already is left as it is", () => {
    const vault = vaultWith(A);
    const closed = vault.close("id", PORTAL);
    expect(vault.close("id", closed)).toBe(closed);
  });

  test("tokens in the clear are opened: they were stored before there was a key", () => {
    expect(vaultWith(A).open("id", PORTAL)).toEqual(PORTAL);
  });

  test("the seal is a JWE that every library opens: dir, A256GCM, and a key by HKDF", async () => {
    const { tokens } = vaultWith(A).close("id", PORTAL);
    const key = new Uint8Array(hkdfSync("sha256", A, "", "express-portal-auth tokens at rest", 32));
    const { plaintext, protectedHeader } = await compactDecrypt(tokens as string, key);
    expect(protectedHeader).toEqual({ alg: "dir", enc: "A256GCM" });
    expect(JSON.parse(new TextDecoder().decode(plaintext))).toEqual({ session: "id", sub: "amara", tokens: TOKENS });
  });

  test("keys rotate: all open, the first closes", () => {
    const old = vaultWith(A).close("id", PORTAL);
    const rotating = vaultWith(B, A);
    expect(rotating.open("id", old)?.tokens).toEqual(TOKENS);
    expect(vaultWith(B).open("id", rotating.close("id", PORTAL))?.tokens).toEqual(TOKENS);
    expect(reported).toEqual([]);
  });
});

describe("what does not open, and is reported without a token in the words", () => {
  const closed = vaultWith(A).close("id", PORTAL);
  const sealed = closed.tokens as string;
  const changedAt = (at: number) => sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1);

  test.each<[string, readonly string[], string, StoredPortal, RegExp]>([
    ["another session's", [A], "other-id", closed, /of another session or person/],
    ["another person's", [A], "id", { ...closed, claims: { sub: "jonas" } }, /of another session or person/],
    [
      "of a person without a name",
      [A],
      "id",
      { ...closed, claims: undefined as never },
      /of another session or person/,
    ],
    ["changed at the front", [A], "id", { ...closed, tokens: changedAt(0) }, /another key, or changed/],
    [
      "changed in the middle",
      [A],
      "id",
      { ...closed, tokens: changedAt(sealed.length >> 1) },
      /another key, or changed/,
    ],
    ["changed at the end", [A], "id", { ...closed, tokens: changedAt(sealed.length - 2) }, /another key, or changed/],
    ["cut off", [A], "id", { ...closed, tokens: sealed.slice(0, -1) }, /another key, or changed/],
    ["empty", [A], "id", { ...closed, tokens: "" }, /another key, or changed/],
    ["any text", [A], "id", { ...closed, tokens: "geheim-access" }, /another key, or changed/],
    ["of a key that is gone", [B], "id", closed, /another key, or changed/],
    ["of a key, where there is none", [], "id", closed, /sealed tokens, and no key/],
  ])("%s", (_name, keys, id, portal, detail) => {
    expect(vaultWith(...keys).open(id, portal)).toBeUndefined();
    expect(reported).toMatchObject([{ code: "tokens_unreadable", detail: expect.stringMatching(detail) }]);
    expect(reported[0]?.message).not.toContain("geheim");
  });

  test("is not tried again, and not reported again, until it is another text", () => {
    const vault = vaultWith(B);
    for (let time = 0; time < 3; time += 1) vault.open("id", closed);
    expect([decrypted.mock.calls.length, reported.length]).toEqual([1, 1]);
    vault.open("id", { ...closed, tokens: changedAt(9) });
    expect(reported).toHaveLength(2);
  });
});

describe("opening", () => {
  test("is done once for a session: the second time nothing is decrypted", () => {
    const vault = vaultWith(A);
    const closed = vault.close("id", PORTAL);
    for (let time = 0; time < 3; time += 1) expect(vault.open("id", closed)?.tokens).toEqual(TOKENS);
    expect(decrypted).toHaveBeenCalledOnce();
  });

  test("what is remembered is nothing to another person, or another session", () => {
    const vault = vaultWith(A);
    const closed = vault.close("id", PORTAL);
    vault.open("id", closed);
    expect(vault.open("id", { ...closed, claims: { sub: "jonas" } })).toBeUndefined();
    expect(vault.open("other-id", closed)).toBeUndefined();
  });

  test("gives tokens that nobody can change for the others who were given them", () => {
    const vault = vaultWith(A);
    const opened = vault.open("id", vault.close("id", PORTAL));
    expect(Object.isFrozen(opened?.tokens)).toBe(true);
  });

  test("remembers the last five thousand sessions, and no more", () => {
    const vault = vaultWith(A);
    const closed = vault.close("id", PORTAL);
    vault.open("id", closed);
    for (let n = 0; n < 5000; n += 1) vault.open(`${n}`, { ...closed, tokens: "" });
    decrypted.mockClear();
    vault.open("id", closed);
    expect(decrypted).toHaveBeenCalledOnce();
    vault.open("id", closed);
    expect(decrypted).toHaveBeenCalledOnce();
  });
});

test("without a key tokens are stored as they are", () => {
  expect(vaultWith().close("id", PORTAL)).toEqual(PORTAL);
  expect(vaultWith().open("id", PORTAL)).toEqual(PORTAL);
  expect(reported).toEqual([]);
});
