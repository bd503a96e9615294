import session from "express-session";
import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import type { LogoutContext, PortalAuthOptions } from "../../lib/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { IdTokenChanges, LogoutSubject } from "../../lib/testing/index.js";
import { holdNext, type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { startWorld } from "../support/world.js";
import { storedLogins } from "./under-way.js";

const PATH = "/backchannel-logout";
const AMARA = "amara-okafor";

interface Given {
  readonly session?: "app" | "ours";
  readonly options?: PortalAuthOptions;
  readonly log?: RegExp[];
}

const start = ({ options, ...given }: Given = {}) =>
  logIn({
    ...given,
    portal: { document: "full" },
    options: { profile: "openid", backchannelLogout: true, ...options },
  });

/** As the portal does it: no cookies, no browser. */
async function post(
  { url }: Pick<LoggedIn, "url">,
  form: URLSearchParams | string,
  type = "application/x-www-form-urlencoded",
) {
  const answer = await fetch(url + PATH, {
    method: "POST",
    body: String(form),
    headers: { "content-type": type },
  });
  return { status: answer.status, headers: answer.headers, body: await answer.text() };
}

const send = (world: LoggedIn, who: LogoutSubject, changes?: IdTokenChanges) =>
  post(world, new URLSearchParams({ logout_token: world.provider.logoutToken(who, changes) }));

const sidOf = async (world: LoggedIn, browser?: Browser) =>
  String(decodeJwt((await world.tokens(browser)).id_token ?? "")["sid"]);

const isIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

describe.each(SESSIONS)("%s:", (_name, session) => {
  test("a logout token for a person ends all of their sessions, in the store, and nobody else's", async () => {
    const onLogout = vi.fn();
    const world = await start({ session, options: { hooks: { onLogout } } });
    const [other, jonas] = [await world.another(), new Browser()];
    jonas.person = { sub: "jonas-weber" };
    await jonas.visit(`${world.url}/account`);
    const answer = await send(world, { sub: AMARA });
    expect([answer.status, answer.headers.get("cache-control"), answer.headers.get("set-cookie")]).toEqual([
      200,
      "no-store",
      null,
    ]);
    expect((await world.store.logins()).map(({ claims }) => claims.sub)).toEqual(["jonas-weber"]);
    expect([await isIn(world), await isIn(world, other), await isIn(world, jonas)]).toEqual([
      false,
      false,
      true,
    ]);
    await vi.waitFor(() => expect(onLogout).toHaveBeenCalledTimes(2));
    const told = onLogout.mock.calls.map(([context]) => context as LogoutContext);
    expect(told.map(({ reason, claims, req }) => [reason, claims.sub, req.path])).toEqual([
      ["backchannel", AMARA, PATH],
      ["backchannel", AMARA, PATH],
    ]);
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(2));
  });

  test.each([
    ["by sid alone", (sid: string) => ({ sid })],
    ["by sub and sid", (sid: string) => ({ sub: AMARA, sid })],
  ])(
    "one for a session at the portal (%s) ends what came of that, and no other of the person's",
    async (_how, who) => {
      const world = await start({ session });
      const other = await world.another();
      expect((await send(world, who(await sidOf(world, other)))).status).toBe(200);
      expect([await isIn(world), await isIn(world, other)]).toEqual([true, false]);
    },
  );

  test("a session's sub and another's sid end nothing", async () => {
    const world = await start({ session });
    const sid = await sidOf(world);
    expect((await send(world, { sub: "jonas-weber", sid })).status).toBe(200);
    expect(await isIn(world)).toBe(true);
  });

  test("sessions that do not say of which of the portal's they are end with each of them", async () => {
    const world = await startWithoutSid(session);
    expect((await send(world, { sub: AMARA, sid: "another" })).status).toBe(200);
    expect(await isIn(world)).toBe(false);
  });

  test("what onLogin keeps of the claims does not matter", async () => {
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
    expect(await isIn(world)).toBe(false);
  });

  test("a login that is under way when it comes is not begun", async () => {
    const world = await start({ session, log: [] });
    const browser = new Browser();
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const login = browser.visit(`${world.url}/account`);
    await held.arrived;
    expect((await send(world, { sub: AMARA })).status).toBe(200);
    held.letGo();
    const page = await login;
    expect([page.status, page.body.includes("login_ended")]).toEqual([401, true]);
    expect([await isIn(world, browser), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("nor is one of the portal's session that it speaks of, while another begins", async () => {
    const world = await start({ session });
    const browser = new Browser();
    const callback = await browser.loginUntilCallback(`${world.url}/account`);
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const finished = browser.navigate(callback, { site: "cross-site" });
    await held.arrived;
    const { sid } = decodeJwt(world.provider.issued.at(-2) ?? ""); // behind it comes the refresh token
    const aLittleBefore = { claims: { iat: now() - 5 } }; // by another of the portal's clocks
    expect((await send(world, { sid: String(sid) }, aLittleBefore)).status).toBe(200);
    held.letGo();
    expect((await finished).status).toBe(401);
    expect([await isIn(world, browser), await isIn(world)]).toEqual([false, true]);
  });

  test("somebody who signs in again afterwards is in", async () => {
    const world = await start({ session });
    await send(world, { sub: AMARA }, { claims: { iat: Math.floor(Date.now() / 1000) - 5 } });
    expect((await world.browser.visit(`${world.url}/account`)).status).toBe(200);
    expect(await isIn(world)).toBe(true);
  });

  test.each([
    ["not a login of which the portal has told long after", 40, true],
    ["one of which it has told a little later by its clock", 20, false],
  ])("that comes late ends %s", async (_which, seconds, stays) => {
    const world = await start({ session });
    expect((await send(world, { sub: AMARA }, { claims: { iat: now() - seconds } })).status).toBe(200);
    expect(await isIn(world)).toBe(stays);
  });

  test("the portal's own logout, and its console's, end the sessions of everybody whom it tells", async () => {
    const world = await startRegistered(session);
    const other = await world.another();
    await other.visit(`${world.provider.issuer}/logout`);
    expect([await isIn(world), await isIn(world, other)]).toEqual([true, false]);
    expect(await world.provider.logOut(AMARA)).toMatchObject([{ status: 200 }]);
    expect(await isIn(world)).toBe(false);
  });
});

async function startWithoutSid(session: "app" | "ours") {
  const world = await logIn({
    session,
    portal: { document: "full" },
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
    portal: { document: "full" },
    options: { profile: "openid", backchannelLogout: true },
  });
  world.provider.register({ backchannelLogoutUri: world.url + PATH });
  return world;
}

const now = () => Math.floor(Date.now() / 1000);

const REFUSED: [what: string, changes: IdTokenChanges, detail: RegExp][] = [
  ["signed by a stranger", { signedBy: "stranger" }, /signature/],
  ["not signed at all", { signedBy: "nobody" }, /signature/],
  ["of another issuer", { claims: { iss: "https://elsewhere.example" } }, /iss/],
  ["without an issuer", { claims: { iss: undefined } }, /iss/],
  ["for another client", { claims: { aud: "another" } }, /aud/],
  ["for nobody", { claims: { aud: undefined } }, /aud/],
  ["for a client by a part of its name", { claims: { aud: "demo-app-2 demo-app" } }, /aud/],
  ["for an object that cannot be text", { claims: { aud: { toString: null } } }, /aud/],
  ["issued in the future", { claims: { iat: now() + 3600 } }, /iat/],
  [
    "of days ago, though it says that it is good for years",
    { claims: { iat: now() - 90_000, exp: now() + 1e8 } },
    /exp/,
  ],
  ["without a time of issue", { claims: { iat: undefined } }, /iat/],
  ["whose time of issue is a text", { claims: { iat: String(now()) } }, /iat/],
  ["that has ended", { claims: { exp: now() - 3600 } }, /exp/],
  ["without exp, issued more than two minutes ago", { claims: { exp: undefined, iat: now() - 155 } }, /exp/],
  ["without exp and without iat", { claims: { exp: undefined, iat: undefined } }, /exp/],
  ["whose exp is null", { claims: { exp: null } }, /exp/],
  ["not valid yet", { claims: { nbf: now() + 3600 } }, /nbf/],
  ["without a jti", { claims: { jti: undefined } }, /jti/],
  ["with an empty jti", { claims: { jti: "" } }, /jti/],
  ["with a jti that is a number", { claims: { jti: 7 } }, /jti/],
  ["with a jti of a mile", { claims: { jti: "j".repeat(256) } }, /jti/],
  ["without events", { claims: { events: undefined } }, /events/],
  ["with other events", { claims: { events: { "http://schemas.openid.net/event/other": {} } } }, /events/],
  [
    "whose event is a text",
    { claims: { events: { "http://schemas.openid.net/event/backchannel-logout": "" } } },
    /events/,
  ],
  [
    "whose events are a list",
    { claims: { events: ["http://schemas.openid.net/event/backchannel-logout"] } },
    /events/,
  ],
  ["with a nonce, as an ID token has one", { claims: { nonce: "n" } }, /nonce/],
  ["with an empty nonce", { claims: { nonce: null } }, /nonce/],
  ["for neither a person nor a session", { claims: { sub: undefined } }, /neither sub nor sid/],
  ["for a list of people", { claims: { sub: ["amara-okafor"] } }, /sub/],
  ["for an empty person", { claims: { sub: "" } }, /sub/],
  ["for a session that is a number", { claims: { sid: 5 } }, /sid/],
  ["that is an access token by its type", { header: { typ: "at+jwt" } }, /typ/],
  ["with an extension that must be understood", { header: { crit: ["x"], x: 1 } }, /crit/],
];

describe("a logout token", () => {
  test.each(REFUSED)("%s is refused with 400, and nobody is logged out", async (_what, changes, detail) => {
    const world = await start({ log: [/logout_token_invalid/] });
    const answer = await send(world, { sub: AMARA }, changes);
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([400, "no-store"]);
    expect(JSON.parse(answer.body)).toEqual({
      error: "invalid_request",
      error_description: expect.stringMatching(detail),
    });
    expect(world.log.at(-1)).toMatch(detail);
    expect(await isIn(world)).toBe(true);
  });

  test.each([
    ["without a type", { header: { typ: undefined } }],
    ["of the type JWT", { header: { typ: "JWT" } }],
    ["of the type in full", { header: { typ: "application/logout+jwt" } }],
    ["for several clients, ours among them", { claims: { aud: ["another", "demo-app"] } }],
    [
      "whose event says more",
      { claims: { events: { "http://schemas.openid.net/event/backchannel-logout": { a: 1 } } } },
    ],
    ["by a clock that is a little ahead", { claims: { iat: now() + 20, exp: now() + 140 } }],
    ["without exp (Hydra, Glewlwyd)", { claims: { exp: undefined } }],
  ])("%s is as good", async (_what, changes) => {
    const world = await start();
    expect((await send(world, { sub: AMARA }, changes)).status).toBe(200);
    expect(await isIn(world)).toBe(false);
  });

  test("is good once, also among many at the same moment", async () => {
    const world = await start({ log: [/seen before/] });
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(world, form)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400]);
    world.later(11);
    expect((await post(world, form)).status).toBe(400);
  });

  test("is good once", async () => {
    const world = await start({ log: [/seen before/] });
    const form = new URLSearchParams({
      logout_token: world.provider.logoutToken({ sub: AMARA }, { claims: { iat: now() - 10 } }),
    });
    expect((await post(world, form)).status).toBe(200);
    await world.browser.visit(`${world.url}/account`);
    expect((await post(world, form)).status).toBe(400);
    expect(await isIn(world)).toBe(true);
  });

  test("without exp is good for two minutes", async () => {
    const world = await start();
    const changes = { claims: { exp: undefined, iat: now() - 110 } };
    expect((await send(world, { sub: AMARA }, changes)).status).toBe(200);
  });

  test("without exp is good once, too", async () => {
    const world = await start({ log: [/seen before/] });
    const changes = { claims: { exp: undefined, iat: now() - 10 } };
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }, changes) });
    expect((await post(world, form)).status).toBe(200);
    await world.browser.visit(`${world.url}/account`);
    expect((await post(world, form)).status).toBe(400);
    expect(await isIn(world)).toBe(true);
  });

  test("that could not be obeyed, as the store was away, is good a second time", async () => {
    const world = await start({ log: [/session_store_failed/] });
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    const remove = world.store.remove.bind(world.store);
    const removing = vi.spyOn(world.store, "remove").mockImplementation(async (key, ...more) => {
      if (key.startsWith("s:")) throw new Error("the store is away");
      return remove(key, ...more);
    });
    const answer = await post(world, form);
    removing.mockRestore();
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([400, "temporarily_unavailable"]);
    expect((await post(world, form)).status).toBe(200);
    expect(await isIn(world)).toBe(false);
  });

  test("that could be obeyed in part revokes the tokens of what has ended, and is good a second time", async () => {
    const onLogout = vi.fn((_context: LogoutContext) => {});
    const world = await start({ options: { hooks: { onLogout } }, log: [/session_store_failed/] });
    const phone = await world.another();
    const { refresh_token: own } = await world.tokens();
    const { refresh_token: ofPhone } = await world.tokens(phone);
    const stays = (await world.stored()).find(({ tokens }) => tokens.refresh_token === own);
    const remove = world.store.remove.bind(world.store);
    const removing = vi.spyOn(world.store, "remove").mockImplementation(async (key, ...more) => {
      if (key === `s:${stays?.session_id}`) throw new Error("the store is away");
      return remove(key, ...more);
    });
    const ended = () => onLogout.mock.calls.map(([{ tokens }]) => tokens.refresh_token);
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    expect((await post(world, form)).status).toBe(400);
    removing.mockRestore();
    await vi.waitFor(() => expect(ended()).toEqual([ofPhone]));
    expect([await isIn(world), await isIn(world, phone)]).toEqual([true, false]);
    expect((await post(world, form)).status).toBe(200);
    await vi.waitFor(() => expect(ended()).toEqual([ofPhone, own]));
    const revoked = () =>
      world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
    await vi.waitFor(() => expect(revoked()).toEqual([ofPhone, own]));
  });

  test("that the store could not free either is good again after ten seconds", async () => {
    const world = await start({ log: [/session_store_failed/, /seen before/] });
    const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    const remove = vi.spyOn(world.store, "remove").mockRejectedValue(new Error("the store is away"));
    expect((await post(world, form)).status).toBe(400);
    remove.mockRestore();
    world.later(9);
    expect((await post(world, form)).status).toBe(400);
    world.later(2);
    expect((await post(world, form)).status).toBe(200);
    expect(await isIn(world)).toBe(false);
  });

  test("by a key that the portal has only just made is verified: its keys are fetched anew", async () => {
    const world = await start();
    await send(world, { sub: "nobody" });
    await world.provider.rotateKeys();
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 31_000);
    const answer = await send(world, { sub: AMARA });
    clock.mockRestore();
    expect([answer.status, await isIn(world)]).toEqual([200, false]);
  });

  test("of a stranger cannot have the portal asked for its keys again and again", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    await send(world, { sub: "nobody" });
    const before = world.asked("/oauth2/jwks").length;
    for (const kid of ["a", "b", "c"])
      await send(world, { sub: AMARA }, { signedBy: "stranger", header: { kid } });
    for (let n = 0; n < 3; n += 1) await send(world, { sub: AMARA }, { signedBy: "stranger" });
    expect(world.asked("/oauth2/jwks").length - before).toBe(0);
  });

  test("nor while the keys fail: then once in five seconds", async () => {
    const world = await start({ log: [/portal_failed/, /logout_token_invalid.*VERIFICATION_FAILED/] });
    const fetches = () => world.asked("/oauth2/jwks").length;
    const before = fetches();
    for (let n = 0; n < 2; n += 1)
      world.provider.answerNext("/oauth2/jwks", (_req, res) => res.writeHead(500).end());
    const halfAMinuteLater = performance.now() + 31_000;
    const now = vi.spyOn(performance, "now");
    const statusAfter = async (seconds: number, changes: object = { signedBy: "stranger" }) => {
      now.mockReturnValue(halfAMinuteLater + seconds * 1000);
      return (await send(world, { sub: AMARA }, changes)).status;
    };
    expect([await statusAfter(0), await statusAfter(2), await statusAfter(4.9), fetches() - before]).toEqual([
      400, 400, 400, 1,
    ]);
    expect([await statusAfter(5.1), await statusAfter(9), fetches() - before]).toEqual([400, 400, 2]);
    expect([await statusAfter(11, {}), fetches() - before]).toEqual([200, 2]); // the old keys still verify it
    expect([await statusAfter(12), fetches() - before]).toEqual([400, 3]);
    now.mockRestore();
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(1)); // behind the answer
  });
});

describe("what is no logout token", () => {
  test.each([
    ["nothing", ""],
    ["an empty token", "logout_token="],
    ["no JWT", "logout_token=abc"],
    ["a JWE", "logout_token=a.b.c.d.e"],
    ["two of them", "logout_token=a&logout_token=b"],
    ["over 64 KiB", `logout_token=${"a".repeat(65 * 1024)}`],
  ])("%s: 400", async (_what, form) => {
    const world = await start({ log: [/logout_token_invalid/] });
    const answer = await post(world, form);
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([400, "no-store"]);
  });

  test("JSON: 400", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    const body = JSON.stringify({ logout_token: world.provider.logoutToken({ sub: AMARA }) });
    expect((await post(world, body, "application/json")).status).toBe(400);
    expect(await isIn(world)).toBe(true);
  });

  test("the person's own ID token: 400", async () => {
    const world = await start({ log: [/logout_token_invalid/] });
    const { id_token = "" } = await world.tokens();
    expect((await post(world, new URLSearchParams({ logout_token: id_token }))).status).toBe(400);
    expect(await isIn(world)).toBe(true);
  });
});

test("where back-channel logout is not switched on the route is not ours", async () => {
  const { url, browser } = await startWorld();
  expect((await browser.fetch(url + PATH, { method: "POST" })).status).toBe(404);
});

test.each(["GET", "HEAD"])(
  "who looks by %s whether it is there sees that it is, for who posts",
  async (method) => {
    const { url, browser } = await startWorld({ options: { backchannelLogout: true } });
    const { status, headers } = await browser.fetch(url + PATH, { method });
    expect([status, headers["allow"], headers["set-cookie"]]).toEqual([405, "POST", undefined]);
  },
);

test("PORTAL_BACKCHANNEL_LOGOUT=on switches it on, and routes.backchannelLogout puts it elsewhere", async () => {
  vi.stubEnv("PORTAL_BACKCHANNEL_LOGOUT", "on");
  const { url, browser } = await startWorld({
    options: { routes: { backchannelLogout: "/oidc/logged-out" } },
    log: [/logout_token_invalid/],
  });
  vi.unstubAllEnvs();
  const ask = (path: string) => browser.fetch(url + path, { method: "POST", form: {} });
  expect([(await ask("/oidc/logged-out")).status, (await ask(PATH)).status]).toEqual([400, 404]);
});

test("an app that makes a session for everybody makes none for the portal", async () => {
  const store = new session.MemoryStore();
  const everybody = session({ store, secret: "s", resave: false, saveUninitialized: true });
  const world = await startWorld({
    portal: { document: "full" },
    options: {
      profile: "openid",
      backchannelLogout: true,
      frontchannelLogout: true,
      store: createMemoryStore(),
    },
    before: (app) => app.use(everybody),
  });
  const form = new URLSearchParams({ logout_token: world.provider.logoutToken({ sub: "nobody" }) });
  const answer = await post(world, form);
  const frame = await fetch(
    `${world.url}/frontchannel-logout?${new URLSearchParams({ iss: world.provider.issuer, sid: "x" })}`,
  );
  expect([answer.status, answer.headers.get("set-cookie")]).toEqual([200, null]);
  expect([frame.status, frame.headers.get("set-cookie")]).toEqual([200, null]);
  expect(Object(store).sessions).toEqual({});
});
