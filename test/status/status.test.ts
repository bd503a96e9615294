import type { RequestHandler } from "express";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { type Hooks, portalAuth } from "../../lib/index.js";
import { loginAs } from "../../lib/testing/login-as.js";
import { epochSeconds } from "../../lib/util/time.js";
import { AnotherStore } from "../support/another-store.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { advanceDate, freezeDate } from "../support/fake-time.js";
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

/** Starts an app with the session route, and signs a user in. */
async function start({ options, ...worldOptions }: WorldOptions = {}) {
  const { clock, later } = createClock();
  // The lifetime is fixed here, because the provider's clock may be a second ahead by then.
  const hooks: Hooks = { onTokens: (tokens) => ({ ...tokens, expires_at: clock() / 1000 + TOKEN_SECONDS }) };
  const world = await startWorld({ ...worldOptions, options: { clock, hooks, routes: ROUTES, ...options } });
  await world.browser.visit(`${world.url}/account`);
  return { ...world, clock, later, status: () => getStatus(world) };
}

async function getStatus({ url, browser }: Pick<World, "url" | "browser">) {
  const answer = await browser.fetch(`${url}/session`);
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
  return JSON.parse(answer.body);
}

describe("the response", () => {
  test("shows that a user is signed in, and how many seconds are left", async () => {
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

  test("shows only isAuthenticated: false without a login and after the login has ended", async () => {
    const { url, status, later } = await start({ options: { sessionAbsolute: 3600 } });
    expect(await getStatus({ url, browser: new Browser() })).toEqual({ isAuthenticated: false });
    later(3600);
    expect(await status()).toEqual({ isAuthenticated: false });
  });

  test("contains only those of the configured claims that the user has", async () => {
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

  test("shows the end of the login, regardless of the refresh token's expiry", async () => {
    const { status } = await start({
      options: {
        hooks: { onTokens: (tokens) => ({ ...tokens, refresh_expires_at: epochSeconds() + 600 }) },
      },
    });
    expect((await status()).expires_in.absolute).toBeGreaterThan(600_000);
  });

  test("omits the token's lifetime if the provider does not report it", async () => {
    const { status } = await start({
      options: { hooks: { onTokens: ({ expires_at: _, ...tokens }) => tokens } },
    });
    expect(Object.keys((await status()).expires_in)).toEqual(["idle", "absolute"]);
  });

  test("shows the idle time of an app's session only if its cookie has a maxAge", async () => {
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
    const { idle } = (await getStatus(timed)).expires_in;
    expect(idle).toBeGreaterThan(60);
    expect(idle).toBeLessThanOrEqual(90);
  });

  test.each([4, 5] as const)("is the same in Express %s below a mount path", async (version) => {
    const { url, browser } = await startWorld({
      express: version,
      mount: "/shop",
      options: { routes: ROUTES },
    });
    await browser.visit(`${url}/shop/account`);
    expect(JSON.parse((await browser.fetch(`${url}/shop/session`)).body).isAuthenticated).toBe(true);
  });
});

describe("the route", () => {
  test("cannot be read by other sites, and is not cached", async () => {
    const { url, browser } = await start();
    const headers = { origin: "https://evil.example" };
    const answer = await browser.fetch(`${url}/session`, { headers });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(answer.headers).toMatchObject({
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
    });
  });

  test("also responds to a browser that opens its URL", async () => {
    const { url, browser } = await start();
    expect(JSON.parse((await browser.navigate(`${url}/session`)).body).isAuthenticated).toBe(true);
  });

  test("responds to HEAD without a body, and leaves other methods to the app", async () => {
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

  test("is off by default", async () => {
    const { url, browser } = await startWorld();
    expect((await browser.fetch(`${url}/session`)).status).toBe(404);
  });

  test("sends no request to the provider, although the token has expired", async () => {
    const { status, later, provider } = await start();
    const asked = provider.requests.length;
    later(301);
    await status();
    expect(provider.requests).toHaveLength(asked);
  });
});

describe("polling does not count as activity", () => {
  test("our session ends in spite of polling if the user makes no other request", async () => {
    const { status, later, me } = await start({ options: { sessionIdle: 1200 } });
    for (let left = 1190; left > 0; left -= 10) {
      later(10);
      expect((await status()).expires_in.idle).toBe(left);
    }
    later(10);
    expect([await status(), (await me()).isAuthenticated]).toEqual([{ isAuthenticated: false }, false]);
  });

  test("another request extends our session, and the next response shows that", async () => {
    const { status, later, me } = await start({ options: { sessionIdle: 1200 } });
    later(1100);
    await me();
    expect((await status()).expires_in.idle).toBe(1200);
  });

  const request = (methods: string[]) => async (world: World) => {
    for (const method of methods) await world.browser.fetch(`${world.url}/session`, { method });
  };

  test.each<[string, Partial<session.SessionOptions>]>([
    ["with common options", {}],
    ["with rolling and resave", { rolling: true, resave: true }],
    ["with saveUninitialized", { saveUninitialized: true }],
    ["that is destroyed with req.session", { unset: "destroy" }],
  ])("an app's session is not written and no cookie is set: %s", async (_case, sessionOptions) => {
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
      before: (app) => app.use(session({ ...options, ...sessionOptions })),
    });
    await world.browser.visit(`${world.url}/account`);
    const writes = (["touch", "set", "destroy"] as const).map((name) => vi.spyOn(store, name));
    await request(["GET", "HEAD"])(world);
    const [get, head] = world.browser.answers.slice(-2);
    expect([get?.headers["set-cookie"], head?.headers["set-cookie"]]).toEqual([undefined, undefined]);
    const visitor = await new Browser().fetch(`${world.url}/session`);
    expect([visitor.status, visitor.headers["set-cookie"]]).toEqual([200, undefined]);
    expect(writes.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0]);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("the session of another portalAuth() in front of this one is not extended either", async () => {
    let staffAuth: RequestHandler = (_req, _res, next) => next();
    const { app, clock, url, browser, provider, later, me } = await start({
      before: (app) => app.use((req, res, next) => staffAuth(req, res, next)),
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
    const staffInstance = portalAuth({
      ...client,
      clock,
      name: "staff",
      issuer: provider.issuer,
      redirectUri,
      routes,
    });
    staffAuth = staffInstance;
    const cookie = await loginAs(app, { sub: "jonas-weber" }, {}, { path: "/staff/callback" });
    const isStaff = async () =>
      JSON.parse((await browser.request(`${url}/staff/session`, { headers: { cookie } })).body)
        .isAuthenticated;
    later(1000);
    await browser.request(`${url}/session`, { headers: { cookie } });
    expect(await isStaff()).toBe(true);
    later(300);
    expect(await isStaff()).toBe(false);

    // The same with the two in the other order.
    staffAuth = (_req, _res, next) => next();
    app.use(staffInstance);
    await browser.visit(`${url}/account`);
    later(1000);
    expect((await browser.fetch(`${url}/staff/session`)).body).toBe('{"isAuthenticated":false}');
    later(300);
    expect((await me()).isAuthenticated).toBe(false);
  });
});

test("if a store never updates the cookie, the idle time of a short session is correct to 10%", async () => {
  freezeDate();
  const cookie = { maxAge: 100_000 };
  const world = await startWorld({
    log: [/Logins are stored in the application's session store/],
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
    advanceDate(45_000);
    await world.me();
  }
  expect((await getStatus(world)).expires_in.idle).toBeGreaterThanOrEqual(89);
});
