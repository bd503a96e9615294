import session from "express-session";
import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import type { LogoutContext, PortalAuthOptions } from "../../lib/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { IdTokenChanges, LogoutSubject } from "../../lib/testing/index.js";
import { holdNext, type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { startWorld } from "../support/world.js";
import { countStoredLogins } from "./under-way.js";

const PATH = "/backchannel-logout";
const AMARA = "amara-okafor";

interface Options {
  readonly session?: "app" | "ours";
  readonly options?: PortalAuthOptions;
  readonly log?: RegExp[];
}

const start = ({ options, ...worldOptions }: Options = {}) =>
  logIn({
    ...worldOptions,
    provider: { document: "full" },
    options: { profile: "openid", backchannelLogout: true, ...options },
  });

/** Posts a form as the provider does: without a browser and cookies. */
async function post(
  { url }: Pick<LoggedIn, "url">,
  form: URLSearchParams | string,
  type = "application/x-www-form-urlencoded",
) {
  const response = await fetch(url + PATH, {
    method: "POST",
    body: String(form),
    headers: { "content-type": type },
  });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

const send = (world: LoggedIn, subject: LogoutSubject, changes?: IdTokenChanges) =>
  post(world, new URLSearchParams({ logout_token: world.provider.logoutToken(subject, changes) }));

const sidOf = async (world: LoggedIn, browser?: Browser) =>
  String(decodeJwt((await world.tokens(browser)).id_token ?? "")["sid"]);

const isSignedIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

describe.each(SESSIONS)("%s:", (_name, session) => {
  test("a logout token for a user ends all sessions of that user in the store, and no others", async () => {
    const onLogout = vi.fn();
    const world = await start({ session, options: { hooks: { onLogout } } });
    const other = await world.another();
    const jonas = new Browser();
    jonas.user = { sub: "jonas-weber" };
    await jonas.visit(`${world.url}/account`);
    const response = await send(world, { sub: AMARA });
    expect([
      response.status,
      response.headers.get("cache-control"),
      response.headers.get("set-cookie"),
    ]).toEqual([200, "no-store", null]);
    expect((await world.store.logins()).map(({ claims }) => claims.sub)).toEqual(["jonas-weber"]);
    expect([await isSignedIn(world), await isSignedIn(world, other), await isSignedIn(world, jonas)]).toEqual(
      [false, false, true],
    );
    await vi.waitFor(() => expect(onLogout).toHaveBeenCalledTimes(2));
    const contexts = onLogout.mock.calls.map(([context]) => context as LogoutContext);
    expect(contexts.map(({ reason, claims, req }) => [reason, claims.sub, req.path])).toEqual([
      ["backchannel", AMARA, PATH],
      ["backchannel", AMARA, PATH],
    ]);
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(2));
  });

  test.each([
    ["sid only", (sid: string) => ({ sid })],
    ["sub and sid", (sid: string) => ({ sub: AMARA, sid })],
  ])(
    "a logout token with %s ends only the sessions of that session at the provider",
    async (_how, createSubject) => {
      const world = await start({ session });
      const other = await world.another();
      expect((await send(world, createSubject(await sidOf(world, other)))).status).toBe(200);
      expect([await isSignedIn(world), await isSignedIn(world, other)]).toEqual([true, false]);
    },
  );

  test("a logout token with the sub of another user and a sid ends no session", async () => {
    const world = await start({ session });
    const sid = await sidOf(world);
    expect((await send(world, { sub: "jonas-weber", sid })).status).toBe(200);
    expect(await isSignedIn(world)).toBe(true);
  });

  test("a session without sid ends with any session of the same user at the provider", async () => {
    const world = await startWithoutSid(session);
    expect((await send(world, { sub: AMARA, sid: "another" })).status).toBe(200);
    expect(await isSignedIn(world)).toBe(false);
  });

  test("a session is found by its sid, also if onLogin removes that claim", async () => {
    const world = await start({
      session,
      options: {
        hooks: {
          onLogin(context) {
            context.claims = { sub: context.claims.sub };
          },
        },
      },
    });
    const { claims } = await world.me();
    expect(claims).toEqual({ sub: AMARA });
    expect((await send(world, { sid: await sidOf(world) })).status).toBe(200);
    expect(await isSignedIn(world)).toBe(false);
  });

  test("a login in progress fails if the logout token arrives before its end", async () => {
    const world = await start({ session, log: [] });
    const browser = new Browser();
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const login = browser.visit(`${world.url}/account`);
    await held.arrived;
    expect((await send(world, { sub: AMARA })).status).toBe(200);
    held.letGo();
    const page = await login;
    expect([page.status, page.body.includes("login_ended")]).toEqual([401, true]);
    expect([await isSignedIn(world, browser), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a login in progress fails if the logout token has its sid, and other sessions stay", async () => {
    const world = await start({ session });
    const browser = new Browser();
    const callback = await browser.loginUntilCallback(`${world.url}/account`);
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const finished = browser.navigate(callback, { site: "cross-site" });
    await held.arrived;
    const { sid } = decodeJwt(world.provider.issued.at(-2) ?? ""); // the last token is the refresh token
    const issuedEarlier = { claims: { iat: now() - 5 } }; // another server of the provider has a slower clock
    expect((await send(world, { sid: String(sid) }, issuedEarlier)).status).toBe(200);
    held.letGo();
    expect((await finished).status).toBe(401);
    expect([await isSignedIn(world, browser), await isSignedIn(world)]).toEqual([false, true]);
  });

  test("a user can sign in again after the logout", async () => {
    const world = await start({ session });
    await send(world, { sub: AMARA }, { claims: { iat: Math.floor(Date.now() / 1000) - 5 } });
    expect((await world.browser.visit(`${world.url}/account`)).status).toBe(200);
    expect(await isSignedIn(world)).toBe(true);
  });

  test.each([
    ["40 s before a login does not end it", 40, true],
    ["20 s before a login ends it, because the clocks may differ", 20, false],
  ])("a logout token that was issued %s", async (_which, seconds, stays) => {
    const world = await start({ session });
    expect((await send(world, { sub: AMARA }, { claims: { iat: now() - seconds } })).status).toBe(200);
    expect(await isSignedIn(world)).toBe(stays);
  });

  test("a logout at the provider by the user or by an administrator ends the sessions here", async () => {
    const world = await startRegistered(session);
    const other = await world.another();
    await other.visit(`${world.provider.issuer}/logout`);
    expect([await isSignedIn(world), await isSignedIn(world, other)]).toEqual([true, false]);
    expect(await world.provider.logOut(AMARA)).toMatchObject([{ status: 200 }]);
    expect(await isSignedIn(world)).toBe(false);
  });
});

async function startWithoutSid(session: "app" | "ours") {
  const world = await logIn({
    session,
    provider: { document: "full" },
    options: { profile: "openid", backchannelLogout: true },
  });
  world.provider.nextIdToken({ claims: { sid: undefined } });
  await world.browser.visit(`${world.url}/logout`, { site: "same-origin" });
  await world.browser.visit(`${world.url}/account`);
  return world;
}

async function startRegistered(session: "app" | "ours") {
  const world = await logIn({
    session,
    provider: { document: "full" },
    options: { profile: "openid", backchannelLogout: true },
  });
  world.provider.register({ backchannelLogoutUri: world.url + PATH });
  return world;
}

const now = () => Math.floor(Date.now() / 1000);

const REJECTED: [description: string, changes: IdTokenChanges, detail: RegExp][] = [
  ["signed with another key", { signedBy: "stranger" }, /signature/],
  ["not signed", { signedBy: "nobody" }, /signature/],
  ["of another issuer", { claims: { iss: "https://elsewhere.example" } }, /iss/],
  ["without an issuer", { claims: { iss: undefined } }, /iss/],
  ["for another client", { claims: { aud: "another" } }, /aud/],
  ["without an audience", { claims: { aud: undefined } }, /aud/],
  ["whose audience is a list in one string", { claims: { aud: "demo-app-2 demo-app" } }, /aud/],
  ["whose audience is an object", { claims: { aud: { toString: null } } }, /aud/],
  ["issued in the future", { claims: { iat: now() + 3600 } }, /iat/],
  [
    "issued days ago, although its exp is years ahead",
    { claims: { iat: now() - 90_000, exp: now() + 1e8 } },
    /exp/,
  ],
  ["without a time of issue", { claims: { iat: undefined } }, /iat/],
  ["whose time of issue is a string", { claims: { iat: String(now()) } }, /iat/],
  ["that has expired", { claims: { exp: now() - 3600 } }, /exp/],
  ["without exp, issued more than two minutes ago", { claims: { exp: undefined, iat: now() - 155 } }, /exp/],
  ["without exp and without iat", { claims: { exp: undefined, iat: undefined } }, /exp/],
  ["whose exp is null", { claims: { exp: null } }, /exp/],
  ["not valid yet", { claims: { nbf: now() + 3600 } }, /nbf/],
  ["without a jti", { claims: { jti: undefined } }, /jti/],
  ["with an empty jti", { claims: { jti: "" } }, /jti/],
  ["with a jti that is a number", { claims: { jti: 7 } }, /jti/],
  ["with a jti over 255 characters", { claims: { jti: "j".repeat(256) } }, /jti/],
  ["without events", { claims: { events: undefined } }, /events/],
  ["with other events", { claims: { events: { "http://schemas.openid.net/event/other": {} } } }, /events/],
  [
    "whose event is a string",
    { claims: { events: { "http://schemas.openid.net/event/backchannel-logout": "" } } },
    /events/,
  ],
  [
    "whose events are a list",
    { claims: { events: ["http://schemas.openid.net/event/backchannel-logout"] } },
    /events/,
  ],
  ["with a nonce, as in an ID token", { claims: { nonce: "n" } }, /nonce/],
  ["whose nonce is null", { claims: { nonce: null } }, /nonce/],
  ["without sub and sid", { claims: { sub: undefined } }, /neither sub nor sid/],
  ["whose sub is a list", { claims: { sub: ["amara-okafor"] } }, /sub/],
  ["whose sub is empty", { claims: { sub: "" } }, /sub/],
  ["whose sid is a number", { claims: { sid: 5 } }, /sid/],
  ["with the type of an access token", { header: { typ: "at+jwt" } }, /typ/],
  ["with a critical extension (crit)", { header: { crit: ["x"], x: 1 } }, /crit/],
];

describe("a logout token", () => {
  test.each(REJECTED)("%s is rejected with 400, and no session ends", async (_what, changes, detail) => {
    const world = await start({ log: [/logout_token_invalid/] });
    const response = await send(world, { sub: AMARA }, changes);
    expect([response.status, response.headers.get("cache-control")]).toEqual([400, "no-store"]);
    expect(JSON.parse(response.body)).toEqual({
      error: "invalid_request",
      error_description: expect.stringMatching(detail),
    });
    expect(world.log.at(-1)).toMatch(detail);
    expect(await isSignedIn(world)).toBe(true);
  });

  test.each([
    ["without a type", { header: { typ: undefined } }],
    ["of the type JWT", { header: { typ: "JWT" } }],
    ["with the full media type", { header: { typ: "application/logout+jwt" } }],
    ["for several clients, including this one,", { claims: { aud: ["another", "demo-app"] } }],
    [
      "whose event has members",
      { claims: { events: { "http://schemas.openid.net/event/backchannel-logout": { a: 1 } } } },
    ],
    ["issued 20 s in the future", { claims: { iat: now() + 20, exp: now() + 140 } }],
    ["without exp (Hydra, Glewlwyd)", { claims: { exp: undefined } }],
  ])("%s is accepted", async (_what, changes) => {
    const world = await start();
    expect((await send(world, { sub: AMARA }, changes)).status).toBe(200);
    expect(await isSignedIn(world)).toBe(false);
  });

  test("is accepted once among several requests at the same moment", async () => {
    const world = await start({ log: [/seen before/] });
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    const responses = await Promise.all(Array.from({ length: 5 }, () => post(world, form)));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400]);
    world.later(11);
    expect((await post(world, form)).status).toBe(400);
  });

  test("is accepted once, also after a new login", async () => {
    const world = await start({ log: [/seen before/] });
    const form = new URLSearchParams({
      logout_token: world.provider.logoutToken({ sub: AMARA }, { claims: { iat: now() - 10 } }),
    });
    expect((await post(world, form)).status).toBe(200);
    await world.browser.visit(`${world.url}/account`);
    expect((await post(world, form)).status).toBe(400);
    expect(await isSignedIn(world)).toBe(true);
  });

  test("without exp is accepted for two minutes", async () => {
    const world = await start();
    const changes = { claims: { exp: undefined, iat: now() - 110 } };
    expect((await send(world, { sub: AMARA }, changes)).status).toBe(200);
  });

  test("without exp is accepted once", async () => {
    const world = await start({ log: [/seen before/] });
    const changes = { claims: { exp: undefined, iat: now() - 10 } };
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }, changes) });
    expect((await post(world, form)).status).toBe(200);
    await world.browser.visit(`${world.url}/account`);
    expect((await post(world, form)).status).toBe(400);
    expect(await isSignedIn(world)).toBe(true);
  });

  test("is accepted a second time if the store failed the first time", async () => {
    const world = await start({ log: [/session_store_failed/] });
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    const remove = world.store.remove.bind(world.store);
    const removing = vi.spyOn(world.store, "remove").mockImplementation(async (key, ...more) => {
      if (key.startsWith("s:")) throw new Error("the store is away");
      return remove(key, ...more);
    });
    const response = await post(world, form);
    removing.mockRestore();
    expect([response.status, JSON.parse(response.body).error]).toEqual([400, "temporarily_unavailable"]);
    expect((await post(world, form)).status).toBe(200);
    expect(await isSignedIn(world)).toBe(false);
  });

  test("that ended only some sessions revokes their tokens, and is accepted a second time", async () => {
    const onLogout = vi.fn((_context: LogoutContext) => {});
    const world = await start({ options: { hooks: { onLogout } }, log: [/session_store_failed/] });
    const phone = await world.another();
    const { refresh_token: ownToken } = await world.tokens();
    const { refresh_token: phoneToken } = await world.tokens(phone);
    const remaining = (await world.stored()).find(({ tokens }) => tokens.refresh_token === ownToken);
    const remove = world.store.remove.bind(world.store);
    const removing = vi.spyOn(world.store, "remove").mockImplementation(async (key, ...more) => {
      if (key === `s:${remaining?.session_id}`) throw new Error("the store is away");
      return remove(key, ...more);
    });
    const ended = () => onLogout.mock.calls.map(([{ tokens }]) => tokens.refresh_token);
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    expect((await post(world, form)).status).toBe(400);
    removing.mockRestore();
    await vi.waitFor(() => expect(ended()).toEqual([phoneToken]));
    expect([await isSignedIn(world), await isSignedIn(world, phone)]).toEqual([true, false]);
    expect((await post(world, form)).status).toBe(200);
    await vi.waitFor(() => expect(ended()).toEqual([phoneToken, ownToken]));
    const revoked = () =>
      world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
    await vi.waitFor(() => expect(revoked()).toEqual([phoneToken, ownToken]));
  });

  test("is accepted again after ten seconds if the store could not release it", async () => {
    const world = await start({ log: [/session_store_failed/, /seen before/] });
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    const remove = vi.spyOn(world.store, "remove").mockRejectedValue(new Error("the store is away"));
    expect((await post(world, form)).status).toBe(400);
    remove.mockRestore();
    world.later(9);
    expect((await post(world, form)).status).toBe(400);
    world.later(2);
    expect((await post(world, form)).status).toBe(200);
    expect(await isSignedIn(world)).toBe(false);
  });

  test("signed with a new key of the provider is accepted, because the keys are fetched again", async () => {
    const world = await start();
    await send(world, { sub: "nobody" });
    await world.provider.rotateKeys();
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 31_000);
    const response = await send(world, { sub: AMARA });
    clock.mockRestore();
    expect([response.status, await isSignedIn(world)]).toEqual([200, false]);
  });

  test("from an attacker does not cause repeated requests for the provider's keys", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    await send(world, { sub: "nobody" });
    const before = world.asked("/oauth2/jwks").length;
    for (const kid of ["a", "b", "c"])
      await send(world, { sub: AMARA }, { signedBy: "stranger", header: { kid } });
    for (let n = 0; n < 3; n += 1) await send(world, { sub: AMARA }, { signedBy: "stranger" });
    expect(world.asked("/oauth2/jwks").length - before).toBe(0);
  });

  test("from an attacker causes one request in five seconds if the keys cannot be fetched", async () => {
    const world = await start({ log: [/portal_failed/, /logout_token_invalid.*VERIFICATION_FAILED/] });
    const fetches = () => world.asked("/oauth2/jwks").length;
    const before = fetches();
    for (let n = 0; n < 2; n += 1)
      world.provider.answerNext("/oauth2/jwks", (_req, res) => res.writeHead(500).end());
    const startMs = performance.now() + 31_000; // keys are fetched at most every 30 s
    const now = vi.spyOn(performance, "now");
    const statusAfter = async (seconds: number, changes: object = { signedBy: "stranger" }) => {
      now.mockReturnValue(startMs + seconds * 1000);
      return (await send(world, { sub: AMARA }, changes)).status;
    };
    expect([await statusAfter(0), await statusAfter(2), await statusAfter(4.9), fetches() - before]).toEqual([
      400, 400, 400, 1,
    ]);
    expect([await statusAfter(5.1), await statusAfter(9), fetches() - before]).toEqual([400, 400, 2]);
    expect([await statusAfter(11, {}), fetches() - before]).toEqual([200, 2]); // the old keys still verify it
    expect([await statusAfter(12), fetches() - before]).toEqual([400, 3]);
    now.mockRestore();
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(1)); // after the response
  });
});

describe("a body without a valid logout token is rejected:", () => {
  test.each([
    ["nothing", ""],
    ["an empty token", "logout_token="],
    ["text that is not a JWT", "logout_token=abc"],
    ["a JWE", "logout_token=a.b.c.d.e"],
    ["two tokens", "logout_token=a&logout_token=b"],
    ["over 64 KiB", `logout_token=${"a".repeat(65 * 1024)}`],
  ])("%s", async (_what, form) => {
    const world = await start({ log: [/logout_token_invalid/] });
    const response = await post(world, form);
    expect([response.status, response.headers.get("cache-control")]).toEqual([400, "no-store"]);
  });

  test("JSON", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    const body = JSON.stringify({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    expect((await post(world, body, "application/json")).status).toBe(400);
    expect(await isSignedIn(world)).toBe(true);
  });

  test("the user's ID token", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    const { id_token = "" } = await world.tokens();
    expect((await post(world, new URLSearchParams({ logout_token: id_token }))).status).toBe(400);
    expect(await isSignedIn(world)).toBe(true);
  });
});

test("without the option backchannelLogout the route does not exist", async () => {
  const { url, browser } = await startWorld();
  expect((await browser.fetch(url + PATH, { method: "POST" })).status).toBe(404);
});

test.each(["GET", "HEAD"])("%s at the route gets 405 with Allow: POST", async (method) => {
  const { url, browser } = await startWorld({ options: { backchannelLogout: true } });
  const { status, headers } = await browser.fetch(url + PATH, { method });
  expect([status, headers["allow"], headers["set-cookie"]]).toEqual([405, "POST", undefined]);
});

test("PORTAL_BACKCHANNEL_LOGOUT enables the route, routes.backchannelLogout sets its path", async () => {
  vi.stubEnv("PORTAL_BACKCHANNEL_LOGOUT", "on");
  const { url, browser } = await startWorld({
    options: { routes: { backchannelLogout: "/oidc/logged-out" } },
    log: [/logout_token_invalid/],
  });
  vi.unstubAllEnvs();
  const postTo = (path: string) => browser.fetch(url + path, { method: "POST", form: {} });
  expect([(await postTo("/oidc/logged-out")).status, (await postTo(PATH)).status]).toEqual([400, 404]);
});

test("an application that creates a session for each visitor creates none for the provider", async () => {
  const store = new session.MemoryStore();
  const createForEachVisitor = session({ store, secret: "s", resave: false, saveUninitialized: true });
  const world = await startWorld({
    provider: { document: "full" },
    options: {
      profile: "openid",
      backchannelLogout: true,
      frontchannelLogout: true,
      store: createMemoryStore(),
    },
    before: (app) => app.use(createForEachVisitor),
  });
  const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: "nobody" }) });
  const response = await post(world, form);
  const frame = await fetch(
    `${world.url}/frontchannel-logout?${new URLSearchParams({ iss: world.provider.issuer, sid: "x" })}`,
  );
  expect([response.status, response.headers.get("set-cookie")]).toEqual([200, null]);
  expect([frame.status, frame.headers.get("set-cookie")]).toEqual([200, null]);
  expect(Object(store).sessions).toEqual({});
});
