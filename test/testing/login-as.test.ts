import { createServer } from "node:http";
import express, { type Express } from "express";
import session from "express-session";
import express4 from "express4";
import request from "supertest";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { choosePortalAuth, type PortalAuthOptions, portalAuth, requireAuth } from "../../lib/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { cookiesFor, fakeClock, loginAs } from "../../lib/testing/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { serve } from "../support/serve.js";

/** A portal that nobody can reach: no test here needs one. */
const OPTIONS: PortalAuthOptions = {
  issuer: "https://portal.invalid",
  clientId: "app",
  clientSecret: "the-client-secret-of-the-app",
  redirectUri: "http://127.0.0.1:3000/callback",
  secret: "0123456789abcdef0123456789abcdef",
};

interface Given {
  options?: PortalAuthOptions;
  mount?: string;
  make?: () => Express;
  before?: (app: Express) => void;
}

function createApp({ options = {}, mount = "/", make = express, before }: Given = {}): Express {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const app = make();
  before?.(app);
  app.use(mount, portalAuth({ ...OPTIONS, ...options }));
  app.get(`${mount === "/" ? "" : mount}/account`, requireAuth(), async (req, res) => {
    res.json({ claims: req.portal.claims, tokens: await req.portal.tokens() });
  });
  app.get(
    `${mount === "/" ? "" : mount}/fresh`,
    requireAuth({ freshToken: true }),
    (_req, res) => void res.end(),
  );
  return app;
}

const AMARA = { sub: "amara", name: "Amara Okafor" };

test.each<[string, Given]>([
  ["an app with Express 5", {}],
  ["an app with Express 4", { make: express4 as unknown as typeof express }],
  ["an app behind https", { options: { redirectUri: "https://app.example/callback" } }],
  [
    "an app below a path",
    { mount: "/shop", options: { redirectUri: "http://127.0.0.1:3000/shop/callback" } },
  ],
  [
    "an app below a prefix that a proxy removes",
    { options: { redirectUri: "https://app.example/a/b/callback" } },
  ],
  [
    "an app below a path, behind a proxy that removes another",
    { mount: "/shop", options: { redirectUri: "https://app.example/a/shop/callback" } },
  ],
  ["tokens sealed at rest", { options: { tokenEncryptionKey: "k".repeat(40) } }],
  ["a SameSite=Strict session", { options: { sameSite: "strict" } }],
  [
    "the app's own session",
    { before: (app) => app.use(session({ secret: "s", resave: false, saveUninitialized: false })) },
  ],
  [
    "the app's own session over https",
    {
      options: { redirectUri: "https://app.example/callback" },
      before: (app) =>
        app.use(session({ secret: "s", resave: false, saveUninitialized: false, cookie: { secure: true } })),
    },
  ],
])("supertest is logged in with the header: %s", async (_what, given) => {
  const app = createApp(given);
  const cookie = await loginAs(app, AMARA);
  const page = `${given.mount === undefined ? "" : given.mount}/account`;
  const answer = await request(app).get(page).set("Cookie", cookie).set("X-Forwarded-Proto", "https");
  expect([answer.status, answer.body.claims]).toEqual([200, AMARA]);
  expect(answer.body.tokens).toMatchObject({ access_token: "test-access-token", token_type: "bearer" });
  expect((await request(app).get(page)).status).toBe(401);
});

test("fetch is logged in with it, as another person each time", async () => {
  const app = createApp();
  const url = await serve(app);
  const subs = await Promise.all(
    ["amara", "jonas"].map(async (sub) => {
      const cookie = await loginAs(app, { sub });
      const answer = await fetch(`${url}/account`, { headers: { cookie } });
      return ((await answer.json()) as { claims: { sub: string } }).claims.sub;
    }),
  );
  expect(subs).toEqual(["amara", "jonas"]);
});

test.skipIf(noChromium)(`a browser is logged in with it${noChromium && ` (${noChromium})`}`, async () => {
  const app = createApp();
  const url = await serve(app);
  const browser = await launchChromium();
  onTestFinished(() => browser.close());
  const context = await browser.newContext();
  await context.addCookies(cookiesFor(await loginAs(app, AMARA), url));
  const page = await context.newPage();
  await page.goto(`${url}/account`);
  expect(await page.locator("body").textContent()).toContain("Amara Okafor");
});

test("tokens are those that are given, and end by the clock", async () => {
  const clock = fakeClock();
  const app = createApp({ options: { clock } });
  const expires_at = clock() / 1000 + 60;
  const cookie = await loginAs(app, AMARA, { access_token: "mine", scope: "openid", expires_at });
  const ask = (path: string) => request(app).get(path).set("Cookie", cookie);
  expect((await ask("/account")).body.tokens).toEqual({
    access_token: "mine",
    token_type: "bearer",
    scope: "openid",
    expires_at,
  });
  clock.advance(59);
  expect((await ask("/fresh")).status).toBe(200);
  clock.advance(1);
  expect((await ask("/fresh")).status).toBe(401); // there is no refresh token
  expect((await ask("/account")).status).toBe(200);
});

test("without tokens they end in an hour, by the app's own clock", async () => {
  const clock = fakeClock(new Date("2020-01-01T00:00:00Z"));
  const app = createApp({ options: { clock } });
  const cookie = await loginAs(app, AMARA);
  const status = async () => (await request(app).get("/fresh").set("Cookie", cookie)).status;
  expect(await status()).toBe(200);
  clock.advance(3600);
  expect(await status()).toBe(401);
});

test("the session holds what the onLogin hook would have put there", async () => {
  const app = createApp();
  app.get("/orders", requireAuth(), (req, res) => void res.json(Object(req.session).userId));
  const session = { userId: "7" } as object;
  const cookie = await loginAs(app, AMARA, {}, { session });
  expect((await request(app).get("/orders").set("Cookie", cookie)).body).toBe("7");
});

test("a session ends by the clock: after a day without a request, and after a week in any case", async () => {
  const clock = fakeClock(new Date("2030-01-01T00:00:00.700Z"));
  expect(clock()).toBe(Date.UTC(2030, 0, 1));
  const app = createApp({ options: { clock } });
  const cookie = await loginAs(app, AMARA);
  const status = async () => (await request(app).get("/account").set("Cookie", cookie)).status;
  for (let day = 0; day < 7; day += 1) {
    expect(await status()).toBe(200);
    clock.advance(24 * 3600 - 120);
  }
  clock.set(Date.UTC(2030, 0, 8));
  expect(await status()).toBe(401);
});

describe("of several portalAuth()", () => {
  test("the one whose callback it is takes the login", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const app = express();
    app.use(
      portalAuth({
        ...OPTIONS,
        redirectUri: "http://127.0.0.1:3000/one/callback",
        routes: { callback: "/one/callback" },
      }),
    );
    app.use(
      portalAuth({
        ...OPTIONS,
        name: "staff",
        redirectUri: "http://127.0.0.1:3000/two/callback",
        routes: { login: "/two/login", callback: "/two/callback", logout: "/two/logout" },
      }),
    );
    app.get("/who", (req, res) => {
      res.json({ one: req.portal.claims?.sub, two: req.portals?.["staff"]?.claims?.sub });
    });
    const cookie = await loginAs(app, { sub: "jonas" }, {}, { path: "/two/callback" });
    expect((await request(app).get("/who").set("Cookie", cookie)).body).toEqual({ two: "jonas" });
    const byName = await loginAs(app, { sub: "kim" }, {}, { portal: "staff" });
    expect((await request(app).get("/who").set("Cookie", byName)).body).toEqual({ two: "kim" });
    await expect(loginAs(app, { sub: "kim" }, {}, { portal: "stuff" })).rejects.toThrow(
      "its name with { portal }",
    );
  });

  test("the one that a host chooses takes it", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const tenants = new Map(
      ["a.example", "b.example"].map((host) => [
        host,
        portalAuth({ ...OPTIONS, redirectUri: `https://${host}/callback` }),
      ]),
    );
    const app = express();
    app.use(choosePortalAuth((req) => tenants.get(req.hostname)));
    app.get("/account", requireAuth(), (req, res) => void res.json(req.portal.claims));
    const cookie = await loginAs(app, AMARA, {}, { headers: { host: "b.example" } });
    const as = (host: string) => request(app).get("/account").set({ Cookie: cookie, Host: host });
    expect([(await as("b.example")).status, (await as("a.example")).status]).toEqual([200, 401]);
  });
});

test("whoever else finds the port of its request gets no login", async () => {
  const app = express();
  const strangers: Promise<unknown>[] = [];
  app.use((req, _res, next) => {
    const { localPort } = req.socket;
    strangers.push(
      fetch(`http://127.0.0.1:${localPort}/callback`).then(
        ({ status }) => status,
        () => "cut off",
      ),
    );
    Promise.all(strangers).then(() => next(), next);
  });
  app.use(createApp());
  await loginAs(app, AMARA);
  expect(await Promise.all(strangers)).toEqual(["cut off"]);
});

describe("what cannot be is told", () => {
  test.each([[{}], [{ sub: "" }], [undefined]])("claims without a sub: %j", async (claims) => {
    await expect(loginAs(createApp(), claims as never)).rejects.toThrow(TypeError);
  });

  test.each([["http://127.0.0.1:3000"], [createServer()], [undefined]])(
    "an app that is none: %s",
    async (app) => {
      await expect(loginAs(app as never, AMARA)).rejects.toThrow("loginAs: give the app itself");
    },
  );

  test.each(["id", "cookie", "portal"])("a key of the session that is taken: %s", async (key) => {
    const session = { [key]: "x" } as object;
    await expect(loginAs(createApp(), AMARA, {}, { session })).rejects.toThrow(
      `the session's key ${key} belongs to`,
    );
  });

  test("an app in which no portalAuth() takes it, with what was tried", async () => {
    createApp();
    const app = express();
    await expect(loginAs(app, AMARA)).rejects.toThrow(
      /no portalAuth\(\) of this app .*\/callback answered 404.*\{ path \}/,
    );
  });

  test("a store that fails", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const store = createMemoryStore();
    vi.spyOn(store, "createEntry").mockRejectedValue(new Error("full"));
    await expect(
      loginAs(createApp({ options: { store } }), AMARA, {}, { path: "/callback" }),
    ).rejects.toThrow("/callback answered 503");
  });
});

test("nobody can do it from outside: a request of the same shape is a callback like any other", async () => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const app = createApp();
  await loginAs(app, AMARA);
  const answer = await request(app).get("/callback").set("accept", "*/*");
  expect([answer.status, answer.headers["set-cookie"], answer.body.code]).toEqual([
    400,
    undefined,
    "callback_invalid",
  ]);
});
