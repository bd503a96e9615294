import { describe, expect, test, vi } from "vitest";
import type { PortalAuthOptions } from "../../lib/index.js";
import type { Responder } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { fakeTimeouts } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";
import { holdNext, html, json, LEEWAY_SECONDS, logIn, SESSIONS, TOKEN_SECONDS } from "./signed-in-request.js";

describe("a token that is good for the leeway", () => {
  test("is handed out without a request to the portal", async () => {
    const { ask, tokens, provider, later } = await logIn();
    const { access_token } = await tokens();
    const asked = provider.requests.length;
    for (const seconds of [0, 100, TOKEN_SECONDS - LEEWAY_SECONDS - 101]) {
      later(seconds);
      expect(await ask()).toEqual({ status: 200, access_token });
    }
    expect(provider.requests).toHaveLength(asked);
  });

  test.each<[string, PortalAuthOptions, number, boolean]>([
    ["a second before the leeway", {}, 269, false],
    ["at the leeway", {}, 270, true],
    ["after its end", {}, 301, true],
    ["long after its end", {}, 80_000, true],
    ["a second before the leeway of an option", { refreshLeeway: 60 }, 239, false],
    ["at the leeway of an option", { refreshLeeway: 60 }, 240, true],
    ["a second before its end, without a leeway", { refreshLeeway: 0 }, 299, false],
    ["at its end, without a leeway", { refreshLeeway: 0 }, 300, true],
  ])("ends in time: %s", async (_name, options, seconds, isRefreshed) => {
    const { ask, tokens, later, refreshes } = await logIn({ options });
    const before = await tokens();
    later(seconds);
    const { status, access_token } = await ask();
    expect([status, access_token !== before.access_token]).toEqual([200, isRefreshed]);
    expect(refreshes()).toHaveLength(isRefreshed ? 1 : 0);
  });
});

describe("a portal whose tokens live shorter than the leeway", () => {
  test("is asked after half their life, and not at every call", async () => {
    const { ask, later, refreshes } = await logIn({ portal: { accessTokenSeconds: 20 } });
    const counts: number[] = [];
    for (const seconds of [0, 9, 1, 0, 9, 1, 0]) {
      later(seconds);
      expect((await ask()).status).toBe(200);
      counts.push(refreshes().length);
    }
    expect(counts).toEqual([0, 0, 1, 1, 1, 2, 2]);
  });
});

test("a token that says nothing of its end is handed out for as long as the session lasts", async () => {
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
  const logInWithout = async () => {
    const world = await logIn();
    world.provider.nextTokenResponse({ refresh_token: undefined });
    await world.browser.visit(`${world.url}/login`, { site: "same-origin" });
    return { ...world, asked: world.provider.requests.length };
  };

  test("a token is handed out while it is good, though it be for less than the leeway", async () => {
    const { ask, tokens, later, provider, asked } = await logInWithout();
    const { access_token } = await tokens();
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
    expect(provider.requests).toHaveLength(asked);
  });

  test("its end is told as 401 token_expired, and the person stays logged in", async () => {
    const { ask, later, me, provider, asked } = await logInWithout();
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 401, code: "token_expired" });
    expect((await me()).isAuthenticated).toBe(true);
    expect(provider.requests).toHaveLength(asked);
  });

  test("the same holds when this request has loaded one that is stored no more", async () => {
    const { inRequest, later, store, provider } = await logIn();
    const asked = provider.requests.length;
    later(TOKEN_SECONDS);
    const asking = inRequest(async (req) => {
      await store.changeLogin(req.session.portal?.login_id, (record) => {
        const { refresh_token: _, ...tokens } = record.tokens;
        return { ...record, tokens };
      });
      return req.portal.accessToken();
    });
    await expect(asking).rejects.toMatchObject({ code: "token_expired", status: 401 });
    expect(provider.requests).toHaveLength(asked);
  });
});

test("tokens() shows what is stored, and never refreshes", async () => {
  const { tokens, later, refreshes } = await logIn();
  const before = await tokens();
  later(TOKEN_SECONDS + 1);
  expect(await tokens()).toEqual(before);
  expect(refreshes()).toEqual([]);
});

test("who is not logged in gets 401 login_required, and the portal is left alone", async () => {
  const { ask, provider } = await logIn();
  const asked = provider.requests.length;
  expect(await ask(new Browser())).toEqual({ status: 401, code: "login_required" });
  expect(provider.requests).toHaveLength(asked);
});

describe.each(SESSIONS)("%s", (_name, session) => {
  test("200 requests at once cause one refresh, and all get the new token", async () => {
    const { ask, later, tokens, refreshes } = await logIn({ session });
    const before = await tokens();
    later(TOKEN_SECONDS);
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask()));
    const given = new Set(answers.map(({ access_token }) => access_token));
    expect(refreshes()).toHaveLength(1);
    expect(given).toEqual(new Set([(await tokens()).access_token]));
    expect(given).not.toContain(before.access_token);
  });

  test("200 requests that loaded the old tokens, and ask one after the other, cause one refresh", async () => {
    const { inRequest, later, tokens, refreshes } = await logIn({ session });
    later(TOKEN_SECONDS);
    const gates = Array.from({ length: 200 }, createGate);
    let waiting = 0;
    const all = createGate();
    const asking = gates.map(({ opened }) =>
      inRequest(async ({ portal }) => {
        waiting += 1;
        if (waiting === gates.length) all.open();
        await opened;
        return portal.accessToken();
      }),
    );
    await all.opened;
    const given = new Set<string>();
    for (const [index, { open }] of gates.entries()) {
      open();
      given.add((await asking[index]) ?? "");
    }
    expect(refreshes()).toHaveLength(1);
    expect(given).toEqual(new Set([(await tokens()).access_token]));
  });

  test("the request that refreshed sees the new tokens at once, and so does the next", async () => {
    const { inRequest, later, tokens } = await logIn({ session });
    later(TOKEN_SECONDS);
    const [given, seen] = await inRequest(async ({ portal }) => [
      await portal.accessToken(),
      (await portal.tokens())?.access_token,
    ]);
    expect(seen).toBe(given);
    expect((await tokens()).access_token).toBe(given);
  });

  test("a session with which the app does other things keeps them through a refresh", async () => {
    const { inRequest, later, ask } = await logIn({ session });
    await inRequest(async (req) => Object.assign(req.session, { colour: "green" }));
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(200);
    expect(await inRequest(async (req) => req.session)).toMatchObject({ colour: "green" });
  });
});

describe.each(SESSIONS)("a refresh token that the portal refuses for good ends %s", (_name, session) => {
  test.each([
    "invalid_grant",
    "interaction_required",
    "login_required",
    "consent_required",
    "account_selection_required",
  ])("%s: 401 refresh_refused, an empty store, and the way to the login", async (error) => {
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

  test("within the leeway as well: a login that is over is not lived out", async () => {
    const { ask, later, stored, provider } = await logIn({ session, log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
  });

  test("for the request that asked, too", async () => {
    const { inRequest, later, provider } = await logIn({ session, log: [/refresh_refused/] });
    provider.removeUser("amara-okafor");
    later(TOKEN_SECONDS);
    const seen = await inRequest(async (req) => {
      const code = await req.portal.accessToken().catch((error) => error.code);
      return [code, req.portal.isAuthenticated, req.portal.claims, await req.portal.tokens()];
    });
    expect(seen).toEqual(["refresh_refused", false, undefined, undefined]);
  });

  test("and no other", async () => {
    const { ask, later, another, provider, stored } = await logIn({ session, log: [/refresh_refused/] });
    const other = await another();
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS);
    expect((await ask()).status).toBe(401);
    expect((await ask(other)).status).toBe(200);
    expect(await stored()).toHaveLength(1);
  });

  test("all that asked at once are told the same, and the portal is asked once", async () => {
    const { ask, later, provider, refreshes } = await logIn({ session, log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(refreshes()).toHaveLength(1);
  });
});

/** What providers answer to a dead refresh token instead of `invalid_grant`. */
const UNCLEAR_REFUSALS: [name: string, answer: Responder][] = [
  ["Dex: invalid_request", json(400, { error: "invalid_request" })],
  ["Glewlwyd: no body", (_req, res) => void res.writeHead(400).end()],
  ["access_denied", json(400, { error: "access_denied" })],
  ["JSON without an error", json(400, { message: "no such token" })],
  [
    "plain text",
    (_req, res) => void res.writeHead(400, { "content-type": "text/plain" }).end("no such token"),
  ],
  ["an error that is called constructor", json(400, { error: "constructor" })],
];

describe.each(UNCLEAR_REFUSALS)("a 400 that names no problem of the client (%s)", (_name, answer) => {
  const log = [/(refresh|token)_refused/];

  test("ends the session once the access token has expired", async () => {
    const { ask, later, me, stored, provider, log: lines } = await logIn({ log });
    provider.answerNext("/oauth2/token", answer);
    later(TOKEN_SECONDS);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
    expect((await me()).isAuthenticated).toBe(false);
    expect(lines.filter((line) => /refresh_refused \(401\).*refresh answered 400/.test(line))).toHaveLength(
      1,
    );
  });

  test("ends nothing while the access token is valid, and the session of that user alone afterwards", async () => {
    const { ask, later, another, tokens, stored, provider } = await logIn({ log });
    const other = await another();
    const { access_token } = await tokens();
    provider.answerNext("/oauth2/token", answer);
    later(TOKEN_SECONDS - 1);
    expect(await ask()).toEqual({ status: 200, access_token });
    expect((await ask(other)).status).toBe(200);
    expect(await stored()).toHaveLength(2);
    later(2);
    provider.answerNext("/oauth2/token", answer);
    expect(await ask()).toEqual({ status: 401, code: "refresh_refused" });
    expect((await ask(other)).status).toBe(200);
    expect(await stored()).toHaveLength(1);
  });
});

describe("trouble with the portal logs nobody out", () => {
  const silence = () => {};
  test.each<[string, string, Responder]>([
    ["a connection that is cut", "portal_unreachable", (req) => void req.socket.destroy()],
    ["an error of its own", "portal_failed", json(500, { error: "oops" })],
    ["a gateway's page", "portal_failed", html(502)],
    ["too many requests", "portal_failed", json(429, { error: "slow_down" })],
    ["server_error with 400", "portal_failed", json(400, { error: "server_error" })],
    ["temporarily_unavailable", "portal_failed", json(400, { error: "temporarily_unavailable" })],
    ["silence", "portal_timeout", silence],
    ["invalid_client", "refresh_failed", json(401, { error: "invalid_client" })],
    ["a wrong secret at Keycloak", "refresh_failed", json(401, { error: "unauthorized_client" })],
    ["a wrong secret at Auth0", "refresh_failed", json(403, { error: "access_denied" })],
    ["a wrong secret at Glewlwyd", "refresh_failed", (_req, res) => void res.writeHead(403).end()],
    ["a 401 without a body", "refresh_failed", (_req, res) => void res.writeHead(401).end()],
    ["unsupported_grant_type", "refresh_failed", json(400, { error: "unsupported_grant_type" })],
    ["unauthorized_client", "refresh_failed", json(400, { error: "unauthorized_client" })],
    ["invalid_client with 400", "refresh_failed", json(400, { error: "invalid_client" })],
    ["a page with 400, of something in front of the provider", "refresh_failed", html(400)],
    ["invalid_request with 403", "refresh_failed", json(403, { error: "invalid_request" })],
    ...["invalid_scope", "invalid_target", "invalid_dpop_proof", "use_dpop_nonce", "slow_down"].map(
      (error): [string, string, Responder] => [error, "refresh_failed", json(400, { error })],
    ),
    [
      "JSON that is cut off",
      "refresh_failed",
      (_req, res) => void res.writeHead(200, JSON_TYPE).end('{"access_tok'),
    ],
    ["a page with 200", "refresh_failed", html(200)],
    [
      "a redirect",
      "refresh_failed",
      (_req, res) => void res.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    ],
    ["an answer without an access token", "refresh_failed", json(200, { token_type: "Bearer" })],
    ["a token of another type", "refresh_failed", json(200, { access_token: "x", token_type: "DPoP" })],
  ])(
    "%s: the token while it is good, then 503 %s, and a new one when the portal is well",
    async (_name, code, answer) => {
      const { ask, later, me, tokens, provider, refreshes } = await logIn({
        log: [/\((400|401|403|500|502|503)\)[:,]/],
      });
      const before = await tokens();
      provider.answerNext("/oauth2/token", answer === silence ? giveUpWhenAsked() : answer, 2);
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

  test("a portal that is gone, and comes back", async () => {
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

  test("in Express's own error handling the answer is a 503 with Retry-After as well", async () => {
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

describe("a portal that is slow", () => {
  const PATIENCE_MS = 2000;

  test("keeps nobody waiting for longer than two seconds whose token is good, and its answer is kept", async () => {
    const { ask, later, tokens, provider, refreshes, me } = await logIn();
    const before = await tokens();
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    fakeTimeouts();
    let answered = false;
    const first = ask().finally(() => {
      answered = true;
    });
    await arrived;
    vi.advanceTimersByTime(PATIENCE_MS - 1);
    await me(); // a whole request later
    expect(answered).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await first).toEqual({ status: 200, access_token: before.access_token });
    vi.useRealTimers();
    const second = ask(); // joins what is under way
    letGo();
    expect((await second).access_token).not.toBe(before.access_token);
    expect((await tokens()).access_token).toBe((await second).access_token);
    expect(refreshes()).toHaveLength(1);
  });

  test("delays later requests no more: their two seconds count from the beginning of the refresh", async () => {
    const { ask, later, tokens, provider } = await logIn();
    const { access_token } = await tokens();
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    const first = ask();
    await arrived;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + PATIENCE_MS);
    expect(await ask()).toEqual({ status: 200, access_token });
    letGo();
    expect((await first).access_token).not.toBe(access_token);
  });

  test("is waited for when the token ends meanwhile", async () => {
    const { ask, later, tokens, provider, me } = await logIn();
    const before = await tokens();
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    fakeTimeouts();
    const asking = ask();
    await arrived;
    later(2);
    vi.advanceTimersByTime(PATIENCE_MS);
    await me();
    letGo();
    const { status, access_token } = await asking;
    await ask(); // whatever is under way is done then
    expect([status, access_token === before.access_token]).toEqual([200, false]);
  });

  test("is waited for twice as long as requests wait: the answer is kept, and no refresh token is sent twice", async () => {
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

  test("that never answers is asked again after twice that time", async () => {
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

  test("and fails at last is a 503 when the token has ended meanwhile", async () => {
    const { ask, later, provider } = await logIn({ log: [/portal_failed/] });
    later(TOKEN_SECONDS - 1);
    provider.answerNext("/oauth2/token", (req, res) => {
      later(1);
      html(500)(req, res);
    });
    expect(await ask()).toEqual({ status: 503, code: "portal_failed", retryAfter: "5" });
  });

  test("is waited for when the token has ended", async () => {
    const { ask, later, tokens, provider, me } = await logIn();
    const before = await tokens();
    later(TOKEN_SECONDS);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    fakeTimeouts();
    let answered = false;
    const asking = ask().finally(() => {
      answered = true;
    });
    await arrived;
    vi.advanceTimersByTime(9000);
    await me();
    expect(answered).toBe(false);
    letGo();
    const { status, access_token } = await asking;
    expect([status, access_token === before.access_token]).toEqual([200, false]);
  });

  test("whose answer is a refusal after all ends the session for the next request", async () => {
    const { ask, later, provider, stored } = await logIn({ log: [/refresh_refused/] });
    later(TOKEN_SECONDS - 1);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    provider.removeUser("amara-okafor");
    fakeTimeouts();
    const first = ask();
    await arrived;
    vi.advanceTimersByTime(PATIENCE_MS);
    expect((await first).status).toBe(200);
    vi.useRealTimers();
    const second = ask();
    letGo();
    expect(await second).toEqual({ status: 401, code: "refresh_refused" });
    expect(await stored()).toEqual([]);
  });
});

test.each(SESSIONS)(
  "a store that fails under %s is told as 503, and logs nobody out",
  async (_name, session) => {
    const { inRequest, later, store, ask } = await logIn({ session });
    later(TOKEN_SECONDS);
    const asking = inRequest(async ({ portal }) => {
      store.fail();
      return portal.accessToken().finally(() => store.recover());
    });
    await expect(asking).rejects.toMatchObject({ code: "session_store_failed", status: 503 });
    expect((await ask()).status).toBe(200);
  },
);

const JSON_TYPE = { "content-type": "application/json" };

/** The portal gets a request and says nothing, and at that moment the time to wait for it is over. */
function giveUpWhenAsked(): Responder {
  let giving = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
    giving = new AbortController();
    return giving.signal;
  });
  return () => giving.abort(new DOMException("", "TimeoutError"));
}
