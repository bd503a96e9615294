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
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld } from "../support/world.js";
import { savedWith, storedLogins, underWay } from "./under-way.js";

const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0";
const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1";

const list = (world: LoggedIn, browser?: Browser): Promise<SessionInfo[]> =>
  world.inRequest((req) => req.portal.sessions(), browser);

const end = (world: LoggedIn, id: string, browser?: Browser): Promise<boolean> =>
  world.inRequest((req) => req.portal.endSession(id), browser);

async function signedIn({ url }: LoggedIn, { sub = "amara-okafor", userAgent = "" } = {}): Promise<Browser> {
  const browser = new Browser();
  browser.person = { sub };
  await browser.visit(`${url}/account`, { headers: { "user-agent": userAgent } });
  return browser;
}

const isIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

/** Logs out of all sessions, by a route of the app. */
const withRoute = (app: Express) =>
  app.post("/test/leave", (req, res) => {
    req.res = res;
    return req.portal.logout({ everywhere: true });
  });

const leave = ({ url, browser }: LoggedIn, who = browser) =>
  who.fetch(`${url}/test/leave`, { method: "POST" });

describe.each(SESSIONS)("%s:", (_name, whose) => {
  const start = (options: PortalAuthOptions = {}, log: RegExp[] = []) =>
    logIn({ session: whose, options, after: withRoute, log });

  test("a person sees their sessions: when each began, when it was last in use, on what, and which is this", async () => {
    const world = await start();
    const began = Math.floor(world.clock() / 1000);
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
    const since = sessions.map(({ started_at }) => started_at - began);
    expect(since.map((seconds) => Math.round(seconds / 10) * 10)).toEqual([120, 60, 0]);
    for (const { started_at, last_seen_at } of sessions) expect(last_seen_at - started_at).toBeLessThan(5);
    expect(new Set(sessions.map(({ id }) => id)).size).toBe(3);
  });

  test("no id that is shown is a session's own, or any that opens something", async () => {
    const world = await start();
    const [{ id = "" } = {}] = await list(world);
    const ids = (await world.store.logins()).flatMap(({ session_id, login_id }) => [session_id, login_id]);
    expect(ids.some((one) => one.includes(id) || id.includes(one))).toBe(false);
    for (const one of ids) expect(await end(world, one)).toBe(false);
    expect([ids.length, await isIn(world)]).toEqual([2, true]);
  });

  test("a session that is in use is seen later, and one that is not stays where it was", async () => {
    const world = await start();
    const other = await signedIn(world);
    world.later(20 * 60);
    await world.me(other);
    const [first, second] = await list(world);
    expect([first?.is_current, second?.is_current]).toEqual([false, true]); // this request is only just coming to its end
    expect((first?.last_seen_at ?? 0) - (first?.started_at ?? 0)).toBeGreaterThanOrEqual(20 * 60);
  });

  test("a person sees nobody else's, and ends nobody else's", async () => {
    const world = await start();
    const jonas = await signedIn(world, { sub: "jonas-weber" });
    const [his, ...more] = await list(world, jonas);
    expect([his?.is_current, more]).toEqual([true, []]);
    expect(await end(world, his?.id ?? "")).toBe(false);
    expect(await list(world)).toHaveLength(1);
    expect(await isIn(world, jonas)).toBe(true);
  });

  test("another session of theirs ends when they say so: in the store, with its refresh token", async () => {
    const onLogout = vi.fn();
    const world = await start({ hooks: { onLogout } });
    const other = await signedIn(world);
    const { refresh_token } = await world.tokens(other);
    const id = (await list(world)).find(({ is_current }) => !is_current)?.id ?? "";
    expect(await end(world, id)).toBe(true);
    expect([await isIn(world, other), await isIn(world)]).toEqual([false, true]);
    expect(await storedLogins(world)).toBe(1);
    const [{ reason, claims } = {}] = onLogout.mock.calls.map(([context]) => context as LogoutContext);
    expect([reason, claims?.sub, onLogout.mock.calls.length]).toEqual(["session_ended", "amara-okafor", 1]);
    await vi.waitFor(() =>
      expect(world.asked("/oauth2/revoke").at(-1)?.body).toContain(`token=${refresh_token}`),
    );
    expect([await end(world, id), (await list(world)).length]).toEqual([false, 1]);
  });

  test("so does the one of the request itself, which goes on as a visitor's", async () => {
    const world = await start();
    const [{ id = "" } = {}] = await list(world);
    const after = await world.inRequest(async (req) => [
      await req.portal.endSession(id),
      req.portal.isAuthenticated,
    ]);
    expect(after).toEqual([true, false]);
    expect([await isIn(world), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("logging out everywhere ends all of them, and nobody else's", async () => {
    const onLogout = vi.fn();
    const world = await start({ hooks: { onLogout } });
    const others = [await signedIn(world), await signedIn(world)];
    const jonas = await signedIn(world, { sub: "jonas-weber" });
    const answer = await leave(world);
    expect([answer.status, new URL(JSON.parse(answer.body).logout_url).pathname]).toEqual([200, "/logout"]);
    for (const browser of [world.browser, ...others]) expect(await isIn(world, browser)).toBe(false);
    expect(await isIn(world, jonas)).toBe(true);
    expect(await storedLogins(world)).toBe(1);
    expect(onLogout.mock.calls.map(([{ reason }]) => reason)).toEqual([
      "everywhere",
      "everywhere",
      "everywhere",
    ]);
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(3));
  });

  test("logging out everywhere ends a login that is being made, with its refresh token; a later login counts at once", async () => {
    const [exchanged, mayFinish] = [createGate(), createGate()];
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
    await leave(world);
    mayFinish.open();
    const page = await login;
    expect([page.status, page.body.includes("login_ended")]).toEqual([401, true]);
    expect([await isIn(world, other), await storedLogins(world)]).toEqual([false, 0]);
    const revoked = () =>
      world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
    await vi.waitFor(() => expect(revoked()).toContain(refreshToken));
    expect(await isIn(world, await signedIn(world))).toBe(true);
  });

  test("logging out everywhere leaves the login of another user that is being made", async () => {
    const world = await start();
    const jonas = Object.assign(new Browser(), { person: { sub: "jonas-weber" } });
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const login = jonas.visit(`${world.url}/account`);
    await held.arrived;
    await leave(world);
    held.letGo();
    expect([(await login).status, await isIn(world, jonas)]).toEqual([200, true]);
  });

  test("a visitor who does so is answered like anybody who logs out", async () => {
    const world = await start();
    const visitor = new Browser();
    expect((await leave(world, visitor)).status).toBe(200);
    expect(await isIn(world)).toBe(true);
  });

  test("a visitor has no sessions to see or to end", async () => {
    const world = await start();
    for (const work of [
      (req: Request) => req.portal.sessions(),
      (req: Request) => req.portal.endSession("x"),
    ])
      await expect(world.inRequest(work as never, new Browser())).rejects.toMatchObject({
        code: "login_required",
      });
  });

  test("a request that is in progress when its session is ended elsewhere does not bring it back", async () => {
    const world = await start();
    const other = await signedIn(world);
    const slow = await underWay(world, (req) => savedWith(req, { cart: "book" }), other);
    await leave(world);
    await slow.goOn();
    expect([await isIn(world, other), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("a request in progress cannot give an ended login a new session id", async () => {
    const world = await start();
    const other = await signedIn(world);
    const slow = await underWay(world, (req) => req.portal.regenerate(), other);
    await leave(world);
    await expect(slow.goOn()).rejects.toMatchObject({ code: "login_required" });
    expect([await isIn(world, other), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("a login that gets a new session id is listed under the same id, and ends with all others", async () => {
    const world = await start();
    const other = await signedIn(world);
    const before = await list(world, other);
    await world.inRequest((req) => req.portal.regenerate(), other);
    const after = await list(world, other);
    expect(after.map(({ id }) => id).sort()).toEqual(before.map(({ id }) => id).sort());
    expect([await isIn(world, other), after.length]).toEqual([true, 2]);
    await leave(world);
    expect([await isIn(world, other), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("a request with the old session id cannot bring a login back that moved to a new id and was ended there", async () => {
    const world = await start();
    const slow = await underWay(world, (req) => req.portal.regenerate());
    await world.inRequest((req) => req.portal.regenerate());
    expect((await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" })).status).toBe(303);
    await expect(slow.goOn()).rejects.toMatchObject({ code: "login_required" });
    expect([await isIn(world), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("a logout ends its login and the tokens although another request has given it a new session id meanwhile", async () => {
    const onLogout = vi.fn();
    const world = await start({ hooks: { onLogout } });
    const { refresh_token } = await world.tokens();
    const leaving = await underWay(world, (req) => req.portal.logout());
    await world.inRequest((req) => req.portal.regenerate());
    await leaving.goOn();
    expect([await isIn(world), await storedLogins(world)]).toEqual([false, 0]);
    expect(onLogout.mock.calls.map(([{ claims }]) => claims.sub)).toEqual(["amara-okafor"]);
    await vi.waitFor(() =>
      expect(world.asked("/oauth2/revoke").at(-1)?.body).toContain(`token=${refresh_token}`),
    );
  });

  test("an app that puts a login into a new session by itself ends the login", async () => {
    const world = await start();
    await world.inRequest(async (req) => {
      const { portal } = req.session;
      await new Promise<void>((resolve) => req.session.regenerate(() => resolve()));
      await savedWith(req, { portal, cart: "book" });
    });
    await vi.waitFor(async () => expect(await storedLogins(world)).toBe(0));
    const { cart, portal } = await world.inRequest(async (req) => Object(req.session));
    expect([await isIn(world), cart, portal]).toEqual([false, "book", undefined]);
  });

  test("logging out everywhere ends the other sessions although the login of the request has just reached its absolute end", async () => {
    const world = await start({ sessionAbsolute: 3600 });
    world.later(3000);
    const other = await signedIn(world);
    const leaving = await underWay(world, (req) => req.portal.logout({ everywhere: true }));
    world.later(700);
    await leaving.goOn();
    expect([await isIn(world), await isIn(world, other)]).toEqual([false, false]);
  });

  test("a user ends a session on another device although that has got a new session id meanwhile", async () => {
    const world = await start();
    const other = await signedIn(world);
    const id = (await list(world)).find(({ is_current }) => !is_current)?.id ?? "";
    const slow = await underWay(world, (req) => req.portal.regenerate(), other);
    await world.inRequest((req) => req.portal.regenerate(), other);
    expect(await end(world, id)).toBe(true);
    await expect(slow.goOn()).rejects.toMatchObject({ code: "login_required" });
    expect([await isIn(world, other), await isIn(world), await storedLogins(world)]).toEqual([
      false,
      true,
      1,
    ]);
  });

  test("a request whose session has ended elsewhere meanwhile lists no session", async () => {
    const world = await start();
    const other = await signedIn(world);
    const slow = await underWay(world, async (req) => expect(await req.portal.sessions()).toEqual([]), other);
    await leave(world);
    await slow.goOn();
    expect([await isIn(world, other), await storedLogins(world)]).toEqual([false, 0]);
  });

  test("a request cannot give a new session id to a login that the login of another user has replaced", async () => {
    const world = await start();
    const slow = await underWay(world, (req) => req.portal.regenerate());
    const { browser, url } = world;
    const session = [...(await browser.cookies(url))].find(([key]) =>
      /^(connect\.sid|portal-session)$/.test(key),
    );
    await browser.jar.removeAllCookies(); // nobody is signed in at the provider
    browser.jar.setCookieSync(`${session?.join("=")}; Path=/`, url);
    browser.person = { sub: "jonas-weber" };
    await browser.visit(`${url}/login`, { site: "same-origin" });
    expect((await world.me()).claims?.["sub"]).toBe("jonas-weber");
    await expect(slow.goOn()).rejects.toMatchObject({ code: "login_required" });
    expect((await world.store.logins()).map(({ claims }) => claims.sub)).toEqual(["jonas-weber"]);
  });

  test("tokens of a refresh that ends after its session are revoked at the provider, and stored nowhere", async () => {
    const world = await start();
    const other = await signedIn(world);
    world.later(301);
    await world.ask(); // of this browser they are new
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const asked = world.ask(other);
    await held.arrived;
    await leave(world);
    held.letGo();
    expect((await asked).status).toBe(401);
    expect(await storedLogins(world)).toBe(0);
    const given = world.provider.issued.filter((token) => !token.includes(".")); // refresh tokens
    const revoked = () =>
      world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
    await vi.waitFor(() => expect(revoked()).toContain(given.at(-1)));
  });
});

test("of two routers with one client each lists and ends what it has begun itself; the portal ends both", async () => {
  const store = new session.MemoryStore();
  const twin: { auth?: RequestHandler } = {};
  const world = await startWorld({
    portal: { document: "full", anyLoopbackAddress: true },
    options: { profile: "openid", backchannelLogout: true },
    before: (app) => app.use(session({ store, secret: "s", resave: false, saveUninitialized: false })),
    after(app) {
      app.use("/twin", (req, res, next) => twin.auth?.(req, res, next));
      app.get("/twin/account", requireAuth(), (_req, res) => void res.send("in"));
      app.get("/twin/me", (req, res) => void res.json(req.portal.isAuthenticated));
      app.get("/sessions", async (req, res) => void res.json(await req.portal.sessions()));
      withRoute(app);
    },
  });
  const { url, browser, provider } = world;
  twin.auth = portalAuth({
    issuer: provider.issuer,
    profile: "openid",
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUri: `${url}/twin/callback`,
    secret: SESSION_SECRET,
    backchannelLogout: true,
  });
  provider.register({ backchannelLogoutUri: `${url}/backchannel-logout` });
  const other = new Browser();
  await browser.visit(`${url}/account`);
  expect((await other.visit(`${url}/twin/account`)).body).toBe("in");
  const isInTwin = async () => (await other.fetch(`${url}/twin/me`)).body === "true";
  expect(JSON.parse((await browser.fetch(`${url}/sessions`)).body)).toHaveLength(1);
  await other.fetch(`${url}/test/leave`, { method: "POST" }); // which is nothing to the first one
  expect([(await world.me()).isAuthenticated, await isInTwin()]).toEqual([true, true]);
  await browser.fetch(`${url}/test/leave`, { method: "POST" });
  expect([(await world.me()).isAuthenticated, await isInTwin()]).toEqual([false, true]);
  await provider.sendLogoutToken(provider.logoutToken({ sub: "amara-okafor" }));
  expect(await isInTwin()).toBe(false);
});
