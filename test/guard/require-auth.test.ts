import express from "express";
import { describe, expect, test, vi } from "vitest";
import { PortalAuthError, requireAuth } from "../../lib/index.js";
import type { LocalProvider } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld, type WorldOptions } from "../support/world.js";

const HTML = "text/html,application/xhtml+xml,*/*;q=0.8";

describe("somebody who is not logged in", () => {
  test.each<[string, Record<string, string>]>([
    ["a browser that navigates", { "sec-fetch-mode": "navigate", accept: HTML }],
    ["a browser that navigates, whatever it accepts", { "sec-fetch-mode": "navigate", accept: "*/*" }],
    ["a browser from before Fetch Metadata", { accept: HTML }],
    ["a text browser", { accept: "text/html;q=0.9, text/plain;q=0.5" }],
  ])("%s goes straight to the portal", async (_name, headers) => {
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
    ["a program that says nothing", "GET", {}],
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
    "%s gets 401 as problem+json with the login address, and no login begins",
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
    ["its page's address", (url: string) => `${url}/orders/new?item=7`, undefined, "/orders/new?item=7"],
    ["the start page if its page is another site's", () => "https://evil.example/page", undefined, "/"],
    ["the start page if there is no Referer", () => undefined, undefined, "/"],
    ["the guard's own address", (url: string) => `${url}/orders/new`, { returnTo: "/orders" }, "/orders"],
  ])(
    "a form gets 401 and a page that leads to the login, and back to %s",
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
      expect(answer.body).toContain("The data that you submitted was not saved.");
    },
  );

  test("the two sentences for a form are joined without a space in Chinese", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.post("/thing", requireAuth(), (_req, res) => void res.send("in")),
    });
    const headers = { "accept-language": "zh" };
    const answer = await browser.navigate(`${url}/thing`, { method: "POST", form: {}, headers });
    expect(answer.body).toContain("<p>请先登录。您提交的内容未保存，请登录后重新提交。</p>");
  });

  test("a form that meets a guard with maxAge gets a button for a login that is as fresh", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.post("/thing", requireAuth({ maxAge: 300 }), (_req, res) => void res.send("in")),
    });
    const answer = await browser.navigate(`${url}/thing`, { method: "POST", form: {} });
    expect(answer.body).toContain("/login?returnTo=%2F&amp;max_age=300");
  });

  test("HEAD gets 401 and begins nothing", async () => {
    const { url, browser } = await startWorld();
    const answer = await browser.navigate(`${url}/account`, { method: "HEAD" });
    expect([answer.status, answer.headers["set-cookie"]]).toEqual([401, undefined]);
  });
});

describe("somebody who is logged in", () => {
  test("passes, by whatever means they ask", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.all("/thing", requireAuth(), (_req, res) => void res.send("in")),
    });
    await browser.visit(`${url}/account`);
    for (const method of ["GET", "POST", "DELETE"])
      expect((await browser.fetch(`${url}/thing`, { method })).body).toBe("in");
  });

  test("is let in without any wait: no I/O, no crypto, no await", async () => {
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
  test("is the address that was asked for, query included", async () => {
    const { url, browser } = await startWorld();
    const page = await browser.visit(`${url}/account?tab=2&q=a%20b`);
    expect(JSON.parse(page.body).page).toBe("/account?tab=2&q=a%20b");
  });

  test.each<[string, Parameters<typeof requireAuth>[0]]>([
    ["fixed", { returnTo: "/account?fixed" }],
    ["by request", { returnTo: (req) => `/account?${req.query["to"]}` }],
  ])("can be chosen: %s", async (_name, options) => {
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

  test("that throws is answered as a failure, not as a crash", async () => {
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

  /** Somebody who is logged in, and a page that shows what its handler finds. */
  async function start({ options, ...given }: WorldOptions = {}) {
    const { clock, later } = createClock();
    const reached = vi.fn();
    const world = await startWorld({
      ...given,
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
    const found = async () => JSON.parse((await world.browser.fetch(`${world.url}/test/fresh`)).body);
    return { ...world, later, found, reached, before: access_token };
  }

  test("lets a request pass at once while the token is good: the portal is asked for nothing, the store only once", async () => {
    const store = observedStore();
    const { found, before, provider } = await start({ options: { store } });
    const asked = provider.requests.length;
    store.calls();
    expect(await found()).toBe(before);
    expect(store.calls()).toEqual(["readEntry"]);
    expect(provider.requests).toHaveLength(asked);
  });

  test("is not the default: a guard alone refreshes nothing", async () => {
    const { browser, url, later, me, before } = await start();
    later(TOKEN_SECONDS);
    expect((await browser.fetch(`${url}/account`)).status).toBe(200);
    expect((await me()).tokens?.access_token).toBe(before);
  });

  test("gives the handler a new token when the old one has ended", async () => {
    const { found, later, me, before, asked } = await start();
    later(TOKEN_SECONDS);
    const token = await found();
    expect(token).not.toBe(before);
    expect(token).toBe((await me()).tokens?.access_token);
    expect(asked("/oauth2/token")).toHaveLength(2);
  });

  test("sends nobody who is not logged in further than the login", async () => {
    const { url, provider } = await start();
    const asked = provider.requests.length;
    expect((await new Browser().fetch(`${url}/data`)).status).toBe(401);
    expect((await new Browser().navigate(`${url}/data`)).status).toBe(302);
    expect(provider.requests).toHaveLength(asked);
  });

  describe.each<[string, string, (world: Awaited<ReturnType<typeof start>>) => Promise<unknown>]>([
    ["a login that the portal has ended", "refresh_refused", async ({ provider }) => refuseRefresh(provider)],
    [
      "a token that ended and cannot be renewed",
      "token_expired",
      async ({ provider, browser, url }) => {
        provider.nextTokenResponse({ refresh_token: undefined });
        await browser.visit(`${url}/login`, { site: "same-origin" });
      },
    ],
  ])("%s", (_name, code, prepare) => {
    test("leads a browser to the login, and from there to the page that it wanted", async () => {
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
      "is a 401 with its reason and the login's address for a script (%s)",
      async (method) => {
        const world = await start({ log: [/refresh_refused/] });
        await prepare(world);
        world.later(TOKEN_SECONDS);
        const { status, headers, body } = await world.browser.fetch(`${world.url}/data`, { method });
        expect([status, headers["content-type"]]).toEqual([401, "application/problem+json"]);
        expect(JSON.parse(body)).toMatchObject({ code, login: "/login" });
        expect(world.reached).not.toHaveBeenCalled(); // the handler
      },
    );
  });

  test("a hook that refuses the person sends them to the login, where it is asked again", async () => {
    const onTokens = vi.fn();
    const { browser, url, later, me } = await start({ options: { hooks: { onTokens } } });
    onTokens.mockRejectedValue(new PortalAuthError("login_refused", { sentence: "Members only." }));
    later(TOKEN_SECONDS);
    const page = await browser.visit(`${url}/data`);
    expect([page.status, page.body.includes("Members only.")]).toEqual([403, true]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("a hook that refuses the person is a 403 for a script", async () => {
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

  test("a portal that is down is a page for a browser and a problem for a script, 503 with Retry-After", async () => {
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

  test("a portal that is down is nobody's trouble while the token is good", async () => {
    const { found, later, before, provider } = await start({ log: [/portal_unreachable/] });
    provider.goDown();
    later(TOKEN_SECONDS - 1);
    expect(await found()).toBe(before);
  });

  test("a hook that fails is a failure of the app, and logs nobody out", async () => {
    const onTokens = vi.fn();
    const { browser, url, later, me } = await start({
      options: { hooks: { onTokens } },
      log: [/hook_failed/],
    });
    onTokens.mockRejectedValueOnce(new Error("the database is away"));
    later(TOKEN_SECONDS);
    const problem = await browser.fetch(`${url}/data`);
    expect([problem.status, JSON.parse(problem.body).code]).toEqual([500, "hook_failed"]);
    expect((await me()).isAuthenticated).toBe(true);
  });
});

function refuseRefresh(provider: LocalProvider): void {
  provider.answerNext("/oauth2/token", (_req, res) => {
    res.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');
  });
}

test("a guard without portalAuth before it says so plainly", async () => {
  const { log, url, browser } = await startWorld({
    before: (app) => app.get("/too-early", requireAuth(), (_req, res) => void res.send("in")),
    log: [/portal_auth_missing/],
  });
  const answer = await browser.fetch(`${url}/too-early`);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([500, "portal_auth_missing"]);
  expect(log.join()).toContain("app.use(portalAuth())");
});

test("a name that no portalAuth() has is told with those that there are, in the app's own log", async () => {
  const lines: string[] = [];
  const write = (_fields: object, line: string) => void lines.push(line);
  const { url, browser } = await startWorld({
    options: { logger: { warn: write, error: write } },
    after: (app) => app.get("/payroll", requireAuth({ portal: "stuff" }), (_req, res) => void res.send("in")),
  });
  const answer = await browser.fetch(`${url}/payroll`);
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([500, "portal_auth_missing"]);
  expect(lines.join()).toContain('no portalAuth({ name: "stuff" }) has; there are: default');
});

test("a wrong option fails when the app starts", () => {
  // @ts-expect-error a typo
  expect(() => requireAuth({ returnto: "/x" })).toThrow("there is no option returnto");
  // @ts-expect-error a wrong type
  expect(() => requireAuth({ returnTo: 7 })).toThrow("returnTo must be");
  // @ts-expect-error a wrong type
  expect(() => requireAuth({ freshToken: "yes" })).toThrow("freshToken must be true or false");
});

test("the problem names the login where the router is mounted", async () => {
  const { url, browser } = await startWorld({ mount: "/app" });
  expect(JSON.parse((await browser.fetch(`${url}/app/account`)).body).login).toBe("/app/login");
});

test("without a login route the problem names none", async () => {
  const { url, browser } = await startWorld({ options: { routes: { login: false } } });
  expect(JSON.parse((await browser.fetch(`${url}/account`)).body)).not.toHaveProperty("login");
  expect((await browser.visit(`${url}/login`)).status).toBe(404);
  expect((await browser.visit(`${url}/account`)).status).toBe(200);
});

test("a guard works in a router of the app, and comes back to the whole address", async () => {
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
