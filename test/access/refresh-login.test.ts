import type { Response } from "express";
import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import {
  PortalAuthError,
  portalAuth,
  requireAuth,
  type TokenSet,
  type TokensContext,
} from "../../lib/index.js";
import type { IdTokenChanges, Responder } from "../../lib/testing/provider/local-provider.js";
import { fakeTimeouts } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";
import { CLIENT_ID, getClientOptions } from "../support/world.js";
import { html, json, logIn, SESSIONS, TOKEN_SECONDS } from "./signed-in-request.js";

const now = () => Math.floor(Date.now() / 1000);

describe.each(SESSIONS)("a refresh saves in %s", (_name, session) => {
  test("the new tokens and when they expire", async () => {
    const { ask, later, tokens, stored } = await logIn({ session });
    const before = await tokens();
    later(TOKEN_SECONDS);
    await ask();
    const after = await tokens();
    expect(after).toEqual({
      access_token: expect.any(String),
      token_type: "bearer",
      refresh_token: expect.stringMatching(/^.{128}$/),
      id_token: expect.any(String),
      scope: "openid",
      expires_at: (before.expires_at ?? 0) + TOKEN_SECONDS,
    });
    for (const name of ["access_token", "refresh_token", "id_token"] as const)
      expect(after[name]).not.toBe(before[name]);
    expect(await stored()).toMatchObject([{ tokens: after, version: 2 }]);
  });

  test("a rotated refresh token, which the next refresh sends", async () => {
    const { ask, later, tokens, refreshes } = await logIn({ session });
    const sent: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      sent.push((await tokens()).refresh_token);
      later(TOKEN_SECONDS);
      expect((await ask()).status).toBe(200);
    }
    expect(refreshes().map(({ refresh_token }) => refresh_token)).toEqual(sent);
    expect(new Set(sent).size).toBe(3);
  });

  test("the same claims and the same start of the session", async () => {
    const { ask, later, me, stored } = await logIn({ session });
    const [before] = await stored();
    const { claims } = await me();
    later(TOKEN_SECONDS);
    await ask();
    expect((await me()).claims).toEqual(claims);
    expect(await stored()).toMatchObject([{ started_at: before?.started_at }]);
  });
});

describe("a member that the token response omits stays unchanged", () => {
  test.each<[string, Record<string, unknown>, keyof TokenSet]>([
    ["a refresh token that does not rotate", { refresh_token: undefined }, "refresh_token"],
    ["the ID token", { id_token: undefined }, "id_token"],
    ["the scope", { scope: undefined }, "scope"],
  ])("%s", async (_name, changes, member) => {
    const { ask, later, tokens, provider } = await logIn({ provider: { rotateRefreshTokens: false } });
    const before = await tokens();
    provider.nextTokenResponse(changes);
    later(TOKEN_SECONDS);
    await ask();
    const after = await tokens();
    expect(after[member]).toBe(before[member]);
    expect(after.access_token).not.toBe(before.access_token);
  });

  test("the old refresh token is sent again", async () => {
    const { ask, later, provider, refreshes } = await logIn({ provider: { rotateRefreshTokens: false } });
    for (let count = 0; count < 3; count += 1) {
      provider.nextTokenResponse({ refresh_token: undefined });
      later(TOKEN_SECONDS);
      expect((await ask()).status).toBe(200);
    }
    expect(new Set(refreshes().map(({ refresh_token }) => refresh_token)).size).toBe(1);
  });

  test("except expires_at: a token without an expiry is used until a resource rejects it", async () => {
    const { ask, later, tokens, provider, refreshes } = await logIn();
    provider.nextTokenResponse({ expires_in: undefined });
    later(TOKEN_SECONDS);
    await ask();
    later(50_000);
    expect((await ask()).status).toBe(200);
    expect(await tokens()).not.toHaveProperty("expires_at");
    expect(refreshes()).toHaveLength(1);
  });

  test("except a smaller scope, which is saved", async () => {
    const { ask, later, tokens, provider } = await logIn();
    provider.nextTokenResponse({ scope: "less" });
    later(TOKEN_SECONDS);
    await ask();
    expect((await tokens()).scope).toBe("less");
  });
});

describe.each(SESSIONS)("the expiry of a refresh token in %s", (_name, session) => {
  test.each<[string, Record<string, unknown>, number | undefined]>([
    ["refresh_expires_in", { refresh_expires_in: 1000 }, 1000],
    ["refresh_token_expires_in", { refresh_token_expires_in: 1000 }, 1000],
    [
      "both members, of which the first one is used",
      { refresh_expires_in: 1000, refresh_token_expires_in: 2000 },
      1000,
    ],
    ["a fraction of a second", { refresh_expires_in: 1000.9 }, 1000],
    ...[0, -1, "1000", "soon", null, true, [1000], {}].map(
      (value): [string, Record<string, unknown>, undefined] => [
        `${JSON.stringify(value)}, which is ignored`,
        { refresh_expires_in: value, refresh_token_expires_in: value },
        undefined,
      ],
    ),
  ])("is read from %s", async (_name, changes, seconds) => {
    const { browser, url, clock, tokens, provider } = await logIn({ session });
    provider.nextTokenResponse(changes);
    await browser.visit(`${url}/login`, { site: "same-origin" });
    const { refresh_expires_at } = await tokens();
    if (seconds === undefined) expect(refresh_expires_at).toBeUndefined();
    else expect(Math.abs((refresh_expires_at ?? 0) - clock() / 1000 - seconds)).toBeLessThan(5);
  });

  test.each<[string, Record<string, unknown>]>([
    ["with an expired access token", {}],
    ["with an access token without an expiry", { expires_in: undefined }],
  ])("does not end the session in an app that needs no token, %s", async (_name, changes) => {
    const { browser, url, later, me, provider, refreshes } = await logIn({ session });
    provider.nextTokenResponse({ refresh_expires_in: 1000, ...changes });
    await browser.visit(`${url}/login`, { site: "same-origin" });
    later(1001);
    expect((await me()).isAuthenticated).toBe(true);
    expect((await browser.fetch(`${url}/account`)).status).toBe(200);
    expect(refreshes()).toEqual([]);
  });

  test("ends the session when a request needs a token and the provider refuses the refresh", async () => {
    const { browser, url, later, ask, me, provider } = await logIn({ session, log: [/refresh_refused/] });
    provider.nextTokenResponse({ refresh_expires_in: 1000 });
    await browser.visit(`${url}/login`, { site: "same-origin" });
    later(1001);
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect(await me()).toEqual({ isAuthenticated: false });
    expect((await browser.navigate(`${url}/account`)).headers.location).toContain("/oauth2/authorize?");
  });
});

describe("the expiry of the refresh token", () => {
  test.each<[string, Record<string, unknown>, number | undefined]>([
    ["changes with a new refresh token", { refresh_expires_in: 1000 }, TOKEN_SECONDS + 1000],
    ["stays if the response has no refresh token", { refresh_token: undefined }, 1000],
    ["stays if the response has the old refresh token", { refresh_token: "the old one" }, 1000],
    [
      "changes if the response extends the old refresh token",
      { refresh_token: "the old one", refresh_expires_in: 1000 },
      TOKEN_SECONDS + 1000,
    ],
    ["is unknown for a new refresh token without a lifetime", {}, undefined],
  ])("%s", async (_name, changes, expectedSeconds) => {
    const { browser, url, clock, later, ask, tokens, provider } = await logIn({
      provider: { rotateRefreshTokens: false },
    });
    const signedInAt = clock() / 1000;
    provider.nextTokenResponse({ refresh_expires_in: 1000, refresh_token: "first" });
    await browser.visit(`${url}/login`, { site: "same-origin" });
    const oldRefreshToken = changes["refresh_token"] === "the old one" && {
      refresh_token: (await tokens()).refresh_token,
    };
    // The provider does not know the invented refresh token, so the response is invented, too.
    provider.answerNext(
      "/oauth2/token",
      json(200, { ...TOKEN_RESPONSE, refresh_token: "new", ...changes, ...oldRefreshToken }),
    );
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(200);
    const { refresh_expires_at } = await tokens();
    if (expectedSeconds === undefined) expect(refresh_expires_at).toBeUndefined();
    else expect(Math.abs((refresh_expires_at ?? 0) - signedInAt - expectedSeconds)).toBeLessThan(5);
  });
});

const foreignIdToken = [{ alg: "none" }, { iss: "https://own.example", sub: "own", aud: "own" }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
  .concat("")
  .join(".");

const TOKEN_RESPONSE = {
  access_token: "an access token of another kind",
  token_type: "Bearer",
  expires_in: 300,
};

/** OpenID Connect Core 1.0, section 12.2. */
describe("an invalid ID token of a refresh", () => {
  test.each<[string, IdTokenChanges, string]>([
    ["sub: missing", { claims: { sub: undefined } }, "id_token_invalid"],
    ["aud: another client", { claims: { aud: "another-client" } }, "id_token_invalid"],
    [
      "aud: another client beside this one",
      { claims: { aud: [CLIENT_ID, "x"], azp: CLIENT_ID } },
      "id_token_invalid",
    ],
    ["azp: another client", { claims: { azp: "another-client" } }, "id_token_invalid"],
    ["exp: missing", { claims: { exp: undefined } }, "id_token_invalid"],
    ["at_hash: of another token", { claims: { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" } }, "id_token_invalid"],
    ["nonce: of another login", { claims: { nonce: "another-login" } }, "nonce_mismatch"],
    ["nonce: a list", { claims: { nonce: ["x"] } }, "nonce_mismatch"],
    ["signed by an unknown key", { signedBy: "stranger" }, "id_token_signature_invalid"],
    ["without a signature", { signedBy: "nobody" }, "id_token_"],
    ["with an algorithm that is not announced", { header: { alg: "HS256" } }, "id_token_"],
  ])("(%s) is rejected, and no token of its response is used", async (_name, changes, code) => {
    const { ask, later, me, tokens, provider, log } = await logIn({ log: [/id_token_|nonce_mismatch/] });
    const before = await tokens();
    provider.nextIdToken(changes);
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 503, code: "refresh_failed", retryAfter: "5" });
    expect(await tokens()).toEqual(before);
    expect((await me()).claims?.["sub"]).toBe("amara-okafor");
    expect(log.join()).toContain(code);
  });

  test.each<[string, IdTokenChanges]>([
    ["exp: long ago", { claims: { exp: 1 } }],
    ["nbf: in the future", { claims: { nbf: now() + 3600 } }],
    ["iat: in the future", { claims: { iat: now() + 3600 } }],
  ])("with a wrong time (%s) is rejected, and the rotated refresh token is saved", async (_name, changes) => {
    const { ask, later, tokens, provider, log, refreshes } = await logIn({ log: [/id_token_invalid/] });
    const before = await tokens();
    provider.nextIdToken(changes);
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 503, code: "refresh_failed", retryAfter: "5" });
    expect(log.join()).toContain(`claim ${_name.slice(0, 3)}`);
    const { refresh_token, ...others } = await tokens();
    expect({ ...others, refresh_token: before.refresh_token }).toEqual(before);
    expect(refresh_token).not.toBe(before.refresh_token);
    later(1);
    expect((await ask()).status).toBe(200);
    expect(refreshes().map((form) => form["refresh_token"])).toEqual([before.refresh_token, refresh_token]);
  });

  test("does not affect an access token that is still valid", async () => {
    const { ask, later, tokens, provider } = await logIn({ log: [/id_token_/] });
    const { access_token } = await tokens();
    provider.nextIdToken({ claims: { aud: "another-client" } });
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
  });

  test("of one user does not stop the refreshes of other users", async () => {
    const { ask, later, another, provider } = await logIn({ log: [/id_token_/] });
    const other = await another();
    provider.nextIdToken({ claims: { aud: "another-client" } });
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(503);
    expect((await ask(other)).status).toBe(200);
  });
});

/** OpenID Connect Core 1.0, section 12.2; in the conformance suite's plan for refresh tokens. */
describe.each<[string, IdTokenChanges, string]>([
  ["sub", { claims: { sub: "jonas-weber" } }, "claim sub"],
  ["iss", { claims: { iss: "https://evil.example" } }, "claim iss"],
])("an ID token of a refresh with another %s", (_name, changes, detail) => {
  const log = [/refresh_identity_mismatch/];

  test.each([
    ["has expired", TOKEN_SECONDS],
    ["is valid", TOKEN_SECONDS - 1],
  ])("ends the session if the access token %s", async (_when, seconds) => {
    const { ask, later, me, stored, provider, log: lines } = await logIn({ log });
    provider.nextIdToken(changes);
    later(seconds);
    expect(await ask()).toEqual({ status: 401, code: "refresh_identity_mismatch" });
    expect(await me()).toEqual({ isAuthenticated: false });
    expect(await stored()).toEqual([]);
    const logged = lines.filter((line) => line.includes("refresh_identity_mismatch (401)"));
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain(detail);
  });

  test("prevents requests to userinfo and APIs with the old access token", async () => {
    const { inRequest, later, provider, asked } = await logIn({ log });
    const before = asked("/userinfo").length;
    provider.nextIdToken(changes);
    later(TOKEN_SECONDS - 1);
    const code = await inRequest((req) => req.portal.userinfo().then(String, (error) => error.code));
    expect(code).toBe("refresh_identity_mismatch");
    expect(asked("/userinfo")).toHaveLength(before);
  });

  test("redirects a browser to the login, and does not stop the refreshes of other users", async () => {
    const { ask, another, browser, url, later, provider } = await logIn({
      log,
      after: (app) =>
        void app.get("/fresh", requireAuth({ freshToken: true }), (_req, res) => void res.send("fresh")),
    });
    const other = await another();
    provider.nextIdToken(changes);
    later(TOKEN_SECONDS - 1);
    const response = await browser.navigate(`${url}/fresh`);
    expect([response.status, response.headers.location]).toEqual([
      302,
      expect.stringContaining("/oauth2/authorize?"),
    ]);
    expect((await ask(other)).status).toBe(200);
  });
});

describe("a valid ID token of a refresh is saved", () => {
  test.each<[string, (old: Record<string, unknown>) => Record<string, unknown>]>([
    ["without a nonce", () => ({})],
    ["with the nonce of the login", ({ nonce }) => ({ nonce })],
    ["with aud as a list of one", () => ({ aud: [CLIENT_ID] })],
    ["without azp", () => ({ azp: undefined })],
    ["with an iat that is slightly ahead of our clock", () => ({ iat: now() + 20 })],
  ])("%s", async (_name, createClaims) => {
    const { ask, later, tokens, provider } = await logIn();
    const before = (await tokens()).id_token ?? "";
    provider.nextIdToken({ claims: createClaims(decodeJwt(before)) });
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(200);
    expect((await tokens()).id_token).not.toBe(before);
  });

  test.each(["RS256", "PS256", "ES256", "EdDSA"] as const)(
    "from a standard provider that signs with %s and sends at_hash and auth_time",
    async (signingAlg) => {
      const { ask, later } = await logIn({
        provider: { document: "full", signingAlg },
        options: { profile: "openid" },
      });
      later(TOKEN_SECONDS);
      expect((await ask()).status).toBe(200);
    },
  );

  test("after the provider has rotated its keys", async () => {
    const { ask, later, provider } = await logIn();
    await provider.rotateKeys();
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(200);
  });

  test.each<[string, (tokens: TokenSet) => TokenSet]>([
    ["has removed the last one", ({ id_token: _, ...tokens }) => tokens],
    [
      "has replaced the last one with another text",
      (tokens) => ({ ...tokens, id_token: "a reference to the app's database" }),
    ],
    [
      "has replaced the last one with the ID token of another issuer",
      (tokens) => ({ ...tokens, id_token: foreignIdToken }),
    ],
  ])("although a hook %s", async (_name, onTokens) => {
    const { ask, later, refreshes } = await logIn({ options: { hooks: { onTokens } } });
    for (let count = 0; count < 2; count += 1) {
      later(TOKEN_SECONDS);
      expect((await ask()).status).toBe(200);
    }
    expect(refreshes()).toHaveLength(2);
  });
});

describe("if the keys cannot be fetched after the provider has rotated the refresh token", () => {
  test.each<[string, Responder, number?]>([
    ["a server error", html(500)],
    ["two reset connections", (req) => void req.socket.destroy(), 2],
    ["too many requests", html(429)],
    ["200 with HTML", html(200)],
    ["404 with HTML", html(404)],
  ])(
    "(%s): the new one is saved, the request gets 503, and the next request works",
    async (_name, respond, times = 1) => {
      const { ask, later, tokens, provider, refreshes } = await logIn({ log: [/\(50[23]\)[:,]/] });
      const before = await tokens();
      await provider.rotateKeys(); // so that the known keys do not match
      provider.answerNext("/oauth2/jwks", respond, times);
      later(TOKEN_SECONDS);
      expect(await ask()).toMatchObject({ status: 503, retryAfter: "5" });
      const { refresh_token, ...others } = await tokens();
      expect({ ...others, refresh_token: before.refresh_token }).toEqual(before);
      expect(refresh_token).not.toBe(before.refresh_token);
      later(30);
      expect((await ask()).status).toBe(200);
      expect(refreshes().map((form) => form["refresh_token"])).toEqual([before.refresh_token, refresh_token]);
    },
  );

  test("requests get the access token while it is valid", async () => {
    const { ask, later, tokens, provider } = await logIn({ log: [/portal_failed/] });
    const { access_token } = await tokens();
    await provider.rotateKeys();
    provider.answerNext("/oauth2/jwks", html(500));
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
  });
});

test("a process that starts while the provider is down refreshes after it has recovered", async () => {
  const { url, inRequest, later, clock, tokens, provider } = await logIn({
    log: [/portal_unreachable/, /Two portalAuth/],
  });
  const before = await tokens();
  const restarted = portalAuth({
    ...getClientOptions({ provider, url }),
    profile: "tencent-ciam",
    clock,
  });
  const ask = () =>
    inRequest(async (req) => {
      // This process has not discovered the provider.
      await new Promise((next) => restarted(req, req.res as Response, next));
      return req.portal.accessToken();
    });
  later(TOKEN_SECONDS - 1);
  provider.goDown();
  expect(await ask()).toBe(before.access_token);
  later(1);
  await expect(ask()).rejects.toMatchObject({ code: "portal_unreachable", status: 503 });
  expect(await tokens()).toEqual(before);
  await provider.comeUp();
  later(30);
  expect(await ask()).not.toBe(before.access_token);
});

test("if the keys do not arrive in time, the rotated refresh token is saved", async () => {
  const { ask, later, tokens, provider, log } = await logIn({
    options: { httpTimeout: 60 },
    log: [/portal_timeout/],
  });
  const before = await tokens();
  await provider.rotateKeys();
  const keysRequested = createGate();
  provider.answerNext("/oauth2/jwks", () => keysRequested.open());
  later(TOKEN_SECONDS);
  fakeTimeouts();
  const response = ask();
  await keysRequested.opened;
  await vi.advanceTimersByTimeAsync(120_000); // twice the timeout
  vi.useRealTimers();
  expect(await response).toMatchObject({ status: 503, code: "portal_timeout" });
  expect(log.join()).toContain("the keys for the ID token did not arrive in time");
  expect((await tokens()).refresh_token).not.toBe(before.refresh_token);
});

describe("onTokens", () => {
  test("gets the merged tokens, the grant and the claims of a refresh, and its result is saved", async () => {
    const onTokens = vi.fn((tokens: TokenSet) => ({
      ...tokens,
      access_token: `changed ${tokens.access_token.length}`,
    }));
    const { ask, later, tokens, provider, me } = await logIn({ options: { hooks: { onTokens } } });
    const before = await tokens();
    provider.nextTokenResponse({ id_token: undefined, scope: undefined });
    later(TOKEN_SECONDS);
    const { access_token } = await ask();
    expect(access_token).toMatch(/^changed \d+$/);
    expect((await tokens()).access_token).toBe(access_token);
    const { claims } = await me();
    expect(onTokens).toHaveBeenCalledTimes(2);
    expect(onTokens).toHaveBeenLastCalledWith(
      {
        ...before,
        access_token: expect.stringMatching(/^eyJ/),
        refresh_token: expect.any(String),
        expires_at: expect.any(Number),
      },
      { req: expect.anything(), grant: "refresh_token", claims },
    );
  });

  test("is called once for 50 concurrent requests", async () => {
    const onTokens = vi.fn();
    const { ask, later } = await logIn({ options: { hooks: { onTokens } } });
    onTokens.mockClear();
    later(TOKEN_SECONDS);
    await Promise.all(Array.from({ length: 50 }, () => ask()));
    expect(onTokens).toHaveBeenCalledOnce();
  });

  test("is called before any new token is saved", async () => {
    const seen: unknown[] = [];
    const world = await logIn({
      options: {
        hooks: {
          onTokens: async (_tokens, { grant }) => {
            if (grant === "refresh_token") seen.push(await world.stored());
          },
        },
      },
    });
    const tokens = await world.tokens();
    world.later(TOKEN_SECONDS);
    await world.ask();
    expect(seen).toMatchObject([[{ tokens }]]);
  });

  test.each<[string, () => unknown]>([
    ["throws another error", () => fail(new Error("the database is down"))],
    ["returns something without an access token", () => ({ token: "x" })],
    [
      "returns an expires_at that is not a number",
      () => ({ access_token: "x", token_type: "x", expires_at: Number.NaN }),
    ],
    ["throws a PortalAuthError that does not end a login", () => fail(new PortalAuthError("portal_timeout"))],
  ])(
    "that %s keeps the session and the rotated refresh token, and the next refresh works one second later",
    async (_name, failInHook) => {
      let isBroken = false;
      const onTokens = () => (isBroken ? failInHook() : undefined) as never;
      const { ask, later, tokens, me, refreshes } = await logIn({
        options: { hooks: { onTokens } },
        log: [/hook_failed/, /portal_timeout/],
      });
      const before = await tokens();
      isBroken = true;
      later(TOKEN_SECONDS);
      const { status, code } = await ask();
      expect([
        [500, "hook_failed"],
        [503, "portal_timeout"],
      ]).toContainEqual([status, code]);
      expect((await me()).isAuthenticated).toBe(true);
      const { refresh_token, ...others } = await tokens();
      expect({ ...others, refresh_token: before.refresh_token }).toEqual(before);
      expect(refresh_token).not.toBe(before.refresh_token);
      isBroken = false;
      expect(await ask()).toMatchObject({ status, code });
      later(1);
      expect((await ask()).status).toBe(200);
      expect(refreshes().map((form) => form["refresh_token"])).toEqual([before.refresh_token, refresh_token]);
    },
  );

  test.each([
    ["never returns", () => new Promise<undefined>(() => {})],
    [
      "waits for req.portal.accessToken()",
      (_tokens: TokenSet, { req }: TokensContext) => req.portal.accessToken().then(() => undefined),
    ],
  ])("that %s fails after 20 seconds, and the rotated refresh token is saved", async (_name, hook) => {
    const onTokens = vi.fn();
    const { ask, later, tokens, log } = await logIn({
      options: { hooks: { onTokens } },
      log: [/hook_failed/],
    });
    const before = await tokens();
    const called = createGate();
    onTokens.mockImplementationOnce((...parameters) => {
      called.open();
      return hook(...(parameters as [TokenSet, TokensContext]));
    });
    later(TOKEN_SECONDS);
    fakeTimeouts();
    const response = ask();
    await called.opened;
    await vi.advanceTimersByTimeAsync(20_000);
    vi.useRealTimers();
    expect(await response).toMatchObject({ status: 500, code: "hook_failed" });
    expect(log.join()).toContain(
      "onTokens took more than 20 s; in onTokens, req.portal waits for these tokens",
    );
    expect((await tokens()).refresh_token).not.toBe(before.refresh_token);
    later(1);
    expect((await ask()).status).toBe(200);
  });

  test("that throws does not affect a request whose token is still valid", async () => {
    const onTokens = vi.fn();
    const { ask, later, tokens } = await logIn({ options: { hooks: { onTokens } }, log: [/hook_failed/] });
    const { access_token } = await tokens();
    onTokens.mockRejectedValueOnce(new Error("the database is down"));
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
  });

  test("that fails for one user does not stop the refreshes of other users", async () => {
    const onTokens = vi.fn();
    const { ask, later, another } = await logIn({ options: { hooks: { onTokens } }, log: [/hook_failed/] });
    const other = await another();
    later(TOKEN_SECONDS);
    onTokens.mockRejectedValueOnce(new Error("the database is down"));
    expect((await ask()).code).toBe("hook_failed");
    expect((await ask(other)).status).toBe(200);
  });

  test.each(SESSIONS)("that throws login_refused ends %s", async (_name, session) => {
    const onTokens = vi.fn();
    const { ask, asked, later, me, stored } = await logIn({ session, options: { hooks: { onTokens } } });
    onTokens.mockRejectedValueOnce(new PortalAuthError("login_refused", { sentence: "Members only." }));
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 403, code: "login_refused" });
    expect((await me()).isAuthenticated).toBe(false);
    expect(await stored()).toEqual([]);
    // No session has the new tokens.
    await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
  });

  test("may change expires_at, which then decides when tokens are refreshed", async () => {
    const onTokens = vi.fn();
    const { ask, later, tokens, refreshes } = await logIn({ options: { hooks: { onTokens } } });
    onTokens.mockImplementation((tokens: TokenSet) => ({
      ...tokens,
      expires_at: (tokens.expires_at ?? 0) + 1000,
    }));
    later(TOKEN_SECONDS);
    await ask();
    later(TOKEN_SECONDS + 900);
    expect(await ask()).toEqual({ status: 200, access_token: (await tokens()).access_token });
    expect(refreshes()).toHaveLength(1);
  });
});

function fail(error: Error): never {
  throw error;
}
