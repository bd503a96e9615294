import express, { type Express } from "express";
import { describe, expect, test } from "vitest";
import { choosePortalAuth, type PortalAuthOptions, portalAuth, requireAuth } from "../lib/index.js";
import type { Browser } from "./support/browser.js";
import { advanceDate } from "./support/fake-time.js";
import { noNginx, startNginx } from "./support/nginx.js";
import { freePort } from "./support/servers/free-port.mjs";
import { SESSION_SECRET, startWorld, type World, type WorldOptions } from "./support/world.js";

// A proxy that removes a path prefix: browsers see /app/account, the application sees /account.

interface Behind extends World {
  /** The URL of nginx, which browsers use. */
  readonly front: string;
}

/** Starts an app behind nginx, which removes /app. Other paths get 404. */
async function startBehind(options: WorldOptions | ((front: string) => WorldOptions) = {}): Promise<Behind> {
  const port = await freePort();
  const front = `http://127.0.0.1:${port}`;
  const given = typeof options === "function" ? options(front) : options;
  const world = await startWorld({ prefix: "/app", publicOrigin: front, ...given });
  await startNginx(`server {
    listen 127.0.0.1:${port};
    location /app/ { proxy_pass ${world.url}/; proxy_set_header Host $http_host; }
    location / { return 404 "not the application"; }
  }`);
  return { ...world, front };
}

/**
 * Mounts more routers beside the one of startWorld(): one with a name and its own routes, two tenants, and
 * one without a callback.
 */
function mountOthers(app: Express, front: string): void {
  const common = {
    issuer: "http://127.0.0.1:1",
    clientId: "a",
    clientAuth: "none",
    secret: SESSION_SECRET,
  } as const;
  const routes = { login: "/staff/login", callback: "/staff/callback", logout: "/staff/logout" };
  app.use(portalAuth({ ...common, name: "staff", redirectUri: `${front}/app/staff/callback`, routes }));
  app.get("/staff/payroll", requireAuth({ portal: "staff" }));
  const tenants = new Map(
    ["blue", "red"].map((tenant) => [
      tenant,
      portalAuth({ ...common, name: tenant, redirectUri: `${front}/app/tenants/${tenant}/callback` }),
    ]),
  );
  for (const tenant of tenants.keys()) {
    app.use(
      `/tenants/${tenant}`,
      choosePortalAuth((req) => tenants.get(req.baseUrl.slice("/tenants/".length))),
    );
    app.get(`/tenants/${tenant}/page`, requireAuth({ portal: tenant }));
  }
  const withoutCallback = {
    name: "plain",
    redirectUri: `${front}/app/plain/callback`,
    routes: { callback: false },
  };
  app.use("/plain", portalAuth({ ...common, ...withoutCallback } as PortalAuthOptions));
  app.get("/plain/page", requireAuth({ portal: "plain" }));
}

const locationOf = async (browser: Browser, url: string) => (await browser.navigate(url)).headers.location;

describe.skipIf(noNginx)(`behind nginx that removes /app${noNginx && ` (${noNginx})`}`, () => {
  test("a login returns to the requested page, and a logout to the root below the prefix", async () => {
    const { front, browser, me } = await startBehind();
    const page = await browser.visit(`${front}/app/account?tab=2`);
    expect([page.url, page.status]).toEqual([`${front}/app/account?tab=2`, 200]);
    const out = await browser.visit(`${front}/app/logout`, { site: "same-origin" });
    expect([new URL(out.url).pathname, out.body]).toEqual(["/app/", "home"]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test.each([
    ["no address", "/app/login", "/app/"],
    ["a URL of another site", "/app/login?returnTo=//evil.example", "/app/"],
    ["a route of ours", "/app/login?returnTo=/app/logout", "/app/"],
    ["a route of ours, spelled in another way", "/app/login?returnTo=/app/%256Cogout/", "/app/"],
    ["a page beside the application", "/app/login?returnTo=/logout", "/logout"],
    ["a page of the application", "/app/login?returnTo=/app/docs/login", "/app/docs/login"],
  ])("a login link that names %s", async (_what, link, target) => {
    const { front, browser } = await startBehind();
    const callback = await browser.loginUntilCallback(front + link);
    expect(callback.pathname).toBe("/app/callback");
    expect(await locationOf(browser, callback.href)).toBe(target);
  });

  test("problem documents, error pages and the logout confirmation link below the prefix", async () => {
    const { front, browser } = await startBehind({ log: [/login_not_found/] });
    expect(JSON.parse((await browser.fetch(`${front}/app/account`)).body).login).toBe("/app/login");
    const failure = await browser.navigate(`${front}/app/callback?state=x&code=y`);
    expect(failure.body).toContain('href="/app/login"');
    expect(failure.body).toContain('href="/app/"');
    const question = await browser.navigate(`${front}/app/logout`);
    expect(question.body).toContain('action="/app/logout"');
    expect(question.body).toContain('href="/app/"');
  });

  test("a failed login offers to sign in again for the same page", async () => {
    const { front, browser, provider } = await startBehind({ log: [/portal_failed/] });
    const callback = await browser.loginUntilCallback(`${front}/app/account?x=1`);
    provider.answerNext("/oauth2/token", (_req, res) => res.writeHead(500).end());
    const failure = await browser.navigate(callback);
    expect(failure.body).toContain('href="/app/login?returnTo=%2Fapp%2Faccount%3Fx%3D1"');
  });

  test("the link to retry a page is below the prefix", async () => {
    const { front, browser, provider } = await startBehind({
      log: [/portal_unreachable|refresh_failed/],
      after: (app) =>
        app.get("/fresh", requireAuth({ freshToken: true }), (_req, res) => void res.send("fresh")),
    });
    await browser.visit(`${front}/app/account`);
    provider.goDown();
    advanceDate(3_600_000);
    expect((await browser.navigate(`${front}/app/fresh?a`)).body).toContain('href="/app/fresh?a"');
  });

  test("a saved form is posted to the URL that the browser used", async () => {
    const { front, browser } = await startBehind({
      after: (app) =>
        app.post(
          "/orders",
          requireAuth({ keepForm: true }),
          express.urlencoded(),
          (req, res) => void res.json(req.body),
        ),
    });
    const post = { method: "POST", site: "same-origin", form: { item: "lamp" } } as const;
    const page = await browser.navigate(`${front}/app/orders`, post);
    const form = await browser.visit(String(page.headers["refresh"]).slice("0; url=".length));
    expect(form.url).toBe(`${front}/app/login/form`);
    const sent = await browser.navigate(`${front}/app/login/form`, post);
    expect([sent.status, sent.headers.location]).toEqual([307, "/app/orders"]);
    expect(JSON.parse((await browser.navigate(`${front}/app/orders`, post)).body)).toEqual({ item: "lamp" });
    expect(await locationOf(browser, `${front}/app/login/form`)).toBeUndefined();
  });

  test("a silent login returns to the page below the prefix", async () => {
    const { front, browser } = await startBehind({ options: { silentLogin: true } });
    await browser.visit(`${front}/app/`);
    const back = await browser.loginUntilCallback(`${front}/app/?second`);
    expect(await locationOf(browser, back.href)).toBe("/app/?second");
  });

  test("a login that another site starts leads to its target, or to the root below the prefix", async () => {
    const { front, browser, provider } = await startBehind({ options: { thirdPartyLogin: true } });
    const begin = async (target: string) => {
      const query = new URLSearchParams({ iss: provider.issuer, target_link_uri: target });
      return locationOf(browser, (await browser.loginUntilCallback(`${front}/app/login?${query}`)).href);
    };
    expect(await begin(`${front}/app/account`)).toBe("/app/account");
    await browser.jar.removeAllCookies();
    expect(await begin("https://evil.example/")).toBe("/app/");
    await browser.jar.removeAllCookies();
    expect(await begin(`${front}/app/logout`)).toBe("/app/");
  });

  test("a router that is mounted at a path uses the prefix and the mount path", async () => {
    const { front, browser } = await startBehind({ mount: "/shop" });
    const page = await browser.visit(`${front}/app/shop/account`);
    expect([page.url, page.status]).toEqual([`${front}/app/shop/account`, 200]);
    const out = await browser.visit(`${front}/app/shop/logout`, { site: "same-origin" });
    expect(new URL(out.url).pathname).toBe("/app/");
  });

  test.each(["/en", "/EN", "/de"])(
    "a router that is mounted at a pattern responds below %s",
    async (language) => {
      const { front, browser } = await startBehind((front) => ({
        mount: "/:language",
        options: { redirectUri: `${front}/app/en/callback` },
        provider: { redirectUris: [`${front}/app/en/callback`] },
        log: [/leads to/],
      }));
      expect(JSON.parse((await browser.fetch(`${front}/app${language}/account`)).body).login).toMatch(
        new RegExp(`^/app${language}/login$`, "i"),
      );
      const callback = await browser.loginUntilCallback(`${front}/app${language}/account`);
      expect(await locationOf(browser, callback.href)).toBe(`/app${language}/account`);
    },
  );

  test("Host and X-Forwarded-* change no URL", async () => {
    const { front, browser } = await startBehind({ log: [/A login begins at the host evil\.example/] });
    const headers = {
      host: "evil.example",
      "x-forwarded-host": "evil.example",
      "x-forwarded-prefix": "/evil",
      "x-forwarded-uri": "/evil",
    };
    const answer = await browser.fetch(`${front}/app/account`, { headers });
    expect(JSON.parse(answer.body).login).toBe("/app/login");
    const response = await browser.navigate(`${front}/app/account`, { headers });
    const { searchParams } = new URL(response.headers.location ?? "");
    expect(searchParams.get("redirect_uri")).toBe(`${front}/app/callback`);
  });

  test("several routers, and routers that are chosen by request, have their own prefix", async () => {
    const { front, browser } = await startBehind((front) => ({ after: (app) => mountOthers(app, front) }));
    const loginFor = async (path: string) => JSON.parse((await browser.fetch(front + path)).body).login;
    expect(await loginFor("/app/account")).toBe("/app/login");
    expect(await loginFor("/app/staff/payroll")).toBe("/app/staff/login");
    expect(await loginFor("/app/tenants/blue/page")).toBe("/app/tenants/blue/login");
    expect(await loginFor("/app/tenants/red/page")).toBe("/app/tenants/red/login");
    expect(await loginFor("/app/plain/page")).toBe("/plain/login");
  });
});
