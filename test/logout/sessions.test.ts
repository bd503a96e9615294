import type { Express, Request, RequestHandler } from "express";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import {
  type LogoutContext,
  type PortalAuthOptions,
  portalAuth,
  requireAuth,
  type SessionInfo,
} from "../../lib/index.js";
import { holdNext, type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { getClientOptions, startWorld } from "../support/world.js";
import { countStoredLogins, pauseRequest, saveSession } from "./under-way.js";

const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0";
const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "Version/17.4 Mobile/15E148 Safari/604.1";

const list = (world: LoggedIn, browser?: Browser): Promise<SessionInfo[]> =>
  world.inRequest((req) => req.portal.sessions(), browser);

const end = (world: LoggedIn, id: string, browser?: Browser): Promise<boolean> =>
  world.inRequest((req) => req.portal.endSession(id), browser);

async function signedIn({ url }: LoggedIn, { sub = "amara-okafor", userAgent = "" } = {}): Promise<Browser> {
  const browser = new Browser();
  browser.user = { sub };
  await browser.visit(`${url}/account`, { headers: { "user-agent": userAgent } });
  return browser;
}

const isSignedIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

/** Adds a route of the application that ends all sessions of the user. */
const addLogoutRoute = (app: Express) =>
  app.post("/test/leave", (req, res) => {
    req.res = res;
    return req.portal.logout({ everywhere: true });
  });

const logOutEverywhere = ({ url, browser }: LoggedIn, userBrowser = browser) =>
  userBrowser.fetch(`${url}/test/leave`, { method: "POST" });

describe.each(SESSIONS)("%s:", (_name, owner) => {
  const start = (options: PortalAuthOptions = {}, log: RegExp[] = []) =>
    logIn({ session: owner, options, after: addLogoutRoute, log });

  test("the list shows the start, last use and device of each session, and the current one", async () => {
    const world = await start();
    const startSeconds = Math.floor(world.clock() / 1000);
    world.later(60);
    await signedIn(world, { userAgent: FIREFOX });
    world.later(60);
    const phone = await signedIn(world, { userAgent: IPHONE });
    const sessions = await list(world, phone);
    expect(
      sessions.map(({ device, is_current }) => [device.browser, device.os, device.type, is_current]),
    ).toEqual([
      ["Safari", "iOS", "mobile", true],
      ["Firefox", "Windows", "desktop", false],
      [undefined, undefined, undefined, false],
    ]);
    expect(sessions[1]?.user_agent).toBe(FIREFOX);
    const startedAfter = sessions.map(({ started_at }) => started_at - startSeconds);
    expect(startedAfter.map((seconds) => Math.round(seconds / 10) * 10)).toEqual([120, 60, 0]);
    for (const { started_at, last_seen_at } of sessions) expect(last_seen_at - started_at).toBeLessThan(5);
    expect(new Set(sessions.map(({ id }) => id)).size).toBe(3);
  });

  test("an id in the list is not an internal id, and internal ids cannot end a session", async () => {
    const world = await start();
    const [{ id = "" } = {}] = await list(world);
    const ids = (await world.store.logins()).flatMap(({ session_id, login_id }) => [session_id, login_id]);
    expect(ids.some((internalId) => internalId.includes(id) || id.includes(internalId))).toBe(false);
    for (const internalId of ids) expect(await end(world, internalId)).toBe(false);
    expect([ids.length, await isSignedIn(world)]).toEqual([2, true]);
  });

  test("last_seen_at moves with each use of a session", async () => {
    const world = await start();
    const other = await signedIn(world);
    world.later(20 * 60);
    await world.me(other);
    const [first, second] = await list(world);
    // The list does not yet count its own request.
    expect([first?.is_current, second?.is_current]).toEqual([false, true]);
    expect((first?.last_seen_at ?? 0) - (first?.started_at ?? 0)).toBeGreaterThanOrEqual(20 * 60);
  });

  test("a user cannot list or end sessions of another user", async () => {
    const world = await start();
    const jonas = await signedIn(world, { sub: "jonas-weber" });
    const [jonasSession, ...otherSessions] = await list(world, jonas);
    expect([jonasSession?.is_current, otherSessions]).toEqual([true, []]);
    expect(await end(world, jonasSession?.id ?? "")).toBe(false);
    expect(await list(world)).toHaveLength(1);
    expect(await isSignedIn(world, jonas)).toBe(true);
  });

  test("endSession() ends another session of the user, and revokes its refresh token", async () => {
    const onLogout = vi.fn();
    const world = await start({ hooks: { onLogout } });
    const other = await signedIn(world);
    const { refresh_token } = await world.tokens(other);
    const id = (await list(world)).find(({ is_current }) => !is_current)?.id ?? "";
    expect(await end(world, id)).toBe(true);
    expect([await isSignedIn(world, other), await isSignedIn(world)]).toEqual([false, true]);
    expect(await countStoredLogins(world)).toBe(1);
    const [{ reason, claims } = {}] = onLogout.mock.calls.map(([context]) => context as LogoutContext);
    expect([reason, claims?.sub, onLogout.mock.calls.length]).toEqual(["session_ended", "amara-okafor", 1]);
    await vi.waitFor(() =>
      expect(world.asked("/oauth2/revoke").at(-1)?.body).toContain(`token=${refresh_token}`),
    );
    expect([await end(world, id), (await list(world)).length]).toEqual([false, 1]);
  });

  test("endSession() can end the session of the request, whose user is then a visitor", async () => {
    const world = await start();
    const [{ id = "" } = {}] = await list(world);
    const after = await world.inRequest(async (req) => [
      await req.portal.endSession(id),
      req.portal.isAuthenticated,
    ]);
    expect(after).toEqual([true, false]);
    expect([await isSignedIn(world), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a logout on all devices ends all sessions of the user, and no others", async () => {
    const onLogout = vi.fn();
    const world = await start({ hooks: { onLogout } });
    const others = [await signedIn(world), await signedIn(world)];
    const jonas = await signedIn(world, { sub: "jonas-weber" });
    const response = await logOutEverywhere(world);
    expect([response.status, new URL(JSON.parse(response.body).logout_url).pathname]).toEqual([
      200,
      "/logout",
    ]);
    for (const browser of [world.browser, ...others]) expect(await isSignedIn(world, browser)).toBe(false);
    expect(await isSignedIn(world, jonas)).toBe(true);
    expect(await countStoredLogins(world)).toBe(1);
    expect(onLogout.mock.calls.map(([{ reason }]) => reason)).toEqual([
      "everywhere",
      "everywhere",
      "everywhere",
    ]);
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(3));
  });

  test("a logout on all devices ends a login in progress with its tokens, but no later login", async () => {
    const exchanged = createGate();
    const mayFinish = createGate();
    const world = await start({
      hooks: {
        async onLogin({ req }) {
          if (req.query["state"] === undefined || req.headers["user-agent"] !== "slow") return;
          exchanged.open();
          await mayFinish.opened;
        },
      },
    });
    const other = new Browser();
    const login = other.visit(`${world.url}/account`, { headers: { "user-agent": "slow" } });
    await exchanged.opened;
    const refreshToken = world.provider.issued.filter((token) => !token.includes(".")).at(-1);
    world.later(1);
    await logOutEverywhere(world);
    mayFinish.open();
    const page = await login;
    expect([page.status, page.body.includes("login_ended")]).toEqual([401, true]);
    expect([await isSignedIn(world, other), await countStoredLogins(world)]).toEqual([false, 0]);
    const revoked = () =>
      world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
    await vi.waitFor(() => expect(revoked()).toContain(refreshToken));
    expect(await isSignedIn(world, await signedIn(world))).toBe(true);
  });

  test("a logout on all devices does not end a login in progress of another user", async () => {
    const world = await start();
    const jonas = Object.assign(new Browser(), { person: { sub: "jonas-weber" } });
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const login = jonas.visit(`${world.url}/account`);
    await held.arrived;
    await logOutEverywhere(world);
    held.letGo();
    expect([(await login).status, await isSignedIn(world, jonas)]).toEqual([200, true]);
  });

  test("a logout on all devices by a visitor responds like any logout", async () => {
    const world = await start();
    const visitor = new Browser();
    expect((await logOutEverywhere(world, visitor)).status).toBe(200);
    expect(await isSignedIn(world)).toBe(true);
  });

  test("a visitor cannot list or end sessions", async () => {
    const world = await start();
    for (const work of [
      (req: Request) => req.portal.sessions(),
      (req: Request) => req.portal.endSession("x"),
    ])
      await expect(world.inRequest(work as never, new Browser())).rejects.toMatchObject({
        code: "login_required",
      });
  });

  test("a request in progress cannot bring back a session that another request has ended", async () => {
    const world = await start();
    const other = await signedIn(world);
    const slow = await pauseRequest(world, (req) => saveSession(req, { cart: "book" }), other);
    await logOutEverywhere(world);
    await slow.resume();
    expect([await isSignedIn(world, other), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a request in progress cannot give an ended login a new session id", async () => {
    const world = await start();
    const other = await signedIn(world);
    const slow = await pauseRequest(world, (req) => req.portal.regenerate(), other);
    await logOutEverywhere(world);
    await expect(slow.resume()).rejects.toMatchObject({ code: "login_required" });
    expect([await isSignedIn(world, other), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a login with a new session id is listed under the same id, and ends with all others", async () => {
    const world = await start();
    const other = await signedIn(world);
    const before = await list(world, other);
    await world.inRequest((req) => req.portal.regenerate(), other);
    const after = await list(world, other);
    expect(after.map(({ id }) => id).sort()).toEqual(before.map(({ id }) => id).sort());
    expect([await isSignedIn(world, other), after.length]).toEqual([true, 2]);
    await logOutEverywhere(world);
    expect([await isSignedIn(world, other), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a request with an old session id cannot bring back a login that ended under its new id", async () => {
    const world = await start();
    const slow = await pauseRequest(world, (req) => req.portal.regenerate());
    await world.inRequest((req) => req.portal.regenerate());
    expect((await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" })).status).toBe(303);
    await expect(slow.resume()).rejects.toMatchObject({ code: "login_required" });
    expect([await isSignedIn(world), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a logout ends its login and tokens, also if another request changed the session id", async () => {
    const onLogout = vi.fn();
    const world = await start({ hooks: { onLogout } });
    const { refresh_token } = await world.tokens();
    const leaving = await pauseRequest(world, (req) => req.portal.logout());
    await world.inRequest((req) => req.portal.regenerate());
    await leaving.resume();
    expect([await isSignedIn(world), await countStoredLogins(world)]).toEqual([false, 0]);
    expect(onLogout.mock.calls.map(([{ claims }]) => claims.sub)).toEqual(["amara-okafor"]);
    await vi.waitFor(() =>
      expect(world.asked("/oauth2/revoke").at(-1)?.body).toContain(`token=${refresh_token}`),
    );
  });

  test("a login ends if the application itself copies it into a new session", async () => {
    const world = await start();
    await world.inRequest(async (req) => {
      const { portal } = req.session;
      await new Promise<void>((resolve) => req.session.regenerate(() => resolve()));
      await saveSession(req, { portal, cart: "book" });
    });
    await vi.waitFor(async () => expect(await countStoredLogins(world)).toBe(0));
    const { cart, portal } = await world.inRequest(async (req) => Object(req.session));
    expect([await isSignedIn(world), cart, portal]).toEqual([false, "book", undefined]);
  });

  test("a logout on all devices ends the others, also if its own login expires meanwhile", async () => {
    const world = await start({ sessionAbsolute: 3600 });
    world.later(3000);
    const other = await signedIn(world);
    const leaving = await pauseRequest(world, (req) => req.portal.logout({ everywhere: true }));
    world.later(700);
    await leaving.resume();
    expect([await isSignedIn(world), await isSignedIn(world, other)]).toEqual([false, false]);
  });

  test("endSession() ends a session on another device, also if its session id has changed", async () => {
    const world = await start();
    const other = await signedIn(world);
    const id = (await list(world)).find(({ is_current }) => !is_current)?.id ?? "";
    const slow = await pauseRequest(world, (req) => req.portal.regenerate(), other);
    await world.inRequest((req) => req.portal.regenerate(), other);
    expect(await end(world, id)).toBe(true);
    await expect(slow.resume()).rejects.toMatchObject({ code: "login_required" });
    expect([await isSignedIn(world, other), await isSignedIn(world), await countStoredLogins(world)]).toEqual(
      [false, true, 1],
    );
  });

  test("a request whose session another request has ended meanwhile lists no sessions", async () => {
    const world = await start();
    const other = await signedIn(world);
    const slow = await pauseRequest(
      world,
      async (req) => expect(await req.portal.sessions()).toEqual([]),
      other,
    );
    await logOutEverywhere(world);
    await slow.resume();
    expect([await isSignedIn(world, other), await countStoredLogins(world)]).toEqual([false, 0]);
  });

  test("a request cannot change the session id of a login that another login has replaced", async () => {
    const world = await start();
    const slow = await pauseRequest(world, (req) => req.portal.regenerate());
    const { browser, url } = world;
    const session = [...(await browser.cookies(url))].find(([key]) =>
      /^(connect\.sid|portal-session)$/.test(key),
    );
    await browser.jar.removeAllCookies(); // also those of the session at the provider
    browser.jar.setCookieSync(`${session?.join("=")}; Path=/`, url);
    browser.user = { sub: "jonas-weber" };
    await browser.visit(`${url}/login`, { site: "same-origin" });
    expect((await world.me()).claims?.["sub"]).toBe("jonas-weber");
    await expect(slow.resume()).rejects.toMatchObject({ code: "login_required" });
    expect((await world.store.logins()).map(({ claims }) => claims.sub)).toEqual(["jonas-weber"]);
  });

  test("tokens of a refresh that ends after its session are revoked, and not stored", async () => {
    const world = await start();
    const other = await signedIn(world);
    world.later(301);
    await world.ask(); // refreshes the tokens of this browser
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const tokenRequest = world.ask(other);
    await held.arrived;
    await logOutEverywhere(world);
    held.letGo();
    expect((await tokenRequest).status).toBe(401);
    expect(await countStoredLogins(world)).toBe(0);
    const refreshTokens = world.provider.issued.filter((token) => !token.includes("."));
    const revoked = () =>
      world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
    await vi.waitFor(() => expect(revoked()).toContain(refreshTokens.at(-1)));
  });
});

test("each of two routers of one client ends only its own logins, but the provider ends both", async () => {
  const store = new session.MemoryStore();
  const twin: { auth?: RequestHandler } = {};
  const world = await startWorld({
    provider: { document: "full", anyLoopbackAddress: true },
    options: { profile: "openid", backchannelLogout: true },
    before: (app) => app.use(session({ store, secret: "s", resave: false, saveUninitialized: false })),
    after(app) {
      app.use("/twin", (req, res, next) => twin.auth?.(req, res, next));
      app.get("/twin/account", requireAuth(), (_req, res) => void res.send("in"));
      app.get("/twin/me", (req, res) => void res.json(req.portal.isAuthenticated));
      app.get("/sessions", async (req, res) => void res.json(await req.portal.sessions()));
      addLogoutRoute(app);
    },
  });
  const { url, browser, provider } = world;
  twin.auth = portalAuth({
    ...getClientOptions({ provider, url }),
    profile: "openid",
    redirectUri: `${url}/twin/callback`,
    backchannelLogout: true,
  });
  provider.register({ backchannelLogoutUri: `${url}/backchannel-logout` });
  const other = new Browser();
  await browser.visit(`${url}/account`);
  expect((await other.visit(`${url}/twin/account`)).body).toBe("in");
  const isSignedInAtTwin = async () => (await other.fetch(`${url}/twin/me`)).body === "true";
  expect(JSON.parse((await browser.fetch(`${url}/sessions`)).body)).toHaveLength(1);
  await other.fetch(`${url}/test/leave`, { method: "POST" }); // does not concern the first router
  expect([(await world.me()).isAuthenticated, await isSignedInAtTwin()]).toEqual([true, true]);
  await browser.fetch(`${url}/test/leave`, { method: "POST" });
  expect([(await world.me()).isAuthenticated, await isSignedInAtTwin()]).toEqual([false, true]);
  await provider.sendLogoutToken(provider.logoutToken({ sub: "amara-okafor" }));
  expect(await isSignedInAtTwin()).toBe(false);
});
