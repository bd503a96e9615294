import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { checkIdToken, checkRefreshedIdToken, checkTimes } from "../../lib/provider/check-id-token.js";
import { ProviderIssuer } from "../../lib/provider/provider-issuer.js";
import { startWorld } from "../support/world.js";

type Claims = Record<string, unknown>;

const now = () => Math.floor(Date.now() / 1000);
/** Claims with a time are created when the test runs, because the table may be many seconds old by then. */
const createClaims = (claims: Claims | (() => Claims)): Claims =>
  typeof claims === "function" ? claims() : claims;

/** Every claim that is checked, with a wrong value: OpenID Connect Core 1.0, section 3.1.3.7. */
describe("an ID token with a wrong claim is rejected, and no session is created", () => {
  test.each<[string, Claims | (() => Claims), string]>([
    ["iss: another issuer", { iss: "https://evil.example" }, "id_token_invalid"],
    ["iss: missing", { iss: undefined }, "id_token_invalid"],
    ["iss: a list", { iss: ["x"] }, "id_token_invalid"],
    ["sub: missing", { sub: undefined }, "id_token_invalid"],
    ["sub: a number", { sub: 7 }, "id_token_invalid"],
    ["sub: empty", { sub: "" }, "id_token_invalid"],
    ["sub: longer than 255 characters", { sub: "x".repeat(256) }, "id_token_invalid"],
    ["aud: another client", { aud: "another-client" }, "id_token_invalid"],
    ["aud: missing", { aud: undefined }, "id_token_invalid"],
    ["aud: a list without this client", { aud: ["another-client"] }, "id_token_invalid"],
    [
      "aud: this client and another one, without azp",
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
    ["exp: a string", { exp: "tomorrow" }, "id_token_invalid"],
    ["exp: just outside the tolerance", () => ({ exp: now() - 31 }), "id_token_invalid"],
    ["iat: missing", { iat: undefined }, "id_token_invalid"],
    ["iat: a string", { iat: "today" }, "id_token_invalid"],
    ["iat: in the future", () => ({ iat: now() + 120 }), "id_token_invalid"],
    ["nbf: in the future", () => ({ nbf: now() + 120 }), "id_token_invalid"],
    ["at_hash: of another token", { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }, "id_token_invalid"],
    ["at_hash: a number", { at_hash: 7 }, "id_token_invalid"],
    ["nonce: of another login", { nonce: "another-login" }, "nonce_mismatch"],
    ["nonce: a list", { nonce: ["x"] }, "nonce_mismatch"],
  ])("%s", async (_name, claims, code) => {
    const { browser, url, provider, me, log } = await startWorld({ log: [new RegExp(code)] });
    provider.nextIdToken({ claims: createClaims(claims) });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([400, code]);
    expect((await me()).isAuthenticated).toBe(false);
    if (code === "id_token_invalid") expect(log.join()).toMatch(/\[(claim|JWT|unexpected JWT|ID Token)/i);
  });
});

describe("a valid ID token is accepted", () => {
  test.each<[string, Claims | (() => Claims)]>([
    ["a sub of 255 characters", { sub: "x".repeat(255) }],
    ["aud as a list of one", { aud: ["demo-app"] }],
    ["several audiences, with this client as azp", { aud: ["demo-app", "another"], azp: "demo-app" }],
    ["no azp", { azp: undefined }],
    ["exp just inside the tolerance", () => ({ exp: now() - 20 })],
    ["iat a little in the future", () => ({ iat: now() + 20 })],
    ["no nonce: the documentation of Tencent CIAM has none", { nonce: undefined }],
  ])("%s", async (_name, claims) => {
    const { browser, url, provider } = await startWorld();
    provider.nextIdToken({ claims: createClaims(claims) });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("with times within the configured clock tolerance", async () => {
    const { browser, url, provider } = await startWorld({ options: { clockTolerance: 300 } });
    provider.nextIdToken({ claims: { exp: now() - 200, iat: now() + 200 } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("the nonce", () => {
  test("is required if PORTAL_NONCE is required", async () => {
    const { browser, url, provider } = await startWorld({
      options: { nonce: "required" },
      log: [/nonce_mismatch/],
    });
    provider.nextIdToken({ claims: { nonce: undefined } });
    expect((await browser.visit(`${url}/account`)).body).toContain("nonce_mismatch");
  });

  test("is rejected if none was sent", async () => {
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
    ["a string", "just now", "id_token_invalid"],
    ["in the future", now() + 1e6, "id_token_invalid"],
  ])("requires auth_time: one that is %s is rejected", async (_name, auth_time, code) => {
    const { browser, url, provider, me } = await startWorld({ options, log: [new RegExp(code)] });
    provider.nextIdToken({ claims: { auth_time } });
    expect((await browser.visit(`${url}/account`)).body).toContain(code);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("accepts a recent auth_time", async () => {
    const { browser, url, provider } = await startWorld({ options });
    provider.nextIdToken({ claims: { auth_time: now() - 50 } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

test.each(["RS256", "PS256", "ES256", "EdDSA"] as const)(
  "a user signs in at a standard provider that signs with %s and sends at_hash, auth_time, iss and nonce",
  async (signingAlg) => {
    const { browser, url, me } = await startWorld({
      provider: { document: "full", signingAlg },
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

describe("checkIdToken", () => {
  const NOW = 1_800_000_000;
  beforeEach(() => {
    vi.spyOn(Date, "now").mockReturnValue(NOW * 1000 + 999);
  });

  const settings = {
    issuer: "https://portal.example",
    clientId: "this-app",
    clockTolerance: 30,
    nonce: "required",
  } as const;
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const writeToken = (claims: object, header: object = { alg: "RS256" }) =>
    `${encode(header)}.${encode(claims)}.x`;
  const valid = { iss: settings.issuer, sub: "amara", aud: "this-app", exp: NOW + 60, iat: NOW, nonce: "n" };
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
  ])("the times %j, with a tolerance of 30 s: %s", (times, detail) => {
    const check = () => checkTimes({ sub: "amara", ...times }, 30);
    if (detail) expect(check).toThrow(invalid(detail));
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
      checkIdToken({ ...valid, auth_time } as never, writeToken(valid), { ...expected, max_age });
    if (code === undefined) expect(check).not.toThrow();
    else
      expect(check).toThrow(
        expect.objectContaining({ code, detail: expect.stringContaining("claim auth_time") }),
      );
  });

  test.each([
    ["without a tolerance, an authentication 10 s ago passes", 0, { auth_time: NOW - 10 }, true],
    ["without a tolerance, one 11 s ago fails", 0, { auth_time: NOW - 11 }, false],
    [
      "with a clock of the provider that is ahead, 30 s by that clock pass",
      30,
      { auth_time: NOW - 10, iat: NOW + 20 },
      true,
    ],
    [
      "with a clock of the provider that is ahead, 31 s by that clock fail",
      30,
      { auth_time: NOW - 11, iat: NOW + 20 },
      false,
    ],
  ])("max_age 0: %s", (_name, clockTolerance, times, isAccepted) => {
    const expectations = { ...expected, max_age: 0, settings: { ...settings, clockTolerance } };
    const check = () => checkIdToken({ ...valid, ...times } as never, writeToken(valid), expectations);
    if (isAccepted) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "insufficient_user_authentication" }));
  });

  test.each([
    ["mfa", true],
    ["hwk", true],
    ["pwd", false],
    ["mfa hwk", false],
    [undefined, false],
    [["mfa"], false],
  ])("acr %j passes, if mfa or hwk is required: %s", (acr, isAccepted) => {
    const check = () =>
      checkIdToken({ ...valid, acr } as never, writeToken(valid), { ...expected, acr: ["mfa", "hwk"] });
    if (isAccepted) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "insufficient_user_authentication" }));
  });

  test.each<[object, string]>([
    [{ sub: "" }, "claim sub"],
    [{ sub: "a".repeat(256) }, "claim sub"],
    [{ azp: "other-app" }, "claim azp"],
    [{ at_hash: "x" }, "claim at_hash"],
  ])("%j fails with %s", (wrongClaims, detail) => {
    expect(() => checkIdToken({ ...valid, ...wrongClaims }, writeToken(valid), expected)).toThrow(
      invalid(detail),
    );
  });

  test("a sub of 255 characters and an azp with the client id pass", () => {
    expect(() =>
      checkIdToken({ ...valid, sub: "a".repeat(255), azp: "this-app" }, writeToken(valid), expected),
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
  ])("the typ %s is accepted: %s", (typ, isAccepted) => {
    const check = () => checkIdToken(valid, writeToken(valid, { alg: "RS256", typ }), expected);
    if (isAccepted) expect(check).not.toThrow();
    else expect(check).toThrow(invalid("typ"));
  });

  test.each([
    ["RS256", "sha256"],
    ["PS384", "sha384"],
    ["ES512", "sha512"],
    ["EdDSA", "sha512"],
    ["Ed25519", "sha512"],
  ])("at_hash with %s is half of %s", (alg, hash) => {
    const digest = createHash(hash).update("token").digest();
    const at_hash = digest.subarray(0, digest.length / 2).toString("base64url");
    expect(() => checkIdToken({ ...valid, at_hash }, writeToken(valid, { alg }), expected)).not.toThrow();
    expect(() =>
      checkIdToken({ ...valid, at_hash: `${at_hash}A` }, writeToken(valid, { alg }), expected),
    ).toThrow(invalid("claim at_hash"));
  });

  test.each(["none", "HS2560", "x", "RS128"])(
    "at_hash with %s is rejected, because the algorithm has no hash",
    (alg) => {
      expect(() => checkIdToken({ ...valid, at_hash: "x" }, writeToken(valid, { alg }), expected)).toThrow(
        invalid("claim at_hash"),
      );
    },
  );

  describe("checkRefreshedIdToken", () => {
    const check = (claims: object, old: object | "opaque" | "none" = valid, login: object = {}) =>
      checkRefreshedIdToken({ ...valid, ...claims }, writeToken(valid), {
        id_token: typeof old === "object" ? writeToken(old) : old === "none" ? undefined : old,
        login: { sub: "amara", ...login },
        access_token: "token",
        settings,
        issuer,
      });

    test.each<[string, object, object | "opaque" | "none"]>([
      ["with the same claims", {}, valid],
      ["without a nonce", { nonce: undefined }, valid],
      ["with a nonce, if the old token had none", { nonce: "new" }, { ...valid, nonce: undefined }],
      ["without azp", { azp: undefined }, { ...valid, azp: "this-app" }],
      ["with the same azp", { azp: "this-app" }, { ...valid, azp: "this-app" }],
      ["with audiences in another order", { aud: ["b", "this-app"] }, { ...valid, aud: ["this-app", "b"] }],
      ["with one audience in a list", { aud: ["this-app"] }, valid],
      ["with azp, and no old token", { azp: "this-app" }, "none"],
      [
        "with azp, and an old token of another issuer",
        { azp: "this-app" },
        { ...valid, iss: "https://own.example" },
      ],
      ["with azp, and an old token that is not a JWT", { azp: "this-app" }, "opaque"],
      ["with a later auth_time", { auth_time: NOW }, { ...valid, auth_time: NOW - 500 }],
    ])("a token %s passes", (_name, claims, old) => {
      expect(() => check(claims, old)).not.toThrow();
    });

    test.each<[string, object, object | "opaque" | "none", string]>([
      [
        "another iss",
        { iss: "https://portal.example/" },
        valid,
        "claim iss: received https://portal.example/, expected https://portal.example",
      ],
      ["another sub", { sub: "lin" }, valid, "claim sub"],
      ["another aud", { aud: "other-app" }, valid, "claim aud"],
      ["a further aud", { aud: ["this-app", "other-app"] }, valid, "claim aud"],
      ["another aud than this client, and no old token", { aud: "other-app" }, "none", "claim aud"],
      ["azp, if the old token had none", { azp: "this-app" }, valid, "claim azp"],
      ["another azp than this client", { azp: "other-app" }, { ...valid, azp: "other-app" }, "claim azp"],
    ])("a token with %s is rejected", (_name, claims, old, detail) => {
      expect(() => check(claims, old)).toThrow(invalid(detail));
    });

    test("a sub must equal that of the session and that of the old token", () => {
      expect(() => check({}, "none", { sub: "lin" })).toThrow(invalid("claim sub"));
      expect(() => check({}, { ...valid, sub: "lin" })).toThrow(invalid("claim sub"));
    });

    test("claims that the old token omits are compared with those of the login", () => {
      const old = { ...valid, nonce: undefined, azp: undefined };
      const login = { nonce: "of the login", azp: "this-app" };
      expect(() => check({ azp: "this-app", nonce: "of the login" }, old, login)).not.toThrow();
      expect(() => check({ nonce: "another" }, old, login)).toThrow(
        expect.objectContaining({ code: "nonce_mismatch" }),
      );
    });

    test("another nonce is rejected", () => {
      expect(() => check({ nonce: "another" })).toThrow(expect.objectContaining({ code: "nonce_mismatch" }));
    });
  });
});
