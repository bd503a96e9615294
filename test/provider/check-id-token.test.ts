import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { checkIdToken, checkRefreshedIdToken, checkTimes } from "../../lib/provider/check-id-token.js";
import { ProviderIssuer } from "../../lib/provider/provider-issuer.js";
import { startWorld } from "../support/world.js";

type Claims = Record<string, unknown>;

const now = () => Math.floor(Date.now() / 1000);
/** Claims with a time are made when the test runs: the table may be many seconds old by then. */
const claimsNow = (claims: Claims | (() => Claims)): Claims =>
  typeof claims === "function" ? claims() : claims;

/** Every claim that is checked, with a lie about it: OpenID Connect Core 1.0, section 3.1.3.7. */
describe("an ID token that lies is refused, and no session begins", () => {
  test.each<[string, Claims | (() => Claims), string]>([
    ["iss: another issuer", { iss: "https://evil.example" }, "id_token_invalid"],
    ["iss: missing", { iss: undefined }, "id_token_invalid"],
    ["iss: a list", { iss: ["x"] }, "id_token_invalid"],
    ["sub: missing", { sub: undefined }, "id_token_invalid"],
    ["sub: a number", { sub: 7 }, "id_token_invalid"],
    ["sub: empty", { sub: "" }, "id_token_invalid"],
    ["sub: longer than a name may be", { sub: "x".repeat(256) }, "id_token_invalid"],
    ["aud: another client", { aud: "another-client" }, "id_token_invalid"],
    ["aud: missing", { aud: undefined }, "id_token_invalid"],
    ["aud: a list without us", { aud: ["another-client"] }, "id_token_invalid"],
    [
      "aud: us and another, and no azp",
      { aud: ["demo-app", "another-client"], azp: undefined },
      "id_token_invalid",
    ],
    ["azp: another client", { azp: "another-client" }, "id_token_invalid"],
    [
      "azp: another client, among several audiences",
      { aud: ["demo-app", "x"], azp: "x" },
      "id_token_invalid",
    ],
    ["exp: long ago", { exp: 1 }, "id_token_invalid"],
    ["exp: missing", { exp: undefined }, "id_token_invalid"],
    ["exp: in words", { exp: "tomorrow" }, "id_token_invalid"],
    ["exp: just outside the tolerance", () => ({ exp: now() - 31 }), "id_token_invalid"],
    ["iat: missing", { iat: undefined }, "id_token_invalid"],
    ["iat: in words", { iat: "today" }, "id_token_invalid"],
    ["iat: in the future", () => ({ iat: now() + 120 }), "id_token_invalid"],
    ["nbf: in the future", () => ({ nbf: now() + 120 }), "id_token_invalid"],
    ["at_hash: of another token", { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }, "id_token_invalid"],
    ["at_hash: a number", { at_hash: 7 }, "id_token_invalid"],
    ["nonce: of another login", { nonce: "another-login" }, "nonce_mismatch"],
    ["nonce: a list", { nonce: ["x"] }, "nonce_mismatch"],
  ])("%s", async (_lie, claims, code) => {
    const { browser, url, provider, me, log } = await startWorld({ log: [new RegExp(code)] });
    provider.nextIdToken({ claims: claimsNow(claims) });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([400, code]);
    expect((await me()).isAuthenticated).toBe(false);
    if (code === "id_token_invalid") expect(log.join()).toMatch(/\[(claim|JWT|unexpected JWT|ID Token)/i);
  });
});

describe("an ID token that is right is accepted", () => {
  test.each<[string, Claims | (() => Claims)]>([
    ["a sub as long as a name may be", { sub: "x".repeat(255) }],
    ["aud as a list of one", { aud: ["demo-app"] }],
    ["several audiences, with us as azp", { aud: ["demo-app", "another"], azp: "demo-app" }],
    ["no azp", { azp: undefined }],
    ["exp just inside the tolerance", () => ({ exp: now() - 20 })],
    ["iat a little in the future", () => ({ iat: now() + 20 })],
    ["no nonce: the portal's documentation has none", { nonce: undefined }],
  ])("%s", async (_name, claims) => {
    const { browser, url, provider } = await startWorld();
    provider.nextIdToken({ claims: claimsNow(claims) });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("with the clock tolerance that is configured", async () => {
    const { browser, url, provider } = await startWorld({ options: { clockTolerance: 300 } });
    provider.nextIdToken({ claims: { exp: now() - 200, iat: now() + 200 } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("the nonce", () => {
  test("must come back where it is required", async () => {
    const { browser, url, provider } = await startWorld({
      options: { nonce: "required" },
      log: [/nonce_mismatch/],
    });
    provider.nextIdToken({ claims: { nonce: undefined } });
    expect((await browser.visit(`${url}/account`)).body).toContain("nonce_mismatch");
  });

  test("that comes back although none was sent is refused", async () => {
    const { browser, url, provider } = await startWorld({
      options: { nonce: "off" },
      log: [/nonce_mismatch/],
    });
    provider.nextIdToken({ claims: { nonce: "from-nowhere" } });
    expect((await browser.visit(`${url}/account`)).body).toContain("nonce_mismatch");
  });
});

describe("max_age", () => {
  const options = { authorizationParams: { max_age: 60 } };

  test.each<[string, unknown, string]>([
    ["missing", undefined, "insufficient_user_authentication"],
    ["too long ago", now() - 200, "insufficient_user_authentication"],
    ["in words", "just now", "id_token_invalid"],
    ["in the future", now() + 1e6, "id_token_invalid"],
  ])("asks for auth_time: %s is refused", async (_name, auth_time, code) => {
    const { browser, url, provider, me } = await startWorld({ options, log: [new RegExp(code)] });
    provider.nextIdToken({ claims: { auth_time } });
    expect((await browser.visit(`${url}/account`)).body).toContain(code);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("accepts an auth_time that is recent enough", async () => {
    const { browser, url, provider } = await startWorld({ options });
    provider.nextIdToken({ claims: { auth_time: now() - 50 } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

test.each(["RS256", "PS256", "ES256", "EdDSA"] as const)(
  "a standard provider that signs with %s logs people in, with at_hash, auth_time, iss and nonce",
  async (signingAlg) => {
    const { browser, url, me } = await startWorld({
      portal: { document: "full", signingAlg },
      options: { profile: "openid" },
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const { claims } = await me();
    expect(claims).toMatchObject({
      at_hash: expect.any(String),
      nonce: expect.any(String),
      auth_time: expect.any(Number),
    });
  },
);

describe("by itself", () => {
  const NOW = 1_800_000_000;
  beforeEach(() => {
    vi.spyOn(Date, "now").mockReturnValue(NOW * 1000 + 999);
  });

  const settings = {
    issuer: "https://portal.example",
    clientId: "us",
    clockTolerance: 30,
    nonce: "required",
  } as const;
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const write = (claims: object, header: object = { alg: "RS256" }) =>
    `${encode(header)}.${encode(claims)}.x`;
  const right = { iss: settings.issuer, sub: "amara", aud: "us", exp: NOW + 60, iat: NOW, nonce: "n" };
  const issuer = new ProviderIssuer(settings.issuer, undefined);
  const expected = { nonce: "n", access_token: "token", settings, issuer };
  const invalid = (detail: string) => expect.objectContaining({ code: "id_token_invalid", detail });

  test.each([
    [{ exp: NOW - 29, iat: NOW + 30 }, undefined],
    [{ exp: NOW - 29, iat: NOW, nbf: NOW + 30 }, undefined],
    [{ exp: NOW - 29, iat: NOW, nbf: NOW - 9999 }, undefined],
    [{ exp: NOW - 30, iat: NOW }, "claim exp: 30 s ago by this machine's clock"],
    [{ exp: Number.POSITIVE_INFINITY, iat: NOW }, "claim exp"],
    [{ iat: NOW }, "claim exp"],
    [{ exp: NOW + 60, iat: NOW + 31 }, "claim iat: 31 s ahead of this machine's clock"],
    [{ exp: NOW + 60, iat: Number.NEGATIVE_INFINITY }, "claim iat"],
    [{ exp: NOW + 60 }, "claim iat"],
    [{ exp: NOW + 60, iat: NOW, nbf: NOW + 31 }, "claim nbf: 31 s ahead of this machine's clock"],
  ])("the times %j, with a tolerance of 30 s: %s", (times, wrong) => {
    const check = () => checkTimes({ sub: "amara", ...times }, 30);
    if (wrong) expect(check).toThrow(invalid(wrong));
    else expect(check).not.toThrow();
  });

  test.each([
    [60, NOW + 30, undefined],
    [60, NOW + 31, "id_token_invalid"],
    [60, NOW - 90, undefined],
    [60, NOW - 91, "insufficient_user_authentication"],
    [0, NOW - 30, undefined],
    [60, undefined, "insufficient_user_authentication"],
    [60, String(NOW), "id_token_invalid"],
  ])("max_age %i and auth_time %s: %s", (max_age, auth_time, code) => {
    const check = () =>
      checkIdToken({ ...right, auth_time } as never, write(right), { ...expected, max_age });
    if (code === undefined) expect(check).not.toThrow();
    else
      expect(check).toThrow(
        expect.objectContaining({ code, detail: expect.stringContaining("claim auth_time") }),
      );
  });

  test.each([
    ["without a tolerance there is time for the way back", 0, { auth_time: NOW - 10 }, true],
    ["and no more than that", 0, { auth_time: NOW - 11 }, false],
    ["where the portal's clock is ahead it goes by that", 30, { auth_time: NOW - 10, iat: NOW + 20 }, true],
    ["as guards do", 30, { auth_time: NOW - 11, iat: NOW + 20 }, false],
  ])("max_age 0: %s", (_what, clockTolerance, told, holds) => {
    const wanted = { ...expected, max_age: 0, settings: { ...settings, clockTolerance } };
    const check = () => checkIdToken({ ...right, ...told } as never, write(right), wanted);
    if (holds) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "insufficient_user_authentication" }));
  });

  test.each([
    ["mfa", true],
    ["hwk", true],
    ["pwd", false],
    ["mfa hwk", false],
    [undefined, false],
    [["mfa"], false],
  ])("acr %j, where mfa or hwk is demanded: %s", (acr, holds) => {
    const check = () =>
      checkIdToken({ ...right, acr } as never, write(right), { ...expected, acr: ["mfa", "hwk"] });
    if (holds) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "insufficient_user_authentication" }));
  });

  test.each<[object, string]>([
    [{ sub: "" }, "claim sub"],
    [{ sub: "a".repeat(256) }, "claim sub"],
    [{ azp: "them" }, "claim azp"],
    [{ at_hash: "x" }, "claim at_hash"],
  ])("%j is refused as %s", (lie, detail) => {
    expect(() => checkIdToken({ ...right, ...lie }, write(right), expected)).toThrow(invalid(detail));
  });

  test("a sub of 255 characters, and an azp that is us, are right", () => {
    expect(() =>
      checkIdToken({ ...right, sub: "a".repeat(255), azp: "us" }, write(right), expected),
    ).not.toThrow();
  });

  test.each([
    ["at+jwt", false],
    ["AT+JWT", false],
    ["application/at+jwt", false],
    ["logout+jwt", false],
    ["application/logout+jwt", false],
    ["JWT", true],
    ["jwt", true],
    ["chat+jwt", true],
    ["at+jwtx", true],
    [undefined, true],
  ])("the typ %s is taken: %s", (typ, isTaken) => {
    const check = () => checkIdToken(right, write(right, { alg: "RS256", typ }), expected);
    if (isTaken) expect(check).not.toThrow();
    else expect(check).toThrow(invalid("typ"));
  });

  test.each([
    ["RS256", "sha256"],
    ["PS384", "sha384"],
    ["ES512", "sha512"],
    ["EdDSA", "sha512"],
    ["Ed25519", "sha512"],
  ])("at_hash under %s is half of %s", (alg, hash) => {
    const digest = createHash(hash).update("token").digest();
    const at_hash = digest.subarray(0, digest.length / 2).toString("base64url");
    expect(() => checkIdToken({ ...right, at_hash }, write(right, { alg }), expected)).not.toThrow();
    expect(() => checkIdToken({ ...right, at_hash: `${at_hash}A` }, write(right, { alg }), expected)).toThrow(
      invalid("claim at_hash"),
    );
  });

  test.each(["none", "HS2560", "x", "RS128"])("at_hash under %s is refused: there is no such hash", (alg) => {
    expect(() => checkIdToken({ ...right, at_hash: "x" }, write(right, { alg }), expected)).toThrow(
      invalid("claim at_hash"),
    );
  });

  describe("with a refresh", () => {
    const check = (claims: object, old: object | "opaque" | "none" = right, login: object = {}) =>
      checkRefreshedIdToken({ ...right, ...claims }, write(right), {
        id_token: typeof old === "object" ? write(old) : old === "none" ? undefined : old,
        login: { sub: "amara", ...login },
        access_token: "token",
        settings,
        issuer,
      });

    test.each<[string, object, object | "opaque" | "none"]>([
      ["the same", {}, right],
      ["without a nonce", { nonce: undefined }, right],
      ["with a nonce where there was none", { nonce: "new" }, { ...right, nonce: undefined }],
      ["without azp", { azp: undefined }, { ...right, azp: "us" }],
      ["with the same azp", { azp: "us" }, { ...right, azp: "us" }],
      ["with audiences in another order", { aud: ["b", "us"] }, { ...right, aud: ["us", "b"] }],
      ["with one audience in a list", { aud: ["us"] }, right],
      ["with azp, and no old token", { azp: "us" }, "none"],
      [
        "with azp, and an old token of another issuer",
        { azp: "us" },
        { ...right, iss: "https://own.example" },
      ],
      ["with azp, and an old token that cannot be read", { azp: "us" }, "opaque"],
      ["with a later auth_time", { auth_time: NOW }, { ...right, auth_time: NOW - 500 }],
    ])("a token %s is right", (_name, claims, old) => {
      expect(() => check(claims, old)).not.toThrow();
    });

    test.each<[string, object, object | "opaque" | "none", string]>([
      [
        "another iss",
        { iss: "https://portal.example/" },
        right,
        "claim iss: received https://portal.example/, expected https://portal.example",
      ],
      ["another sub", { sub: "lin" }, right, "claim sub"],
      ["another aud", { aud: "them" }, right, "claim aud"],
      ["a further aud", { aud: ["us", "them"] }, right, "claim aud"],
      ["another aud than us, and no old token", { aud: "them" }, "none", "claim aud"],
      ["azp where there was none", { azp: "us" }, right, "claim azp"],
      ["another azp than us", { azp: "them" }, { ...right, azp: "them" }, "claim azp"],
    ])("a token with %s is refused", (_name, claims, old, detail) => {
      expect(() => check(claims, old)).toThrow(invalid(detail));
    });

    test("another sub than the session's is refused, whatever the old token says; and the other way round", () => {
      expect(() => check({}, "none", { sub: "lin" })).toThrow(invalid("claim sub"));
      expect(() => check({}, { ...right, sub: "lin" })).toThrow(invalid("claim sub"));
    });

    test("what the last one left out, and the login's had told, counts as it was told then", () => {
      const old = { ...right, nonce: undefined, azp: undefined };
      const login = { nonce: "the login's", azp: "us" };
      expect(() => check({ azp: "us", nonce: "the login's" }, old, login)).not.toThrow();
      expect(() => check({ nonce: "another" }, old, login)).toThrow(
        expect.objectContaining({ code: "nonce_mismatch" }),
      );
    });

    test("another nonce is refused", () => {
      expect(() => check({ nonce: "another" })).toThrow(expect.objectContaining({ code: "nonce_mismatch" }));
    });
  });
});
