import { describe, expect, test, vi } from "vitest";
import type { PortalAuthOptions } from "../../lib/index.js";
import type { Responder } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { fakeTimeouts } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";
import { holdNext, html, json, LEEWAY_SECONDS, logIn, SESSIONS, TOKEN_SECONDS } from "./signed-in-request.js";

describe("a token that is valid for longer than the leeway", () => {
  test("is returned without a request to the provider", async () => {
    const { ask, tokens, provider, later } = await logIn();
    const { access_token } = await tokens();
    const requestsBefore = provider.requests.length;
    for (const seconds of [0, 100, TOKEN_SECONDS - LEEWAY_SECONDS - 101]) {
      later(seconds);
      expect(await ask()).toEqual({ status: 200, access_token });
    }
    expect(provider.requests).toHaveLength(requestsBefore);
  });

  test.each<[string, PortalAuthOptions, number, boolean]>([
    ["a second before the leeway", {}, 269, false],
    ["at the leeway", {}, 270, true],
    ["after its expiry", {}, 301, true],
    ["long after its expiry", {}, 80_000, true],
    ["a second before the leeway of an option", { refreshLeeway: 60 }, 239, false],
    ["at the leeway of an option", { refreshLeeway: 60 }, 240, true],
    ["a second before its expiry, without a leeway", { refreshLeeway: 0 }, 299, false],
    ["at its expiry, without a leeway", { refreshLeeway: 0 }, 300, true],
  ])("is refreshed at the leeway, and not before: %s", async (_name, options, seconds, isRefreshed) => {
    const { ask, tokens, later, refreshes } = await logIn({ options });
    const before = await tokens();
    later(seconds);
    const { status, access_token } = await ask();
    expect([status, access_token !== before.access_token]).toEqual([200, isRefreshed]);
    expect(refreshes()).toHaveLength(isRefreshed ? 1 : 0);
  });
});

describe("a token with a lifetime shorter than the leeway", () => {
  test("is refreshed after half of its lifetime, and not at every call", async () => {
    const { ask, later, refreshes } = await logIn({ provider: { accessTokenSeconds: 20 } });
    const counts: number[] = [];
    for (const seconds of [0, 9, 1, 0, 9, 1, 0]) {
      later(seconds);
      expect((await ask()).status).toBe(200);
      counts.push(refreshes().length);
    }
    expect(counts).toEqual([0, 0, 1, 1, 1, 2, 2]);
  });
});

test("a token without an expiry is returned until the session ends", async () => {
  const { browser, url, ask, tokens, provider, later, refreshes } = await logIn();
  provider.nextTokenResponse({ expires_in: undefined });
  await browser.visit(`${url}/login`, { site: "same-origin" });
  const { access_token, expires_at } = await tokens();
  expect(expires_at).toBeUndefined();
  later(80_000);
  expect(await ask()).toEqual({ status: 200, access_token });
  expect(refreshes()).toEqual([]);
});

describe("without a refresh token", () => {
  const logInWithoutRefreshToken = async () => {
    const world = await logIn();
    world.provider.nextTokenResponse({ refresh_token: undefined });
    await world.browser.visit(`${world.url}/login`, { site: "same-origin" });
    return { ...world, requestsBefore: world.provider.requests.length };
  };

  test("a token is returned until it expires, also within the leeway", async () => {
    const { ask, tokens, later, provider, requestsBefore } = await logInWithoutRefreshToken();
    const { access_token } = await tokens();
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
    expect(provider.requests).toHaveLength(requestsBefore);
  });

  test("an expired token causes 401 token_expired, and the user stays signed in", async () => {
    const { ask, later, me, provider, requestsBefore } = await logInWithoutRefreshToken();
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 401, code: "token_expired" });
    expect((await me()).isAuthenticated).toBe(true);
    expect(provider.requests).toHaveLength(requestsBefore);
  });

  test("also if the refresh token was removed after this request had loaded it", async () => {
    const { inRequest, later, store, provider } = await logIn();
    const requestsBefore = provider.requests.length;
    later(TOKEN_SECONDS);
    const accessToken = inRequest(async (req) => {
      await store.changeLogin(req.session.portal?.login_id, (record) => {
        const { refresh_token: _, ...tokens } = record.tokens;
        return { ...record, tokens };
      });
      return req.portal.accessToken();
    });
    await expect(accessToken).rejects.toMatchObject({ code: "token_expired", status: 401 });
    expect(provider.requests).toHaveLength(requestsBefore);
  });
});

test("tokens() returns the stored tokens, and does not refresh them", async () => {
  const { tokens, later, refreshes } = await logIn();
  const before = await tokens();
  later(TOKEN_SECONDS + 1);
  expect(await tokens()).toEqual(before);
  expect(refreshes()).toEqual([]);
});

test("without a signed-in user: 401 login_required, and no request to the provider", async () => {
  const { ask, provider } = await logIn();
  const requestsBefore = provider.requests.length;
  expect(await ask(new Browser())).toEqual({ status: 401, code: "login_required" });
  expect(provider.requests).toHaveLength(requestsBefore);
});

describe.each(SESSIONS)("%s", (_name, session) => {
  test("200 concurrent requests cause one refresh, and all get the new token", async () => {
    const { ask, later, tokens, refreshes } = await logIn({ session });
    const before = await tokens();
    later(TOKEN_SECONDS);
    const responses = await Promise.all(Array.from({ length: 200 }, () => ask()));
    const received = new Set(responses.map(({ access_token }) => access_token));
    expect(refreshes()).toHaveLength(1);
    expect(received).toEqual(new Set([(await tokens()).access_token]));
    expect(received).not.toContain(before.access_token);
  });

  test("200 requests that have loaded the old tokens cause one refresh, one after the other", async () => {
    const { inRequest, later, tokens, refreshes } = await logIn({ session });
    later(TOKEN_SECONDS);
    const gates = Array.from({ length: 200 }, createGate);
    let waiting = 0;
    const allWait = createGate();
    const calls = gates.map(({ opened }) =>
      inRequest(async ({ portal }) => {
        waiting += 1;
        if (waiting === gates.length) allWait.open();
        await opened;
        return portal.accessToken();
      }),
    );
    await allWait.opened;
    const received = new Set<string>();
    for (const [index, { open }] of gates.entries()) {
      open();
      received.add((await calls[index]) ?? "");
    }
    expect(refreshes()).toHaveLength(1);
    expect(received).toEqual(new Set([(await tokens()).access_token]));
  });

  test("tokens() returns the new tokens in the same request and in the next one", async () => {
    const { inRequest, later, tokens } = await logIn({ session });
    later(TOKEN_SECONDS);
    const [refreshed, stored] = await inRequest(async ({ portal }) => [
      await portal.accessToken(),
      (await portal.tokens())?.access_token,
    ]);
    expect(stored).toBe(refreshed);
    expect((await tokens()).access_token).toBe(refreshed);
  });

  test("other data in the session stay after a refresh", async () => {
    const { inRequest, later, ask } = await logIn({ session });
    await inRequest(async (req) => Object.assign(req.session, { colour: "green" }));
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(200);
    expect(await inRequest(async (req) => req.session)).toMatchObject({ colour: "green" });
  });
});

describe.each(SESSIONS)("a refresh token that the provider permanently refuses ends %s", (_name, session) => {
  test.each([
    "invalid_grant",
    "interaction_required",
    "login_required",
    "consent_required",
    "account_selection_required",
  ])("%s: 401 refresh_refused, an empty store, and a redirect to the login", async (error) => {
    const { ask, later, browser, url, me, stored, provider } = await logIn({
      session,
      log: [/refresh_refused/],
    });
    provider.answerNext("/oauth2/token", json(400, { error }));
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
    expect((await me()).isAuthenticated).toBe(false);
    expect(await ask()).toEqual({ status: 401, code: "login_required" });
    const page = await browser.navigate(`${url}/account`);
    expect([page.status, page.headers.location?.startsWith(`${provider.issuer}/oauth2/authorize?`)]).toEqual([
      302,
      true,
    ]);
  });

  test("also within the leeway, before the access token expires", async () => {
    const { ask, later, stored, provider } = await logIn({ session, log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
  });

  test("already in the request that needed the token", async () => {
    const { inRequest, later, provider } = await logIn({ session, log: [/refresh_refused/] });
    provider.removeUser("amara-okafor");
    later(TOKEN_SECONDS);
    const state = await inRequest(async (req) => {
      const code = await req.portal.accessToken().catch((error) => error.code);
      return [code, req.portal.isAuthenticated, req.portal.claims, await req.portal.tokens()];
    });
    expect(state).toEqual(["refresh_refused", false, undefined, undefined]);
  });

  test("and no other session", async () => {
    const { ask, later, another, provider, stored } = await logIn({ session, log: [/refresh_refused/] });
    const other = await another();
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(401);
    expect((await ask(other)).status).toBe(200);
    expect(await stored()).toHaveLength(1);
  });

  test("with the same response to all concurrent requests, after one request to the provider", async () => {
    const { ask, later, provider, refreshes } = await logIn({ session, log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS);
    const responses = await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([401]));
    expect(refreshes()).toHaveLength(1);
  });
});

/** Responses of providers to an expired refresh token, other than `invalid_grant`. */
const UNCLEAR_REFUSALS: [name: string, respond: Responder][] = [
  ["Dex: invalid_request", json(400, { error: "invalid_request" })],
  ["Glewlwyd: no body", (_req, res) => void res.writeHead(400).end()],
  ["access_denied", json(400, { error: "access_denied" })],
  ["JSON without an error", json(400, { message: "no such token" })],
  [
    "plain text",
    (_req, res) => void res.writeHead(400, { "content-type": "text/plain" }).end("no such token"),
  ],
  ["an error with the name constructor", json(400, { error: "constructor" })],
];

describe.each(UNCLEAR_REFUSALS)("a 400 that names no problem of the client (%s)", (_name, respond) => {
  const log = [/(refresh|token)_refused/];

  test("ends the session once the access token has expired", async () => {
    const { ask, later, me, stored, provider, log: lines } = await logIn({ log });
    provider.answerNext("/oauth2/token", respond);
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
    expect((await me()).isAuthenticated).toBe(false);
    expect(lines.filter((line) => /refresh_refused \(401\).*refresh answered 400/.test(line))).toHaveLength(
      1,
    );
  });

  test("ends no session until the access token expires, then only that user's session", async () => {
    const { ask, later, another, tokens, stored, provider } = await logIn({ log });
    const other = await another();
    const { access_token } = await tokens();
    provider.answerNext("/oauth2/token", respond);
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
    expect((await ask(other)).status).toBe(200);
    expect(await stored()).toHaveLength(2);
    later(2);
    provider.answerNext("/oauth2/token", respond);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect((await ask(other)).status).toBe(200);
    expect(await stored()).toHaveLength(1);
  });
});

describe("a failure of the provider does not end the session", () => {
  const neverRespond = () => {};
  test.each<[string, string, Responder]>([
    ["a reset connection", "portal_unreachable", (req) => void req.socket.destroy()],
    ["an unknown error", "portal_failed", json(500, { error: "oops" })],
    ["502 with HTML", "portal_failed", html(502)],
    ["too many requests", "portal_failed", json(429, { error: "slow_down" })],
    ["server_error with 400", "portal_failed", json(400, { error: "server_error" })],
    ["temporarily_unavailable", "portal_failed", json(400, { error: "temporarily_unavailable" })],
    ["no response", "portal_timeout", neverRespond],
    ["invalid_client", "refresh_failed", json(401, { error: "invalid_client" })],
    ["a wrong secret at Keycloak", "refresh_failed", json(401, { error: "unauthorized_client" })],
    ["a wrong secret at Auth0", "refresh_failed", json(403, { error: "access_denied" })],
    ["a wrong secret at Glewlwyd", "refresh_failed", (_req, res) => void res.writeHead(403).end()],
    ["a 401 without a body", "refresh_failed", (_req, res) => void res.writeHead(401).end()],
    ["unsupported_grant_type", "refresh_failed", json(400, { error: "unsupported_grant_type" })],
    ["unauthorized_client", "refresh_failed", json(400, { error: "unauthorized_client" })],
    ["invalid_client with 400", "refresh_failed", json(400, { error: "invalid_client" })],
    ["400 with HTML, from a server in front of the provider", "refresh_failed", html(400)],
    ["invalid_request with 403", "refresh_failed", json(403, { error: "invalid_request" })],
    ...["invalid_scope", "invalid_target", "invalid_dpop_proof", "use_dpop_nonce", "slow_down"].map(
      (error): [string, string, Responder] => [error, "refresh_failed", json(400, { error })],
    ),
    [
      "JSON that is cut off",
      "refresh_failed",
      (_req, res) => void res.writeHead(200, JSON_TYPE).end('{"access_tok'),
    ],
    ["200 with HTML", "refresh_failed", html(200)],
    [
      "a redirect",
      "refresh_failed",
      (_req, res) => void res.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    ],
    ["a response without an access token", "refresh_failed", json(200, { token_type: "Bearer" })],
    ["a token of another type", "refresh_failed", json(200, { access_token: "x", token_type: "DPoP" })],
  ])(
    "%s: the token until it expires, then 503 %s, and a new token after the provider has recovered",
    async (_name, code, respond) => {
      const { ask, later, me, tokens, provider, refreshes } = await logIn({
        log: [/\((400|401|403|500|502|503)\)[:,]/],
      });
      const before = await tokens();
      provider.answerNext("/oauth2/token", respond === neverRespond ? abortOnRequest() : respond, 2);
      later(TOKEN_SECONDS - 1);
      expect(await ask()).toEqual({ status: 200, access_token: before.access_token });
      later(1);
      expect(await ask()).toEqual({ status: 503, code, retryAfter: "5" });
      expect((await me()).isAuthenticated).toBe(true);
      expect(await tokens()).toEqual(before);
      later(30);
      const { status, access_token } = await ask();
      expect([status, access_token === before.access_token]).toEqual([200, false]);
      expect(refreshes()).toHaveLength(3);
    },
  );

  test("an unreachable provider that recovers", async () => {
    const { ask, later, me, tokens, provider } = await logIn({ log: [/portal_unreachable/] });
    const { access_token } = await tokens();
    provider.goDown();
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
    later(1);
    expect(await ask()).toEqual({ status: 503, code: "portal_unreachable", retryAfter: "5" });
    expect((await me()).isAuthenticated).toBe(true);
    await provider.comeUp();
    later(30);
    expect((await ask()).status).toBe(200);
  });

  test("Express's own error handler responds with 503 and Retry-After", async () => {
    const { browser, url, later, provider } = await logIn({
      log: [/portal_unreachable/],
      after: (app) =>
        app.get("/test/plain", async (req, res) => void res.send(await req.portal.accessToken())),
    });
    provider.goDown();
    later(TOKEN_SECONDS);
    const { status, headers } = await browser.fetch(`${url}/test/plain`);
    expect([status, headers["retry-after"]]).toEqual([503, "5"]);
  });
});

describe("a slow provider", () => {
  const MAX_WAIT_MS = 2000;

  test("delays a request with a valid token for 2 s at most, and the new tokens are saved", async () => {
    const { ask, later, tokens, provider, refreshes, me } = await logIn();
    const before = await tokens();
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    fakeTimeouts();
    let hasResponded = false;
    const first = ask().finally(() => {
      hasResponded = true;
    });
    await arrived;
    vi.advanceTimersByTime(MAX_WAIT_MS - 1);
    await me(); // so long as another request takes
    expect(hasResponded).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await first).toEqual({ status: 200, access_token: before.access_token });
    vi.useRealTimers();
    const second = ask(); // joins the running refresh
    letGo();
    expect((await second).access_token).not.toBe(before.access_token);
    expect((await tokens()).access_token).toBe((await second).access_token);
    expect(refreshes()).toHaveLength(1);
  });

  test("does not delay later requests: their two seconds count from the start of the refresh", async () => {
    const { ask, later, tokens, provider } = await logIn();
    const { access_token } = await tokens();
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    const first = ask();
    await arrived;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + MAX_WAIT_MS);
    expect(await ask()).toEqual({ status: 200, access_token });
    letGo();
    expect((await first).access_token).not.toBe(access_token);
  });

  test("delays a request for longer if its token expires meanwhile", async () => {
    const { ask, later, tokens, provider, me } = await logIn();
    const before = await tokens();
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    fakeTimeouts();
    const pending = ask();
    await arrived;
    later(2);
    vi.advanceTimersByTime(MAX_WAIT_MS);
    await me();
    letGo();
    const { status, access_token } = await pending;
    await ask(); // waits for the running refresh
    expect([status, access_token === before.access_token]).toEqual([200, false]);
  });

  test("has twice the timeout for a refresh, and no refresh token is sent twice", async () => {
    const options = { httpTimeout: 2 };
    const { ask, later, tokens, stored, provider, refreshes } = await logIn({
      options,
      log: [/portal_timeout/],
    });
    const before = await tokens();
    later(TOKEN_SECONDS);
    const { letGo } = holdNext(provider, "/oauth2/token");
    const timeout = { status: 503, code: "portal_timeout", retryAfter: "5" };
    expect(await ask()).toEqual(timeout);
    expect(await ask()).toEqual(timeout); // at once, and without a second refresh
    letGo();
    await vi.waitFor(async () => expect((await stored())[0]?.version).toBe(2));
    const { status, access_token } = await ask();
    expect([status, access_token === before.access_token]).toEqual([200, false]);
    expect(refreshes()).toHaveLength(1);
  });

  test("that never responds gets the next refresh after twice the timeout", async () => {
    const { ask, later, provider, refreshes, log } = await logIn({
      options: { httpTimeout: 0.3 },
      log: [/portal_timeout/],
    });
    later(TOKEN_SECONDS);
    provider.answerNext("/oauth2/token", () => {});
    expect(await ask()).toMatchObject({ status: 503, code: "portal_timeout" });
    later(2); // the pause after a failure
    await vi.waitFor(async () => expect((await ask()).status).toBe(200), { timeout: 5000 });
    expect(refreshes()).toHaveLength(2);
    expect(log.join().match(/portal_timeout \(/g)).toHaveLength(1);
  });

  test("that fails in the end causes a 503 if the token has expired meanwhile", async () => {
    const { ask, later, provider } = await logIn({ log: [/portal_failed/] });
    later(TOKEN_SECONDS - 1);
    provider.answerNext("/oauth2/token", (req, res) => {
      later(1);
      html(500)(req, res);
    });
    expect(await ask()).toEqual({ status: 503, code: "portal_failed", retryAfter: "5" });
  });

  test("delays a request with an expired token until it responds", async () => {
    const { ask, later, tokens, provider, me } = await logIn();
    const before = await tokens();
    later(TOKEN_SECONDS);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    fakeTimeouts();
    let hasResponded = false;
    const pending = ask().finally(() => {
      hasResponded = true;
    });
    await arrived;
    vi.advanceTimersByTime(9000);
    await me();
    expect(hasResponded).toBe(false);
    letGo();
    const { status, access_token } = await pending;
    expect([status, access_token === before.access_token]).toEqual([200, false]);
  });

  test("that refuses the refresh token in the end ends the session for the next request", async () => {
    const { ask, later, provider, stored } = await logIn({ log: [/refresh_refused/] });
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    provider.removeUser("amara-okafor");
    fakeTimeouts();
    const first = ask();
    await arrived;
    vi.advanceTimersByTime(MAX_WAIT_MS);
    expect((await first).status).toBe(200);
    vi.useRealTimers();
    const second = ask();
    letGo();
    expect(await second).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
  });
});

test.each(SESSIONS)("a failed store causes 503 and does not end %s", async (_name, session) => {
  const { inRequest, later, store, ask } = await logIn({ session });
  later(TOKEN_SECONDS);
  const accessToken = inRequest(async ({ portal }) => {
    store.fail();
    return portal.accessToken().finally(() => store.recover());
  });
  await expect(accessToken).rejects.toMatchObject({ code: "session_store_failed", status: 503 });
  expect((await ask()).status).toBe(200);
});

const JSON_TYPE = { "content-type": "application/json" };

/** Creates a provider that does not respond, and ends the timeout when it gets the request. */
function abortOnRequest(): Responder {
  let controller = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
    controller = new AbortController();
    return controller.signal;
  });
  return () => controller.abort(new DOMException("", "TimeoutError"));
}
