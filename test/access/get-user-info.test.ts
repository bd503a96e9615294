import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import type { Claims } from "../../lib/index.js";
import type { Responder } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { startWorld } from "../support/world.js";
import { html, json, logIn, TOKEN_SECONDS } from "./signed-in-request.js";

const SUB = "amara-okafor";

async function start(given: Parameters<typeof logIn>[0] = {}) {
  const world = await logIn(given);
  return { ...world, userinfo: (who?: Browser) => world.inRequest(({ portal }) => portal.userinfo(), who) };
}

const challenge = { "www-authenticate": 'Bearer error="invalid_token"' };
const unauthorized: Responder = (_req, res) => void res.writeHead(401, challenge).end();

describe("what the portal tells of the person", () => {
  test("is asked for with the access token, and handed on", async () => {
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

  test("is asked for anew each time, and changes nothing that is kept", async () => {
    const { userinfo, me, provider } = await start();
    const before = await me();
    provider.answerNext("/userinfo", json(200, { sub: SUB, name: "Amara Weber" }));
    expect(await userinfo()).toEqual({ sub: SUB, name: "Amara Weber" });
    expect((await userinfo()).name).toBe("Amara Okafor");
    expect(await me()).toEqual(before);
  });

  test("is asked for with a new token when the old one has ended", async () => {
    const { userinfo, tokens, later, asked } = await start();
    later(TOKEN_SECONDS);
    await userinfo();
    const { access_token } = await tokens();
    expect(asked("/userinfo").map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${access_token}`,
    ]);
  });

  test("is believed of the person who is logged in, although onLogin kept nothing but the sub", async () => {
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

  test("may hold a member called __proto__, which is left out", async () => {
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

  test("is nobody's when nobody is logged in: the portal is not asked, and may be down", async () => {
    const { userinfo, provider } = await start();
    const asked = provider.requests.length;
    await expect(userinfo(new Browser())).rejects.toMatchObject({ code: "login_required", status: 401 });
    expect(provider.requests).toHaveLength(asked);
  });

  test("is nobody's before anybody has logged in: nothing is discovered for a visitor", async () => {
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
])("the reason that the provider gives %s is in the error", async (_where, answer) => {
  const { userinfo, provider } = await start();
  provider.answerNext("/userinfo", answer);
  await expect(userinfo()).rejects.toMatchObject({
    code: "userinfo_refused",
    providerDescription: "Scope email is missing",
    message: expect.stringContaining('the provider says "Scope email is missing"'),
  });
});

test("a connection that is cut is tried once more", async () => {
  const { userinfo, provider, asked } = await start();
  const cut: Responder = (req) => void req.socket.destroy();
  provider.answerNext("/userinfo", cut);
  expect(await userinfo()).toMatchObject({ sub: SUB });
  expect(asked("/userinfo")).toHaveLength(2);
  provider.answerNext("/userinfo", cut, 2);
  await expect(userinfo()).rejects.toMatchObject({ code: "portal_unreachable", status: 503 });
  expect(asked("/userinfo")).toHaveLength(4);
});

describe("a signed answer", () => {
  const jwt =
    (token: string, type = "application/jwt"): Responder =>
    (_req, res) =>
      void res.writeHead(200, { "content-type": type }).end(token);
  const now = () => Math.floor(Date.now() / 1000);

  test.each<[string, (issuer: string) => object, string]>([
    ["with iss and aud", (iss) => ({ iss, aud: "demo-app" }), "application/jwt"],
    ["with several audiences", (iss) => ({ iss, aud: ["another", "demo-app"] }), "application/jwt"],
    ["without iss, aud and times", () => ({}), "application/jwt"],
    ["whose media type has parameters and capitals", () => ({}), "Application/JWT;charset=UTF-8"],
    ["with times that hold", (iss) => ({ iss, iat: now(), exp: now() + 60 }), "application/jwt"],
  ])("%s is verified and returned", async (_what, more, type) => {
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
    ["that has ended", { exp: 1 }, undefined, /claim exp/],
    ["issued in the future", { iat: now() + 3600 }, undefined, /claim iat/],
    ["of an algorithm that is not expected", {}, { alg: "RS512" }, /ERR_JOSE_ALG_NOT_ALLOWED/],
    ["under alg none", {}, { alg: "none" }, /ERR_JOSE_ALG_NOT_ALLOWED/],
    ["under HS256", {}, { alg: "HS256" }, /ERR_JOSE_ALG_NOT_ALLOWED/],
    ["of an unknown key", {}, { kid: "unknown" }, /ERR_JWKS_NO_MATCHING_KEY/],
  ])("%s is refused as userinfo_invalid", async (_what, claims, header, detail) => {
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

  test("whose content was changed after it was signed is refused", async () => {
    const { userinfo, provider } = await start();
    const [header, , signature] = provider.signJwt({ sub: SUB }).split(".");
    const changed = Buffer.from(JSON.stringify({ sub: SUB, admin: true })).toString("base64url");
    provider.answerNext("/userinfo", jwt(`${header}.${changed}.${signature}`));
    await expect(userinfo()).rejects.toMatchObject({
      code: "userinfo_invalid",
      detail: "signature: ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  test("about another user is refused", async () => {
    const { userinfo, provider } = await start();
    provider.answerNext("/userinfo", jwt(provider.signJwt({ sub: "jonas-weber" })));
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_subject_mismatch" });
  });

  test("that is encrypted is refused, and the detail says what to do", async () => {
    const { userinfo, provider } = await start();
    provider.answerNext("/userinfo", jwt("a.b.c.d.e"));
    await expect(userinfo()).rejects.toMatchObject({
      code: "userinfo_invalid",
      detail: expect.stringContaining("userinfo_encrypted_response_alg"),
    });
  });

  test.each([
    ["announces for userinfo is verified", ["ES256"], { sub: SUB }],
    ["does not announce is refused", undefined, "userinfo_invalid"],
  ])("of another algorithm that the provider %s", async (_what, announced, outcome) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { browser, url, provider } = await startWorld({
      portal: { document: "full" },
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

describe("an answer that cannot be used", () => {
  test.each<[string, string, number, Responder]>([
    ["another person", "userinfo_subject_mismatch", 502, json(200, { sub: "jonas-weber", name: "Jonas" })],
    ["a person in other letters", "userinfo_subject_mismatch", 502, json(200, { sub: "Amara-Okafor" })],
    ["nobody", "portal_answer_invalid", 502, json(200, { name: "Amara Okafor" })],
    ["a number for a person", "portal_answer_invalid", 502, json(200, { sub: 7 })],
    ["an empty name", "portal_answer_invalid", 502, json(200, { sub: "" })],
    ["403", "userinfo_refused", 502, (_req, res) => void res.writeHead(403, challenge).end()],
    ["403 with words", "userinfo_refused", 502, json(403, { error: "insufficient_scope" })],
    ["404", "userinfo_refused", 502, json(404, { error: "user_not_found" })],
    ["a page that is not found", "userinfo_refused", 502, html(404)],
    ["429", "portal_failed", 503, html(429)],
    ["500", "portal_failed", 503, json(500, { error: "oops" })],
    ["a gateway's page", "portal_failed", 503, html(502)],
    ["a page with 200", "portal_answer_invalid", 502, html(200)],
    [
      "JSON that is cut off",
      "portal_answer_invalid",
      502,
      (_req, res) => void res.writeHead(200, JSON_TYPE).end('{"sub":'),
    ],
    ["a list", "portal_answer_invalid", 502, json(200, [{ sub: SUB }])],
    ["nothing", "portal_answer_invalid", 502, (_req, res) => void res.writeHead(200, JSON_TYPE).end()],
    [
      "a redirect",
      "portal_answer_invalid",
      502,
      (_req, res) => void res.writeHead(302, { location: "/me" }).end(),
    ],
    [
      "a JWT that is none",
      "userinfo_invalid",
      502,
      (_req, res) => void res.writeHead(200, JWT_TYPE).end("a.b.c"),
    ],
  ])("(%s) is told as %s, asked for once, and ends no session", async (_name, code, status, answer) => {
    const { userinfo, me, provider, asked, refreshes } = await start();
    provider.answerNext("/userinfo", answer);
    await expect(userinfo()).rejects.toMatchObject({ code, status });
    expect((await me()).isAuthenticated).toBe(true);
    expect([asked("/userinfo").length, refreshes().length]).toEqual([1, 0]);
  });

  test("because the person is gone at the portal is told with its status", async () => {
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
    ["with words", json(401, { error: "invalid_token" })],
    ["that says nothing", (_req, res) => void res.writeHead(401).end()],
  ])("%s causes one refresh, and one more try", async (_name, answer) => {
    const { userinfo, tokens, provider, asked, refreshes } = await start();
    const before = await tokens();
    provider.answerNext("/userinfo", answer);
    expect((await userinfo()).sub).toBe(SUB);
    const after = await tokens();
    expect(asked("/userinfo").map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${before.access_token}`,
      `Bearer ${after.access_token}`,
    ]);
    expect(refreshes()).toHaveLength(1);
  });

  test("that comes again is told, and nobody is logged out", async () => {
    const { userinfo, me, provider, asked, refreshes } = await start();
    provider.answerNext("/userinfo", unauthorized, 2);
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused", status: 502 });
    expect([asked("/userinfo").length, refreshes().length]).toEqual([2, 1]);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("without a refresh token is told, and sends no browser round in circles", async () => {
    const { userinfo, provider, me } = await start({
      options: { hooks: { onTokens: ({ refresh_token: _, ...tokens }) => tokens } },
    });
    provider.answerNext("/userinfo", unauthorized);
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused", status: 502 });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("that comes again costs no refresh the next time, until there is another token", async () => {
    const { userinfo, provider, asked, refreshes, later } = await start();
    provider.answerNext("/userinfo", unauthorized, 4);
    for (let time = 0; time < 3; time += 1)
      await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused", status: 502 });
    expect([asked("/userinfo").length, refreshes().length]).toEqual([4, 1]);
    later(TOKEN_SECONDS);
    expect((await userinfo()).sub).toBe(SUB);
  });
});

describe("the endpoint", () => {
  const openid = { profile: "openid" } as const;

  test("that is not announced, and of which no profile knows, is told as missing", async () => {
    const { userinfo } = await start({ options: openid });
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_missing", status: 500 });
  });

  test("may come from discovery", async () => {
    const { userinfo } = await start({ options: openid, portal: { document: "full" } });
    expect((await userinfo()).sub).toBe(SUB);
  });

  test("may come from an option, which wins", async () => {
    const other = await start();
    const { userinfo, asked } = await start({
      options: { userinfoUrl: `${other.provider.issuer}/userinfo` },
    });
    await expect(userinfo()).rejects.toMatchObject({ code: "userinfo_refused" }); // it does not know our tokens
    expect(asked("/userinfo")).toEqual([]);
    expect(other.asked("/userinfo")).toHaveLength(2);
  });
});

const JSON_TYPE = { "content-type": "application/json" };
const JWT_TYPE = { "content-type": "application/jwt" };
