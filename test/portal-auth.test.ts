import express from "express";
import session from "express-session";
import { describe, expect, onTestFinished, test } from "vitest";
import { portalAuth, requireAuth } from "../lib/index.js";
import { startLocalProvider } from "../lib/testing/provider/local-provider.js";
import { holdNext, logIn, TOKEN_SECONDS } from "./access/signed-in-request.js";
import { signSessionId } from "./hostile/support/sign-in-steps.js";
import { Browser } from "./support/browser.js";
import { createGate } from "./support/gate.js";
import { serve, unreachableUrl } from "./support/serve.js";
import { FORWARDED, startTlsFront } from "./support/tls-front.js";
import {
  getClientOptions,
  SESSION_SECRET,
  startWorld,
  type World,
  type WorldOptions,
} from "./support/world.js";

describe.each([4, 5] as const)("Express %i", (version) => {
  describe.each(["/", "/app", "/deep/er"])("mounted at %s", (mount) => {
    test.each([true, false])(
      "a user signs in, is recognised, and signs out (session of the app: %s)",
      async (ownSession) => {
        const { browser, url, me } = await startWorld({ express: version, mount, ownSession });
        const base = mount === "/" ? "" : mount;
        const page = await browser.visit(`${url}${base}/account?x=1`);
        expect(JSON.parse(page.body).page).toBe(`${base}/account?x=1`);
        expect((await me()).isAuthenticated).toBe(true);
        await browser.visit(`${url}${base}/logout`, { site: "same-origin" });
        expect((await me()).isAuthenticated).toBe(false);
      },
    );
  });

  test("an error in a step gets a response, and the process continues", async () => {
    const { browser, url } = await startWorld({
      express: version,
      options: {
        authorizationParams: async () => {
          throw new Error("no database");
        },
      },
      log: [/no database/],
    });
    const page = await browser.navigate(`${url}/login`);
    expect([page.status, page.body.includes("hook_failed")]).toEqual([500, true]);
    expect((await browser.visit(`${url}/`)).body).toBe("home");
  });

  test("req.portal.login() and logout() never reject: a rejection ends an Express 4 process", async () => {
    const { browser, url, provider } = await startWorld({
      express: version,
      log: [/portal_unreachable/],
      after: (app) => {
        app.get("/sign-up", (req) => req.portal.login({ returnTo: "/account" }));
      },
    });
    provider.goDown();
    const page = await browser.navigate(`${url}/sign-up`);
    expect(page.status).toBe(503);
    expect(page.body).toContain("portal_unreachable");
    expect(page.body).toContain('href="/login?returnTo=%2Faccount"');
  });
});

describe("the routes", () => {
  test("can have other paths", async () => {
    const { browser, url } = await startWorld({
      options: { routes: { login: "/auth/in", logout: "/auth/out" } },
    });
    expect((await browser.navigate(`${url}/auth/in`)).status).toBe(302);
    expect((await browser.navigate(`${url}/auth/out`, { site: "same-origin" })).status).toBe(303);
    expect((await browser.navigate(`${url}/login`)).status).toBe(404);
  });

  test("can be switched off", async () => {
    const { browser, url } = await startWorld({
      options: { routes: { login: false, callback: false, logout: false } },
    });
    for (const path of ["/login", "/callback?code=1&state=1", "/logout"])
      expect((await browser.navigate(url + path)).status).toBe(404);
  });

  test("respond with a trailing slash too, as in Express", async () => {
    const { browser, url } = await startWorld();
    expect((await browser.navigate(`${url}/login/`)).status).toBe(302);
  });

  test("respond to HEAD with 204, and pass other methods to the app", async () => {
    const { browser, url } = await startWorld();
    expect((await browser.navigate(`${url}/login`, { method: "HEAD" })).headers["cache-control"]).toBe(
      "no-store",
    );
    for (const method of ["PUT", "DELETE", "PATCH"])
      expect((await browser.navigate(`${url}/callback`, { method })).status).toBe(404);
  });
});

describe("two routers in one app", () => {
  /** Starts an app with a router for customers at "/" and a router for staff at "/staff". */
  async function startTwo(given: WorldOptions = {}) {
    const staff = await startLocalProvider({ clientId: "demo-app", clientSecret: "s", redirectUris: [] });
    onTestFinished(() => staff.close());
    const world = await startWorld({
      ...given,
      before(app) {
        given.before?.(app);
        const auth = portalAuth({
          issuer: staff.issuer,
          clientId: "demo-app", // both providers use this id: only the issuer differs
          clientSecret: "s",
          redirectUri: "http://127.0.0.1:1/staff/callback",
          secret: SESSION_SECRET,
        });
        app.use("/staff", auth);
        app.get("/staff/payroll", requireAuth(), (_req, res) => void res.send("salaries"));
      },
    });
    return { ...world, staff };
  }

  test.each([true, false])(
    "a user of one provider is a visitor at the other (session of the app: %s)",
    async (ownSession) => {
      const { browser, url, staff } = await startTwo({ ownSession });
      expect((await browser.visit(`${url}/account`)).status).toBe(200);
      const guarded = await browser.navigate(`${url}/staff/payroll`);
      expect(guarded.headers.location).toMatch(new RegExp(`^${staff.issuer}/`));
    },
  );

  test("a login of one router cannot finish at the other, although they share the secret", async () => {
    const { browser, url, asked } = await startTwo({ log: [/login_not_found/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const elsewhere = new URL(`/staff/callback${callback.search}`, url);
    expect((await browser.navigate(elsewhere)).body).toContain("login_not_found");
    expect(asked("/oauth2/token")).toEqual([]);
  });

  test("an attacker's request to one router does not change the sessions of the other", async () => {
    const { browser, url, me } = await startTwo();
    await browser.visit(`${url}/account`);
    await new Browser().navigate(`${url}/staff/nothing`);
    expect((await me()).isAuthenticated).toBe(true);
    expect((await new Browser().visit(`${url}/account`)).status).toBe(200);
  });

  test("a router that is mounted twice works as if it were mounted once", async () => {
    const { browser, url, provider } = await startWorld();
    const app = express();
    const auth = portalAuth({
      ...getClientOptions({ provider, url }),
      profile: "tencent-ciam",
    });
    app.use(auth, auth).get("/account", requireAuth(), (_req, res) => void res.send("in"));
    const twice = await serve(app);
    const { pathname, search } = await browser.loginUntilCallback(`${twice}/account`);
    expect((await browser.navigate(twice + pathname + search)).headers.location).toBe("/account");
    expect((await browser.navigate(`${twice}/account`)).body).toBe("in");
  });
});

test("an app session for some paths does not affect sign-in on other paths", async () => {
  const { browser, url, me, log } = await startWorld({
    before: (app) =>
      app.use("/admin", session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false })),
    log: [/mount it before portalAuth/],
  });
  await browser.visit(`${url}/account`);
  await new Browser().navigate(`${url}/admin/nothing`);
  expect((await me()).isAuthenticated).toBe(true);
  expect((await new Browser().visit(`${url}/account`)).status).toBe(200);
  expect(log.filter((line) => line.includes("mount it before portalAuth"))).toHaveLength(1);
});

test("the app starts and serves pages while the provider is unreachable", async () => {
  const app = express();
  app.use(
    portalAuth({
      issuer: "https://portal.invalid",
      clientId: "x",
      clientSecret: "x",
      redirectUri: "http://127.0.0.1:3000/callback",
      secret: SESSION_SECRET,
    }),
  );
  expect(app).toBeDefined();
});

test("invalid options stop the app at start-up", () => {
  expect(() => portalAuth({ issuer: "nowhere" })).toThrow(/PORTAL_ISSUER/);
});

/** Options of an app behind a proxy that terminates TLS. */
async function startBehindProxy(
  given: WorldOptions & { forwardedHeaders?: Record<string, string> } = {},
): Promise<World & { origin: string }> {
  let target = "";
  const { forwardedHeaders = FORWARDED } = given;
  const front = await startTlsFront(
    () => target,
    () => forwardedHeaders,
  );
  onTestFinished(() => front.close());
  const { url: origin, ca } = front;
  const world = await startWorld({ ...given, publicOrigin: origin });
  target = world.url;
  const browser = new Browser(ca);
  return { ...world, browser, origin, me: () => world.me(browser) };
}

describe("behind a proxy that terminates TLS", () => {
  test.each<[string, WorldOptions]>([
    ["our session, without trust proxy", {}],
    ["our session, with trust proxy", { before: (app) => app.set("trust proxy", 1) }],
    ["the app's session, with trust proxy", { ownSession: true, before: (app) => app.set("trust proxy", 1) }],
    ["our session, on Express 4", { express: 4 }],
  ])("a user signs in: %s", async (_name, given) => {
    const { browser, origin, me } = await startBehindProxy(given);
    expect((await browser.visit(`${origin}/account`)).status).toBe(200);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("our cookies are Secure and have the prefix __Host-", async () => {
    const { browser, origin } = await startBehindProxy();
    await browser.visit(`${origin}/account`);
    const lines = browser.answers.flatMap(({ url, headers }) =>
      url.startsWith(origin) ? (headers["set-cookie"] ?? []) : [],
    );
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines)
      expect(line).toMatch(/^__Host-portal-(login\.|session=).*; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/);
  });

  test("that sends no X-Forwarded-Proto causes an error page, not a redirect loop", async () => {
    const { browser, origin, log } = await startBehindProxy({
      forwardedHeaders: {},
      log: [/proxy_not_trusted/],
    });
    const page = await browser.visit(`${origin}/account`);
    expect([page.status, page.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    expect(page.url).toBe(`${origin}/account`); // before any request to the provider
    expect(log.join()).toContain("X-Forwarded-Proto: https");
  });

  test.each<[string, Record<string, string>]>([
    ["no header says https", {}],
    [
      "Forwarded: proto=https came",
      { forwarded: 'for=203.0.113.7;proto="https";host=app.example, for=10.0.0.1;proto=http' },
    ],
    ["X-Forwarded-Ssl: on came", { "x-forwarded-ssl": "on" }],
    ["Front-End-Https: on came", { "front-end-https": "On" }],
    ["X-Forwarded-Scheme: https came", { "x-forwarded-scheme": "https" }],
    ["CloudFront-Forwarded-Proto: https came", { "cloudfront-forwarded-proto": "https" }],
  ])(
    "that does not send X-Forwarded-Proto: the log says that %s, and no login starts",
    async (seen, forwardedHeaders) => {
      const { browser, origin, log, asked } = await startBehindProxy({
        forwardedHeaders,
        log: [/proxy_not_trusted/],
      });
      expect((await browser.navigate(`${origin}/account`)).status).toBe(500);
      expect(log.join()).toContain(`[${seen}`);
      expect(log.join()).toContain("PORTAL_TLS_TERMINATED=on");
      expect(asked("/oauth2/authorize")).toEqual([]);
    },
  );

  test("that reports http in Forwarded: the user came over http", async () => {
    const forwardedHeaders = { forwarded: "proto=http" };
    const { browser, origin } = await startBehindProxy({ forwardedHeaders, log: [/login_over_http/] });
    expect((await browser.navigate(`${origin}/account`)).body).toContain("login_over_http");
  });

  test.each<[string, WorldOptions & { forwardedHeaders?: Record<string, string> }]>([
    ["no header", { forwardedHeaders: {} }],
    ["no header, on Express 4", { forwardedHeaders: {}, express: 4 }],
    ["no header, to an app with a session of its own", { forwardedHeaders: {}, ownSession: true }],
    ["no header, to a Strict session", { forwardedHeaders: {}, options: { sameSite: "strict" } }],
    ["no header, to a router with a name", { forwardedHeaders: {}, options: { name: "staff" } }],
    ["a header that says http, behind another proxy", { forwardedHeaders: { "x-forwarded-proto": "http" } }],
  ])("and sends %s: with tlsTerminated a user signs in, and all cookies are Secure", async (_what, given) => {
    const { browser, origin } = await startBehindProxy({
      ...given,
      options: { ...given.options, tlsTerminated: true },
      after: (app) => app.get("/test/secure", (req, res) => void res.json(req.secure)),
    });
    const page = await browser.visit(`${origin}/account`);
    const again =
      page.headers["refresh"] &&
      (await browser.visit(new URL(String(page.headers["refresh"]).slice(7), page.url), {
        site: "same-origin",
      }));
    expect((again || page).status).toBe(200);
    expect((await browser.visit(`${origin}/account`)).status).toBe(200);
    expect((await browser.visit(`${origin}/test/secure`)).body).toBe("true");
    const lines = browser.answers.flatMap(({ url, headers }) =>
      url.startsWith(origin) ? (headers["set-cookie"] ?? []) : [],
    );
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toContain("; Secure");
  });

  test("that sends no header, although the app's session needs it: the log explains it", async () => {
    const { browser, origin, log } = await startBehindProxy({
      forwardedHeaders: {},
      before: (app) =>
        app.use(
          session({
            secret: "s",
            resave: false,
            saveUninitialized: false,
            proxy: true,
            cookie: { secure: true },
          }),
        ),
      options: { tlsTerminated: true },
      log: [/proxy_not_trusted/],
    });
    const page = await browser.visit(`${origin}/account`);
    expect([page.status, page.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    expect(log.join()).toContain("no header says https");
  });

  test("that reports https only at the login: the error comes before the code is sent", async () => {
    const forwardedHeaders: Record<string, string> = { "x-forwarded-proto": "https" };
    const { browser, origin, asked } = await startBehindProxy({
      forwardedHeaders,
      log: [/proxy_not_trusted/],
    });
    const callback = await browser.loginUntilCallback(`${origin}/account`);
    delete forwardedHeaders["x-forwarded-proto"];
    const page = await browser.navigate(callback);
    expect([page.status, page.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    expect(asked("/oauth2/token")).toEqual([]);
  });

  test("the log explains why an app session that ignores the header sends no cookie", async () => {
    const { browser, origin, log } = await startBehindProxy({ ownSession: true, log: [/proxy_not_trusted/] });
    const callback = await browser.loginUntilCallback(`${origin}/account`);
    await browser.navigate(callback);
    expect(log.join()).toContain("app.set('trust proxy', 1)");
  });

  test("a user on http gets a page that explains it and links to https", async () => {
    const { browser, origin, asked } = await startBehindProxy({
      forwardedHeaders: { "x-forwarded-proto": "http" },
      log: [/login_over_http/],
    });
    const page = await browser.navigate(`${origin}/account`);
    expect([page.status, page.body.includes("login_over_http")]).toEqual([400, true]);
    expect(page.body).toContain(`href="${origin}/login?returnTo=%2Faccount"`);
    expect(asked("/oauth2/authorize")).toEqual([]);
  });

  test("a second failed return gets an error page before another request to the provider", async () => {
    const { browser, origin, asked } = await startBehindProxy({
      ownSession: true,
      log: [/proxy_not_trusted/],
    });
    const page = await browser.visit(`${origin}/account`);
    expect([page.status, page.body.includes("proxy_not_trusted")]).toEqual([500, true]);
    expect([asked("/oauth2/token").length, asked("/oauth2/authorize").length]).toEqual([1, 1]);
  });

  test("Host and X-Forwarded-Host change neither the redirect_uri nor any other URL", async () => {
    const { browser, origin, provider } = await startBehindProxy({
      log: [/A login begins at the host evil\.example, but/],
      before: (app) => app.set("trust proxy", true),
      forwardedHeaders: {
        host: "evil.example",
        "x-forwarded-host": "evil.example",
        forwarded: "host=evil.example;proto=http",
        "x-forwarded-proto": "https",
      },
    });
    for (const path of ["/login", "/account", "/logout"]) {
      const { headers } = await browser.navigate(origin + path, { site: "same-origin" });
      const to = new URL(headers.location ?? "");
      expect(to.origin).toBe(provider.issuer);
      expect(decodeURIComponent(to.href)).not.toContain("evil.example");
    }
    const login = new URL((await browser.navigate(`${origin}/login`)).headers.location ?? "");
    expect(login.searchParams.get("redirect_uri")).toBe(`${origin}/callback`);
  });
});

test("every request that needs an unreachable store gets an error with the reason in the log", async () => {
  const { port } = new URL(await unreachableUrl());
  const store = `redis://127.0.0.1:${port}`;
  const { browser, url, log, auth } = await startWorld({
    options: { store },
    log: [/session_store_failed/, /Redis/],
  });
  onTestFinished(() => auth.close());
  const headers = { cookie: `portal-session=${signSessionId("a".repeat(32))}` };
  expect((await browser.fetch(`${url}/account`, { headers })).status).toBe(503);
  expect(log.join()).toContain(
    "[read; the store's connection: ECONNREFUSED, no server listens at that host and port]",
  );
});

describe("close() at shutdown", () => {
  test("waits for a running refresh, so that its tokens are not lost with the process", async () => {
    const { auth, ask, later, provider, stored, me } = await logIn();
    later(TOKEN_SECONDS);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    const asking = ask();
    await arrived;
    let isClosed = false;
    const closing = auth.close().then(() => {
      isClosed = true;
    });
    await me(); // one complete request later
    expect(isClosed).toBe(false);
    letGo();
    await closing;
    expect(await stored()).toMatchObject([{ version: 2 }]);
    expect((await asking).status).toBe(200);
  });

  test("does not fail because a refresh fails", async () => {
    const { auth, ask, later, provider } = await logIn({ log: [/portal_failed/] });
    later(TOKEN_SECONDS);
    const arrived = createGate();
    const gate = createGate();
    provider.answerNext("/oauth2/token", async (_req, res) => {
      arrived.open();
      await gate.opened;
      res.writeHead(500).end();
    });
    const asking = ask();
    await arrived.opened;
    const closing = auth.close();
    gate.open();
    await closing;
    expect((await asking).code).toBe("portal_failed");
  });
});
