import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import type { Claims } from "../../lib/index.js";
import type { Responder } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { startWorld } from "../support/world.js";
import { html, json, logIn, TOKEN_SECONDS } from "./signed-in-request.js";

const SUB = "amara-okafor";

async function start(options: Parameters<typeof logIn>[0] = {}) {
  const world = await logIn(options);
  return {
    ...world,
    userinfo: (browser?: Browser) => world.inRequest(({ portal }) => portal.userinfo(), browser),
  };
}

const challenge = { "www-authenticate": 'Bearer error="invalid_token"' };
const unauthorized: Responder = (_req, res) => void res.writeHead(401, challenge).end();

describe("userinfo()", () => {
  test("sends the access token, and returns the claims", async () => {
    const { userinfo, tokens, asked } = await start();
    expect(await userinfo()).toEqual({
      sub: SUB,
      name: "Amara Okafor",
      nickname: "Amara",
      email: "amara@lighthouse.example",
      zoneinfo: "Africa/Lagos",
      locale: "en-NG",
    });
    const { access_token } = await tokens();
    expect(asked("/userinfo").map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${access_token}`,
    ]);
  });

  test("sends a request at each call, and does not change the session", async () => {
    const { userinfo, me, provider } = await start();
    const before = await me();
    provider.answerNext("/userinfo", json(200, { sub: SUB, name: "Amara Weber" }));
    expect(await userinfo()).toEqual({ sub: SUB, name: "Amara Weber" });
    expect((await userinfo()).name).toBe("Amara Okafor");
    expect(await me()).toEqual(before);
  });

  test("sends a new token if the old one has expired", async () => {
    const { userinfo, tokens, later, asked } = await start();
    later(TOKEN_SECONDS);
    await userinfo();
    const { access_token } = await tokens();
    expect(asked("/userinfo").map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${access_token}`,
    ]);
  });

  test("works although onLogin has removed all claims except sub", async () => {
    const { userinfo } = await start({
      options: {
        hooks: {
          onLogin: (context) => {
            context.claims = { sub: context.claims.sub };
          },
        },
      },
    });
    expect((await userinfo()).name).toBe("Amara Okafor");
  });

  test("omits a member with the name __proto__", async () => {
    const { userinfo, provider } = await start();
    provider.answerNext("/userinfo", (_req, res) => {
      res.writeHead(200, { "content-type": "application/json" });
      res.end(`{"sub":"${SUB}","__proto__":{"admin":true},"constructor":"x"}`);
    });
    const claims: Claims = await userinfo();
    expect(Object.keys(claims)).toEqual(["sub", "constructor"]);
    expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
    expect(claims["admin"]).toBeUndefined();
  });

  test("rejects without a signed-in user, and sends no request", async () => {
    const { userinfo, provider } = await start();
    const requestsBefore = provider.requests.length;
    await expect(userinfo(new Browser())).rejects.toMatchObject({ code: "login_required", status: 401 });
    expect(provider.requests).toHaveLength(requestsBefore);
  });

  test("rejects before the first login, and does not discover the provider", async () => {
    const { browser, url, provider } = await startWorld({
      after: (app) =>
        app.get("/test/userinfo", async (req, res) => {
          res.send(await req.portal.userinfo().catch(({ code }) => code));
        }),
    });
    expect((await browser.fetch(`${url}/test/userinfo`)).body).toBe("login_required");
    expect(provider.requests).toEqual([]);
  });
});

test.each<[string, Responder]>([
  ["in its body", json(403, { error: "insufficient_scope", error_description: "Scope email\nis missing" })],
  [
    "in its challenge",
    (_req, res) =>
      void res
        .writeHead(403, {
          "www-authenticate": 'Bearer error="insufficient_scope", error_description="Scope email is missing"',
        })
        .end(),
  ],
])("the reason of the provider %s is in the error", async (_where, respond) => {
  const { userinfo, provider } = await start();
  provider.answerNext("/userinfo", respond);
  await expect(userinfo()).rejects.toMatchObject({
    code: "userinfo_refused",
    providerDescription: "Scope email is missing",
    message: expect.stringContaining('the provider says "Scope email is missing"'),
  });
});

test("a request whose connection is reset is sent once more", async () => {
  const { userinfo, provider, asked } = await start();
  const reset: Responder = (req) => void req.socket.destroy();
  provider.answerNext("/userinfo", reset);
  expect(await userinfo()).toMatchObject({ sub: SUB });
  expect(asked("/userinfo")).toHaveLength(2);
  provider.answerNext("/userinfo", reset, 2);
  await expect(userinfo()).rejects.toMatchObject({ code: "portal_unreachable", status: 503 });
  expect(asked("/userinfo")).toHaveLength(4);
});

describe("a signed response", () => {
  const jwt =
    (token: string, type = "application/jwt"): Responder =>
    (_req, res) =>
      void res.writeHead(200, { "content-type": type }).end(token);
  const now = () => Math.floor(Date.now() / 1000);

  test.each<[string, (issuer: string) => object, string]>([
    ["with iss and aud", (iss) => ({ iss, aud: "demo-app" }), "application/jwt"],
    ["with several audiences", (iss) => ({ iss, aud: ["another", "demo-app"] }), "application/jwt"],
    ["without iss, aud and times", () => ({}), "application/jwt"],
    ["whose media type has parameters and upper case", () => ({}), "Application/JWT;charset=UTF-8"],
    ["with valid times", (iss) => ({ iss, iat: now(), exp: now() + 60 }), "application/jwt"],
  ])("%s is verified and returned", async (_name, more, type) => {
    const { userinfo, provider } = await start();
    const claims = { sub: SUB, name: "Amara Weber", ...more(provider.issuer) };
    provider.answerNext("/userinfo", jwt(provider.signJwt(claims), type));
    expect(await userinfo()).toEqual(claims);
  });

  test.each<[string, object, object | undefined, RegExp]>([
    [
      "of another issuer",
      { iss: "https://evil.example" },
      undefined,
      /claim iss: received https:\/\/evil\.example, expected/,
    ],
    ["for another client", { aud: "another" }, undefined, /claim aud: received another, expected demo-app/],
    ["that has expired", { exp: 1 }, undefined, /claim exp/],
    ["issued in the future", { iat: now() + 3600 }, undefined, /claim iat/],
    ["with an unexpected algorithm", {}, { alg: "RS512" }, /ERR_JOSE_ALG_NOT_ALLOWED/],
    ["with alg none", {}, { alg: "none" }, /ERR_JOSE_ALG_NOT_ALLOWED/],
    ["with HS256", {}, { alg: "HS256" }, /ERR_JOSE_ALG_NOT_ALLOWED/],
    ["with an unknown key", {}, { kid: "unknown" }, /ERR_JWKS_NO_MATCHING_KEY/],
  ])("%s is rejected with userinfo_invalid", async (_name, claims, header, detail) => {
    const { userinfo, provider, me } = await start();
    provider.answerNext(
      "/userinfo",
      jwt(provider.signJwt({ sub: SUB, ...claims }, header as Record<string, unknown>)),
    );
    await expect(userinfo()).rejects.toMatchObject({
      code: "userinfo_invalid",
      status: 502,
      detail: expect.stringMatching(detail),
    });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("that was changed after it was signed is rejected", async () => {
    const { userinfo, provider } = await start();
    const [header, , signature] = provider.signJwt({ sub: SUB }).split(".");
    const changed = Buffer.from(JSON.stringify({ sub: SUB, admin: true })).toString("base64url");
    provider.answerNext("/userinfo", jwt(`${header}.${changed}.${signature}`));
    await expect(userinfo()).rejects.toMatchObject({
      code: "userinfo_invalid",
      detail: "signature: ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  test("about another user is rejected", async () => {
    const { userinfo, provider } = await start();
    provider.answerNext("/userinfo", jwt(provider.signJwt({ sub: "jonas-weber" })));
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_subject_mismatch" });
  });

  test("that is encrypted is rejected, and the detail names the setting", async () => {
    const { userinfo, provider } = await start();
    provider.answerNext("/userinfo", jwt("a.b.c.d.e"));
    await expect(userinfo()).rejects.toMatchObject({
      code: "userinfo_invalid",
      detail: expect.stringContaining("userinfo_encrypted_response_alg"),
    });
  });

  test.each([
    ["announces for userinfo is accepted", ["ES256"], { sub: SUB }],
    ["does not announce is rejected", undefined, "userinfo_invalid"],
  ])("with another algorithm that the provider %s", async (_name, announced, outcome) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { browser, url, provider } = await startWorld({
      provider: { document: "full" },
      options: { profile: "openid" },
      after: (app) =>
        app.get("/test/userinfo", async (req, res) => {
          res.json(await req.portal.userinfo().catch(({ code }) => code));
        }),
    });
    provider.alterDiscovery((document) => ({
      ...document,
      userinfo_signing_alg_values_supported: announced,
    }));
    provider.alterKeys(({ keys }) => ({
      keys: [...keys, { ...publicKey.export({ format: "jwk" }), kid: "ec" }],
    }));
    await browser.visit(`${url}/account`);
    const token = await new SignJWT({ sub: SUB })
      .setProtectedHeader({ alg: "ES256", kid: "ec" })
      .sign(privateKey);
    provider.answerNext("/userinfo", jwt(token));
    expect(JSON.parse((await browser.fetch(`${url}/test/userinfo`)).body)).toEqual(outcome);
  });
});

describe("an invalid response", () => {
  test.each<[string, string, number, Responder]>([
    ["another user", "userinfo_subject_mismatch", 502, json(200, { sub: "jonas-weber", name: "Jonas" })],
    [
      "another user, who differs in case",
      "userinfo_subject_mismatch",
      502,
      json(200, { sub: "Amara-Okafor" }),
    ],
    ["no sub", "portal_answer_invalid", 502, json(200, { name: "Amara Okafor" })],
    ["a number as sub", "portal_answer_invalid", 502, json(200, { sub: 7 })],
    ["an empty sub", "portal_answer_invalid", 502, json(200, { sub: "" })],
    ["403", "userinfo_refused", 502, (_req, res) => void res.writeHead(403, challenge).end()],
    ["403 with a body", "userinfo_refused", 502, json(403, { error: "insufficient_scope" })],
    ["404", "userinfo_refused", 502, json(404, { error: "user_not_found" })],
    ["404 with HTML", "userinfo_refused", 502, html(404)],
    ["429", "portal_failed", 503, html(429)],
    ["500", "portal_failed", 503, json(500, { error: "oops" })],
    ["502 with HTML", "portal_failed", 503, html(502)],
    ["200 with HTML", "portal_answer_invalid", 502, html(200)],
    [
      "JSON that is cut off",
      "portal_answer_invalid",
      502,
      (_req, res) => void res.writeHead(200, JSON_TYPE).end('{"sub":'),
    ],
    ["a list", "portal_answer_invalid", 502, json(200, [{ sub: SUB }])],
    ["an empty body", "portal_answer_invalid", 502, (_req, res) => void res.writeHead(200, JSON_TYPE).end()],
    [
      "a redirect",
      "portal_answer_invalid",
      502,
      (_req, res) => void res.writeHead(302, { location: "/me" }).end(),
    ],
    [
      "an invalid JWT",
      "userinfo_invalid",
      502,
      (_req, res) => void res.writeHead(200, JWT_TYPE).end("a.b.c"),
    ],
  ])(
    "(%s) causes %s after one request, and does not end the session",
    async (_name, code, status, respond) => {
      const { userinfo, me, provider, asked, refreshes } = await start();
      provider.answerNext("/userinfo", respond);
      await expect(userinfo()).rejects.toMatchObject({ code, status });
      expect((await me()).isAuthenticated).toBe(true);
      expect([asked("/userinfo").length, refreshes().length]).toEqual([1, 0]);
    },
  );

  test("because the user was removed at the provider is reported with its status", async () => {
    const { userinfo, provider } = await start();
    provider.removeUser(SUB);
    const failure = await userinfo().catch((error) => error);
    expect([failure.code, failure.detail]).toEqual([
      "userinfo_refused",
      "userinfo answered 404 user_not_found",
    ]);
  });
});

describe("a 401", () => {
  test.each<[string, Responder]>([
    ["with a challenge", unauthorized],
    ["with a body", json(401, { error: "invalid_token" })],
    ["without a challenge and a body", (_req, res) => void res.writeHead(401).end()],
  ])("%s causes one refresh and one more request", async (_name, respond) => {
    const { userinfo, tokens, provider, asked, refreshes } = await start();
    const before = await tokens();
    provider.answerNext("/userinfo", respond);
    expect((await userinfo()).sub).toBe(SUB);
    const after = await tokens();
    expect(asked("/userinfo").map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${before.access_token}`,
      `Bearer ${after.access_token}`,
    ]);
    expect(refreshes()).toHaveLength(1);
  });

  test("after the refresh is reported, and does not end the session", async () => {
    const { userinfo, me, provider, asked, refreshes } = await start();
    provider.answerNext("/userinfo", unauthorized, 2);
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused", status: 502 });
    expect([asked("/userinfo").length, refreshes().length]).toEqual([2, 1]);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("without a refresh token is reported, without a redirect loop", async () => {
    const { userinfo, provider, me } = await start({
      options: { hooks: { onTokens: ({ refresh_token: _, ...tokens }) => tokens } },
    });
    provider.answerNext("/userinfo", unauthorized);
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused", status: 502 });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("after the refresh causes no further refresh until the token expires", async () => {
    const { userinfo, provider, asked, refreshes, later } = await start();
    provider.answerNext("/userinfo", unauthorized, 4);
    for (let count = 0; count < 3; count += 1)
      await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused", status: 502 });
    expect([asked("/userinfo").length, refreshes().length]).toEqual([4, 1]);
    later(TOKEN_SECONDS);
    expect((await userinfo()).sub).toBe(SUB);
  });
});

describe("the endpoint", () => {
  const openid = { profile: "openid" } as const;

  test("that neither the document nor the profile names is reported as missing", async () => {
    const { userinfo } = await start({ options: openid });
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_missing", status: 500 });
  });

  test("may come from discovery", async () => {
    const { userinfo } = await start({ options: openid, provider: { document: "full" } });
    expect((await userinfo()).sub).toBe(SUB);
  });

  test("may come from an option, which overrides the document", async () => {
    const other = await start();
    const { userinfo, asked } = await start({
      options: { userinfoUrl: `${other.provider.issuer}/userinfo` },
    });
    // The other provider did not issue the token.
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused" });
    expect(asked("/userinfo")).toEqual([]);
    expect(other.asked("/userinfo")).toHaveLength(2);
  });
});

const JSON_TYPE = { "content-type": "application/json" };
const JWT_TYPE = { "content-type": "application/jwt" };
