import type { RequestHandler } from "express";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { type Hooks, portalAuth } from "../../lib/index.js";
import { loginAs } from "../../lib/testing/login-as.js";
import { epochSeconds } from "../../lib/util/time.js";
import { AnotherStore } from "../support/another-store.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  SESSION_SECRET,
  startWorld,
  type World,
  type WorldOptions,
} from "../support/world.js";

const ROUTES = { session: "/session" };

const ROUTE_NAMES = ["login", "callback", "logout", "session"];
const TOKEN_SECONDS = 300;

async function start({ options, ...given }: WorldOptions = {}) {
  const { clock, later } = createClock();
  // the portal's own clock may be a second further by then
  const hooks: Hooks = { onTokens: (tokens) => ({ ...tokens, expires_at: clock() / 1000 + TOKEN_SECONDS }) };
  const world = await startWorld({ ...given, options: { clock, hooks, routes: ROUTES, ...options } });
  await world.browser.visit(`${world.url}/account`);
  return { ...world, clock, later, status: () => statusOf(world) };
}

async function statusOf({ url, browser }: Pick<World, "url" | "browser">) {
  const answer = await browser.fetch(`${url}/session`);
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
  return JSON.parse(answer.body);
}

describe("what it tells", () => {
  test("who is logged in, and how many seconds are left", async () => {
    const { status, later } = await start({ options: { sessionIdle: 3600, sessionAbsolute: 7200 } });
    expect(await status()).toEqual({
      isAuthenticated: true,
      claims: {},
      expires_in: { idle: 3600, absolute: 7200, token: TOKEN_SECONDS },
    });
    later(250);
    expect((await status()).expires_in).toEqual({ idle: 3350, absolute: 6950, token: 50 });
    later(100);
    expect((await status()).expires_in.token).toBe(0);
  });

  test("nothing but that of a visitor, and of a login that has ended", async () => {
    const { url, status, later } = await start({ options: { sessionAbsolute: 3600 } });
    expect(await statusOf({ url, browser: new Browser() })).toEqual({ isAuthenticated: false });
    later(3600);
    expect(await status()).toEqual({ isAuthenticated: false });
  });

  test("the claims that are named, as far as the person has them, and no other", async () => {
    const { status } = await start({
      options: {
        sessionClaims: ["sub", "nickname", "roles", "__proto__", "toString"],
        hooks: {
          onLogin: (context) => {
            context.claims = {
              sub: context.claims.sub,
              roles: ["editor"],
              email: "amara@lighthouse.example",
            };
          },
        },
      },
    });
    expect((await status()).claims).toEqual({ sub: "amara-okafor", roles: ["editor"] });
  });

  test("the end of the login, whenever its refresh token ends", async () => {
    const { status } = await start({
      options: {
        hooks: { onTokens: (tokens) => ({ ...tokens, refresh_expires_at: epochSeconds() + 600 }) },
      },
    });
    expect((await status()).expires_in.absolute).toBeGreaterThan(600_000);
  });

  test("no life of a token of which the portal does not say it", async () => {
    const { status } = await start({
      options: { hooks: { onTokens: ({ expires_at: _, ...tokens }) => tokens } },
    });
    expect(Object.keys((await status()).expires_in)).toEqual(["idle", "absolute"]);
  });

  test("no idle life of an app's session that ends with the browser, and that of its cookie where it has one", async () => {
    const { status } = await start({ ownSession: true });
    expect(Object.keys((await status()).expires_in)).toEqual(["absolute", "token"]);
    const timed = await startWorld({
      options: { routes: ROUTES },
      before: (app) =>
        app.use(
          session({
            secret: "the app's own",
            resave: false,
            saveUninitialized: false,
            cookie: { maxAge: 90_000 },
          }),
        ),
    });
    await timed.browser.visit(`${timed.url}/account`);
    const { idle } = (await statusOf(timed)).expires_in;
    expect(idle).toBeGreaterThan(60);
    expect(idle).toBeLessThanOrEqual(90);
  });

  test.each([4, 5] as const)("the same in Express %s, below a mount", async (version) => {
    const { url, browser } = await startWorld({
      express: version,
      mount: "/shop",
      options: { routes: ROUTES },
    });
    await browser.visit(`${url}/shop/account`);
    expect(JSON.parse((await browser.fetch(`${url}/shop/session`)).body).isAuthenticated).toBe(true);
  });
});

describe("how it answers", () => {
  test("no other site's script, and no cache", async () => {
    const { url, browser } = await start();
    const headers = { origin: "https://evil.example" };
    const answer = await browser.fetch(`${url}/session`, { headers });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(answer.headers).toMatchObject({
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
    });
  });

  test("a person who opens its address, too", async () => {
    const { url, browser } = await start();
    expect(JSON.parse((await browser.navigate(`${url}/session`)).body).isAuthenticated).toBe(true);
  });

  test("HEAD as GET, without a body, and no other method: those are the app's", async () => {
    const { url, browser } = await start();
    const { status, headers, body } = await browser.fetch(`${url}/session`, { method: "HEAD" });
    expect([status, headers["content-type"], headers["cache-control"], body]).toEqual([
      200,
      "application/json",
      "no-store",
      "",
    ]);
    for (const method of ["POST", "PUT", "DELETE"])
      expect((await browser.fetch(`${url}/session`, { method })).status).toBe(404);
  });

  test("only where it is turned on", async () => {
    const { url, browser } = await startWorld();
    expect((await browser.fetch(`${url}/session`)).status).toBe(404);
  });

  test("without asking the portal for anything, though the token has ended", async () => {
    const { status, later, provider } = await start();
    const asked = provider.requests.length;
    later(301);
    await status();
    expect(provider.requests).toHaveLength(asked);
  });
});

describe("it is no use of the session", () => {
  test("ours ends when nobody has made another request, however often a page asks", async () => {
    const { status, later, me } = await start({ options: { sessionIdle: 1200 } });
    for (let left = 1190; left > 0; left -= 10) {
      later(10);
      expect((await status()).expires_in.idle).toBe(left);
    }
    later(10);
    expect([await status(), (await me()).isAuthenticated]).toEqual([{ isAuthenticated: false }, false]);
  });

  test("an ordinary request lets it live on, and the next answer says so", async () => {
    const { status, later, me } = await start({ options: { sessionIdle: 1200 } });
    later(1100);
    await me();
    expect((await status()).expires_in.idle).toBe(1200);
  });

  const ask = (methods: string[]) => async (world: World) => {
    for (const method of methods) await world.browser.fetch(`${world.url}/session`, { method });
  };

  test.each<[string, Partial<session.SessionOptions>]>([
    ["as most have it", {}],
    ["with rolling and resave", { rolling: true, resave: true }],
    ["with saveUninitialized", { saveUninitialized: true }],
    ["that is destroyed with req.session", { unset: "destroy" }],
  ])("an app's session, %s, is not written, touched or destroyed, and no cookie set", async (_how, more) => {
    const store = new session.MemoryStore();
    const options = {
      secret: "the app's own",
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 60_000 },
      store,
    };
    const world = await startWorld({
      options: { routes: ROUTES },
      before: (app) => app.use(session({ ...options, ...more })),
    });
    await world.browser.visit(`${world.url}/account`);
    const acts = (["touch", "set", "destroy"] as const).map((name) => vi.spyOn(store, name));
    await ask(["GET", "HEAD"])(world);
    const [get, head] = world.browser.answers.slice(-2);
    expect([get?.headers["set-cookie"], head?.headers["set-cookie"]]).toEqual([undefined, undefined]);
    const stranger = await new Browser().fetch(`${world.url}/session`);
    expect([stranger.status, stranger.headers["set-cookie"]]).toEqual([200, undefined]);
    expect(acts.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0]);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("nor is it of any other session that the request has met: of a portalAuth() before this one, with or without a name", async () => {
    let staff: RequestHandler = (_req, _res, next) => next();
    const { app, clock, url, browser, provider, later, me } = await start({
      before: (app) => app.use((req, res, next) => staff(req, res, next)),
      options: { sessionIdle: 1200 },
    });
    const routes = Object.fromEntries(ROUTE_NAMES.map((name) => [name, `/staff/${name}`]));
    const client = {
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      secret: SESSION_SECRET,
      sessionIdle: 1200,
    };
    const redirectUri = `${url}/staff/callback`;
    const second = portalAuth({
      ...client,
      clock,
      name: "staff",
      issuer: provider.issuer,
      redirectUri,
      routes,
    });
    staff = second;
    const cookie = await loginAs(app, { sub: "jonas-weber" }, {}, { path: "/staff/callback" });
    const isStaff = async () =>
      JSON.parse((await browser.request(`${url}/staff/session`, { headers: { cookie } })).body)
        .isAuthenticated;
    later(1000);
    await browser.request(`${url}/session`, { headers: { cookie } });
    expect(await isStaff()).toBe(true);
    later(300);
    expect(await isStaff()).toBe(false);

    // and the other way round
    staff = (_req, _res, next) => next();
    app.use(second);
    await browser.visit(`${url}/account`);
    later(1000);
    expect((await browser.fetch(`${url}/staff/session`)).body).toBe('{"isAuthenticated":false}');
    later(300);
    expect((await me()).isAuthenticated).toBe(false);
  });
});

test("an app's short session in a store that keeps the first cookie tells its life to a tenth", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const cookie = { maxAge: 100_000 };
    const world = await startWorld({
      log: [/Logins are kept in the application's session store/],
      options: { routes: ROUTES },
      before: (app) =>
        app.use(
          session({
            secret: "s",
            resave: false,
            saveUninitialized: false,
            rolling: true,
            cookie,
            store: new AnotherStore(),
          }),
        ),
    });
    await world.browser.visit(`${world.url}/account`);
    for (let round = 0; round < 4; round += 1) {
      vi.setSystemTime(Date.now() + 45_000);
      await world.me();
    }
    expect((await statusOf(world)).expires_in.idle).toBeGreaterThanOrEqual(89);
  } finally {
    vi.useRealTimers();
  }
});
