import express from "express";
import { describe, expect, test, vi } from "vitest";
import { PortalAuthError, requireAuth } from "../../lib/index.js";
import type { LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld, type WorldOptions } from "../support/world.js";

const HTML = "text/html,application/xhtml+xml,*/*;q=0.8";

describe("without a login", () => {
  test.each<[string, Record<string, string>]>([
    ["a browser that navigates", { "sec-fetch-mode": "navigate", accept: HTML }],
    ["a browser that navigates and accepts anything", { "sec-fetch-mode": "navigate", accept: "*/*" }],
    ["a browser from before Fetch Metadata", { accept: HTML }],
    ["a text-mode browser", { accept: "text/html;q=0.9, text/plain;q=0.5" }],
  ])("%s is redirected to the provider", async (_name, headers) => {
    const { url, browser, provider } = await startWorld();
    const answer = await browser.request(`${url}/account`, { headers });
    expect(answer.status).toBe(302);
    expect(answer.headers.location).toMatch(new RegExp(`^${provider.issuer}/oauth2/authorize\\?`));
  });

  test.each<[string, string, Record<string, string>]>([
    ["fetch", "GET", { "sec-fetch-mode": "cors", accept: "*/*" }],
    ["fetch that accepts HTML", "GET", { "sec-fetch-mode": "same-origin", accept: HTML }],
    [
      "XHR of an old browser",
      "GET",
      { accept: "application/json, text/plain, */*", "x-requested-with": "XMLHttpRequest" },
    ],
    ["a program that accepts anything", "GET", { accept: "*/*" }],
    ["a program that sends no headers", "GET", {}],
    ["an image", "GET", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image", accept: "image/*" }],
    ["a prefetch", "GET", { "sec-fetch-mode": "navigate", "sec-purpose": "prefetch", accept: HTML }],
    [
      "a prerender",
      "GET",
      { "sec-fetch-mode": "navigate", "sec-purpose": "prefetch;prerender", accept: HTML },
    ],
    ["a prefetch of an older browser", "GET", { purpose: "prefetch", accept: HTML }],
    ["a prefetch of Firefox", "GET", { "x-moz": "prefetch", accept: HTML }],
    ["a script that posts a form", "POST", { "sec-fetch-mode": "cors", accept: HTML }],
    ["a DELETE", "DELETE", { accept: "application/json" }],
  ])(
    "%s gets 401 as problem+json with the login URL, and no login starts",
    async (_name, method, headers) => {
      const { url, browser, asked } = await startWorld({
        after: (app) => app.all("/thing", requireAuth(), (_req, res) => void res.send("in")),
      });
      const answer = await browser.request(`${url}/thing`, { method, headers });
      expect(answer.status).toBe(401);
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm=/);
      expect(answer.headers["set-cookie"]).toBeUndefined();
      expect(asked("/.well-known/openid-configuration")).toEqual([]);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(answer.body)).toEqual({
        type: "urn:express-portal-auth:login_required",
        title: expect.any(String),
        status: 401,
        code: "login_required",
        request_id: expect.stringMatching(/^[0-9a-f]{12}$/),
        login: "/login",
      });
    },
  );

  test.each([
    ["the URL of its page", (url: string) => `${url}/orders/new?item=7`, undefined, "/orders/new?item=7"],
    ["the start page if its page is on another site", () => "https://evil.example/page", undefined, "/"],
    ["the start page if there is no Referer", () => undefined, undefined, "/"],
    ["the URL of the guard", (url: string) => `${url}/orders/new`, { returnTo: "/orders" }, "/orders"],
  ])(
    "a form gets 401 and a page with a login link that returns to %s",
    async (_name, referer, options, back) => {
      const { url, browser } = await startWorld({
        after: (app) => app.post("/thing", requireAuth(options), (_req, res) => void res.send("in")),
      });
      const from = referer(url);
      const headers: Record<string, string> = from === undefined ? {} : { referer: from };
      const answer = await browser.navigate(`${url}/thing`, { method: "POST", form: { a: "b" }, headers });
      expect([answer.status, answer.headers["set-cookie"]]).toEqual([401, undefined]);
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm=/);
      expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
      expect(answer.body).toContain(`href="/login?returnTo=${encodeURIComponent(back)}">Sign in</a>`);
      expect(answer.body).toContain("<title>Please sign in</title>");
      expect(answer.body).toContain("was not saved.");
    },
  );

  test("two sentences are joined without a space in Chinese", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.post("/thing", requireAuth(), (_req, res) => void res.send("in")),
    });
    const headers = { "accept-language": "zh" };
    const answer = await browser.navigate(`${url}/thing`, { method: "POST", form: {}, headers });
    expect(answer.body).toContain("<p>请先登录。您提交的内容未保存，请登录后重新提交。</p>");
  });

  test("a form at a guard with maxAge gets a button that requests the same max_age", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.post("/thing", requireAuth({ maxAge: 300 }), (_req, res) => void res.send("in")),
    });
    const answer = await browser.navigate(`${url}/thing`, { method: "POST", form: {} });
    expect(answer.body).toContain("/login?returnTo=%2F&amp;max_age=300");
  });

  test("HEAD gets 401 and starts no login", async () => {
    const { url, browser } = await startWorld();
    const answer = await browser.navigate(`${url}/account`, { method: "HEAD" });
    expect([answer.status, answer.headers["set-cookie"]]).toEqual([401, undefined]);
  });
});

describe("with a login", () => {
  test("a request passes, with any method and headers", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.all("/thing", requireAuth(), (_req, res) => void res.send("in")),
    });
    await browser.visit(`${url}/account`);
    for (const method of ["GET", "POST", "DELETE"])
      expect((await browser.fetch(`${url}/thing`, { method })).body).toBe("in");
  });

  test("a request passes without I/O, cryptography or await", async () => {
    const { url, browser } = await startWorld({
      after: (app) => {
        app.get("/sync", (req, res) => {
          let passed = false;
          requireAuth()(req, res, () => {
            passed = true;
          });
          res.json(passed);
        });
      },
    });
    await browser.visit(`${url}/account`);
    expect((await browser.fetch(`${url}/sync`)).body).toBe("true");
  });
});

describe("returnTo", () => {
  test("defaults to the requested URL with its query", async () => {
    const { url, browser } = await startWorld();
    const page = await browser.visit(`${url}/account?tab=2&q=a%20b`);
    expect(JSON.parse(page.body).page).toBe("/account?tab=2&q=a%20b");
  });

  test.each<[string, Parameters<typeof requireAuth>[0]]>([
    ["fixed", { returnTo: "/account?fixed" }],
    ["for each request", { returnTo: (req) => `/account?${req.query["to"]}` }],
  ])("can be set: %s", async (_name, options) => {
    const { url, browser } = await startWorld({
      after: (app) => app.get("/gate", requireAuth(options), (_req, res) => void res.send("in")),
    });
    const page = await browser.visit(`${url}/gate?to=fixed`);
    expect(JSON.parse(page.body).page).toBe("/account?fixed");
  });

  test("cannot leave the site", async () => {
    const { url, browser } = await startWorld({
      after: (app) =>
        app.get(
          "/gate",
          requireAuth({ returnTo: (req) => String(req.query["to"]) }),
          (_req, res) => void res.send("in"),
        ),
    });
    expect((await browser.visit(`${url}/gate?to=//evil.example`)).body).toBe("home");
  });

  test("a function that throws causes an error page, not a crash", async () => {
    const options = {
      returnTo: () => {
        throw new Error("no idea");
      },
    };
    const { url, browser } = await startWorld({
      after: (app) => app.get("/gate", requireAuth(options), (_req, res) => void res.send("in")),
      log: [/no idea/],
    });
    expect((await browser.visit(`${url}/gate`)).status).toBe(500);
  });
});

describe("freshToken", () => {
  const TOKEN_SECONDS = 300;

  /** Signs a user in and adds a page that shows what its handler finds. */
  async function start({ options, ...worldOptions }: WorldOptions = {}) {
    const { clock, later } = createClock();
    const reached = vi.fn();
    const world = await startWorld({
      ...worldOptions,
      options: { clock, ...options },
      after: (app) => {
        app.get("/test/fresh", requireAuth({ freshToken: true }), async (req, res) => {
          res.json((await req.portal.tokens())?.access_token);
        });
        app.all("/data", requireAuth({ freshToken: true, returnTo: "/account?after" }), (_req, res) => {
          reached();
          res.send("in");
        });
      },
    });
    await world.browser.visit(`${world.url}/account`);
    const { access_token } = (await world.me()).tokens ?? {};
    const getHandlerToken = async () =>
      JSON.parse((await world.browser.fetch(`${world.url}/test/fresh`)).body);
    return { ...world, later, getHandlerToken, reached, initialToken: access_token };
  }

  test("passes with one store access and no provider request while the token is valid", async () => {
    const store = observedStore();
    const { getHandlerToken, initialToken, provider } = await start({ options: { store } });
    const asked = provider.requests.length;
    store.calls();
    expect(await getHandlerToken()).toBe(initialToken);
    expect(store.calls()).toEqual(["readEntry"]);
    expect(provider.requests).toHaveLength(asked);
  });

  test("is off by default: a guard alone refreshes nothing", async () => {
    const { browser, url, later, me, initialToken } = await start();
    later(TOKEN_SECONDS);
    expect((await browser.fetch(`${url}/account`)).status).toBe(200);
    expect((await me()).tokens?.access_token).toBe(initialToken);
  });

  test("gives the handler a new token after the old one has expired", async () => {
    const { getHandlerToken, later, me, initialToken, asked } = await start();
    later(TOKEN_SECONDS);
    const token = await getHandlerToken();
    expect(token).not.toBe(initialToken);
    expect(token).toBe((await me()).tokens?.access_token);
    expect(asked("/oauth2/token")).toHaveLength(2);
  });

  test("sends a visitor to the login", async () => {
    const { url, provider } = await start();
    const asked = provider.requests.length;
    expect((await new Browser().fetch(`${url}/data`)).status).toBe(401);
    expect((await new Browser().navigate(`${url}/data`)).status).toBe(302);
    expect(provider.requests).toHaveLength(asked);
  });

  describe.each<[string, string, (world: Awaited<ReturnType<typeof start>>) => Promise<unknown>]>([
    [
      "a login that the provider has ended",
      "refresh_refused",
      async ({ provider }) => rejectNextRefresh(provider),
    ],
    [
      "a token that has expired and cannot be refreshed",
      "token_expired",
      async ({ provider, browser, url }) => {
        provider.nextTokenResponse({ refresh_token: undefined });
        await browser.visit(`${url}/login`, { site: "same-origin" });
      },
    ],
  ])("%s", (_name, code, prepare) => {
    test("leads a browser to the login and then to the requested page", async () => {
      const world = await start({ log: [/refresh_refused/] });
      await prepare(world);
      world.later(TOKEN_SECONDS);
      const { browser, url, provider } = world;
      const { status, headers } = await browser.navigate(`${url}/data`);
      expect([status, headers.location?.startsWith(`${provider.issuer}/oauth2/authorize?`)]).toEqual([
        302,
        true,
      ]);
      const page = await browser.visit(headers.location ?? "");
      expect(JSON.parse(page.body).page).toBe("/account?after");
    });

    test.each(["GET", "POST"])(
      "gives a script 401 with the reason and the login URL (%s)",
      async (method) => {
        const world = await start({ log: [/refresh_refused/] });
        await prepare(world);
        world.later(TOKEN_SECONDS);
        const { status, headers, body } = await world.browser.fetch(`${world.url}/data`, { method });
        expect([status, headers["content-type"]]).toEqual([401, "application/problem+json"]);
        expect(JSON.parse(body)).toMatchObject({ code, login: "/login" });
        expect(world.reached).not.toHaveBeenCalled(); // the handler did not run
      },
    );
  });

  test("a hook that rejects the user leads to the login, where it is called again", async () => {
    const onTokens = vi.fn();
    const { browser, url, later, me } = await start({ options: { hooks: { onTokens } } });
    onTokens.mockRejectedValue(new PortalAuthError("login_refused", { sentence: "Members only." }));
    later(TOKEN_SECONDS);
    const page = await browser.visit(`${url}/data`);
    expect([page.status, page.body.includes("Members only.")]).toEqual([403, true]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("a hook that rejects the user gives a script 403", async () => {
    const onTokens = vi.fn();
    const { browser, url, later, me } = await start({ options: { hooks: { onTokens } } });
    onTokens.mockRejectedValue(new PortalAuthError("login_refused", { sentence: "Members only." }));
    later(TOKEN_SECONDS);
    const { status, body } = await browser.fetch(`${url}/data`);
    expect([status, JSON.parse(body)]).toMatchObject([
      403,
      { code: "login_refused", title: "Members only." },
    ]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("if the provider is down, a browser gets a page and a script a problem, both with 503", async () => {
    const { browser, url, later, me, provider, reached } = await start({ log: [/portal_unreachable/] });
    provider.goDown();
    later(TOKEN_SECONDS);
    const page = await browser.navigate(`${url}/data`);
    expect([page.status, page.headers["retry-after"], page.headers["content-type"]]).toEqual([
      503,
      "5",
      "text/html; charset=utf-8",
    ]);
    expect(page.body).toContain("portal_unreachable");
    const problem = await browser.fetch(`${url}/data`);
    expect([problem.status, problem.headers["retry-after"]]).toEqual([503, "5"]);
    expect(JSON.parse(problem.body)).toMatchObject({ code: "portal_unreachable", status: 503 });
    expect(reached).not.toHaveBeenCalled();
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("if the provider is down, requests pass while the token is valid", async () => {
    const { getHandlerToken, later, initialToken, provider } = await start({ log: [/portal_unreachable/] });
    provider.goDown();
    later(TOKEN_SECONDS - 1);
    expect(await getHandlerToken()).toBe(initialToken);
  });

  test("a hook that throws causes an error 500, and the session stays", async () => {
    const onTokens = vi.fn();
    const { browser, url, later, me } = await start({
      options: { hooks: { onTokens } },
      log: [/hook_failed/],
    });
    onTokens.mockRejectedValueOnce(new Error("the database is down"));
    later(TOKEN_SECONDS);
    const problem = await browser.fetch(`${url}/data`);
    expect([problem.status, JSON.parse(problem.body).code]).toEqual([500, "hook_failed"]);
    expect((await me()).isAuthenticated).toBe(true);
  });
});

function rejectNextRefresh(provider: LocalProvider): void {
  provider.answerNext("/oauth2/token", (_req, res) => {
    res.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');
  });
}

test("a guard without portalAuth() before it reports that", async () => {
  const { log, url, browser } = await startWorld({
    before: (app) => app.get("/too-early", requireAuth(), (_req, res) => void res.send("in")),
    log: [/portal_auth_missing/],
  });
  const answer = await browser.fetch(`${url}/too-early`);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([500, "portal_auth_missing"]);
  expect(log.join()).toContain("app.use(portalAuth())");
});

test("a name without a portalAuth() is logged with the existing names", async () => {
  const lines: string[] = [];
  const write = (_fields: object, line: string) => void lines.push(line);
  const { url, browser } = await startWorld({
    options: { logger: { warn: write, error: write } },
    after: (app) => app.get("/payroll", requireAuth({ portal: "stuff" }), (_req, res) => void res.send("in")),
  });
  const answer = await browser.fetch(`${url}/payroll`);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([500, "portal_auth_missing"]);
  expect(lines.join()).toContain('no portalAuth({ name: "stuff" }) was mounted before; available: default');
});

test("an invalid option fails at start-up", () => {
  // @ts-expect-error a typo
  expect(() => requireAuth({ returnto: "/x" })).toThrow("there is no option returnto");
  // @ts-expect-error a wrong type
  expect(() => requireAuth({ returnTo: 7 })).toThrow("returnTo must be");
  // @ts-expect-error a wrong type
  expect(() => requireAuth({ freshToken: "yes" })).toThrow("freshToken must be true or false");
});

test("the problem contains the login URL below the router's mount path", async () => {
  const { url, browser } = await startWorld({ mount: "/app" });
  expect(JSON.parse((await browser.fetch(`${url}/app/account`)).body).login).toBe("/app/login");
});

test("the problem contains no login URL if there is no login route", async () => {
  const { url, browser } = await startWorld({ options: { routes: { login: false } } });
  expect(JSON.parse((await browser.fetch(`${url}/account`)).body)).not.toHaveProperty("login");
  expect((await browser.visit(`${url}/login`)).status).toBe(404);
  expect((await browser.visit(`${url}/account`)).status).toBe(200);
});

test("a guard in a router of the application returns to the complete URL", async () => {
  const { url, browser } = await startWorld({
    after: (app) => {
      const router = express.Router();
      router.get("/page", requireAuth(), (req, res) => void res.send(req.originalUrl));
      app.use("/deep/er", router);
    },
  });
  expect((await browser.visit(`${url}/deep/er/page?x=1`)).body).toBe("/deep/er/page?x=1");
  expect((await new Browser().fetch(`${url}/deep/er/page`)).status).toBe(401);
});
