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

/** The provider is unreachable, because no test of this file needs it. */
const OPTIONS: PortalAuthOptions = {
  issuer: "https://provider.invalid",
  clientId: "app",
  clientSecret: "the-client-secret-of-the-app",
  redirectUri: "http://127.0.0.1:3000/callback",
  secret: "0123456789abcdef0123456789abcdef",
};

interface AppOptions {
  options?: PortalAuthOptions;
  mount?: string;
  createExpress?: () => Express;
  before?: (app: Express) => void;
}

function createApp({ options = {}, mount = "/", createExpress = express, before }: AppOptions = {}): Express {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const app = createExpress();
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

test.each<[string, AppOptions]>([
  ["an app with Express 5", {}],
  ["an app with Express 4", { createExpress: express4 as unknown as typeof express }],
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
  ["encrypted tokens", { options: { tokenEncryptionKey: "k".repeat(40) } }],
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
])("supertest is signed in with the cookie header: %s", async (_case, options) => {
  const app = createApp(options);
  const cookie = await loginAs(app, AMARA);
  const page = `${options.mount ?? ""}/account`;
  const response = await request(app).get(page).set("Cookie", cookie).set("X-Forwarded-Proto", "https");
  expect([response.status, response.body.claims]).toEqual([200, AMARA]);
  expect(response.body.tokens).toMatchObject({ access_token: "test-access-token", token_type: "bearer" });
  expect((await request(app).get(page)).status).toBe(401);
});

test("fetch is signed in with the cookie header, as another user each time", async () => {
  const app = createApp();
  const url = await serve(app);
  const subs = await Promise.all(
    ["amara", "jonas"].map(async (sub) => {
      const cookie = await loginAs(app, { sub });
      const response = await fetch(`${url}/account`, { headers: { cookie } });
      return ((await response.json()) as { claims: { sub: string } }).claims.sub;
    }),
  );
  expect(subs).toEqual(["amara", "jonas"]);
});

test.skipIf(noChromium)(
  `a browser is signed in with the cookies of cookiesFor()${noChromium && ` (${noChromium})`}`,
  async () => {
    const app = createApp();
    const url = await serve(app);
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const context = await browser.newContext();
    await context.addCookies(cookiesFor(await loginAs(app, AMARA), url));
    const page = await context.newPage();
    await page.goto(`${url}/account`);
    expect(await page.locator("body").textContent()).toContain("Amara Okafor");
  },
);

test("the session has the tokens of the test, which expire by the clock", async () => {
  const clock = fakeClock();
  const app = createApp({ options: { clock } });
  const expires_at = clock() / 1000 + 60;
  const cookie = await loginAs(app, AMARA, { access_token: "mine", scope: "openid", expires_at });
  const send = (path: string) => request(app).get(path).set("Cookie", cookie);
  expect((await send("/account")).body.tokens).toEqual({
    access_token: "mine",
    token_type: "bearer",
    scope: "openid",
    expires_at,
  });
  clock.advance(59);
  expect((await send("/fresh")).status).toBe(200);
  clock.advance(1);
  expect((await send("/fresh")).status).toBe(401); // There is no refresh token.
  expect((await send("/account")).status).toBe(200);
});

test("the default access token expires in an hour, by the app's own clock", async () => {
  const clock = fakeClock(new Date("2020-01-01T00:00:00Z"));
  const app = createApp({ options: { clock } });
  const cookie = await loginAs(app, AMARA);
  const status = async () => (await request(app).get("/fresh").set("Cookie", cookie)).status;
  expect(await status()).toBe(200);
  clock.advance(3600);
  expect(await status()).toBe(401);
});

test("the session contains the content of the option session", async () => {
  const app = createApp();
  app.get("/orders", requireAuth(), (req, res) => void res.json(Object(req.session).userId));
  const session = { userId: "7" } as object;
  const cookie = await loginAs(app, AMARA, {}, { session });
  expect((await request(app).get("/orders").set("Cookie", cookie)).body).toBe("7");
});

test("a session ends by the clock: a day after the last request, or after a week", async () => {
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

describe("with several portalAuth()", () => {
  test("the callback path or the name selects the one that creates the session", async () => {
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
      "the name of the portalAuth() with { portal }",
    );
  });

  test("the host selects the one that creates the session", async () => {
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

test("another client of the temporary port gets no login", async () => {
  const app = express();
  const others: Promise<unknown>[] = [];
  app.use((req, _res, next) => {
    const { localPort } = req.socket;
    others.push(
      fetch(`http://127.0.0.1:${localPort}/callback`).then(
        ({ status }) => status,
        () => "closed",
      ),
    );
    Promise.all(others).then(() => next(), next);
  });
  app.use(createApp());
  await loginAs(app, AMARA);
  expect(await Promise.all(others)).toEqual(["closed"]);
});

describe("loginAs rejects", () => {
  test.each([[{}], [{ sub: "" }], [undefined]])("claims without sub: %j", async (claims) => {
    await expect(loginAs(createApp(), claims as never)).rejects.toThrow(TypeError);
  });

  test.each([["http://127.0.0.1:3000"], [createServer()], [undefined]])(
    "an app that is not a function: %s",
    async (app) => {
      await expect(loginAs(app as never, AMARA)).rejects.toThrow("loginAs: pass the app itself");
    },
  );

  test.each(["id", "cookie", "portal"])("a reserved key of the session: %s", async (key) => {
    const session = { [key]: "x" } as object;
    await expect(loginAs(createApp(), AMARA, {}, { session })).rejects.toThrow(
      `the session's key ${key} belongs to`,
    );
  });

  test("an app without a portalAuth(), and reports what it has tried", async () => {
    createApp();
    const app = express();
    await expect(loginAs(app, AMARA)).rejects.toThrow(
      /no portalAuth\(\) of this app .*\/callback returned 404.*\{ path \}/,
    );
  });

  test("a login that the store cannot save", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const store = createMemoryStore();
    vi.spyOn(store, "createEntry").mockRejectedValue(new Error("full"));
    await expect(
      loginAs(createApp({ options: { store } }), AMARA, {}, { path: "/callback" }),
    ).rejects.toThrow("/callback returned 503");
  });
});

test("a request from the network with the same path and headers creates no session", async () => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const app = createApp();
  await loginAs(app, AMARA);
  const response = await request(app).get("/callback").set("accept", "*/*");
  expect([response.status, response.headers["set-cookie"], response.body.code]).toEqual([
    400,
    undefined,
    "callback_invalid",
  ]);
});
