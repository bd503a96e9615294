import { chmod } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { describe, expect, test } from "vitest";
import { Browser } from "../support/browser.js";
import { listenToEvents } from "../support/events.js";
import { startFleet } from "../support/fleet.js";
import { chineseBrowser } from "../support/languages.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { serve } from "../support/serve.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startWorld, type WorldOptions } from "../support/world.js";

interface Front {
  readonly url: string;
  /** Chooses the port of the process for a path, and the cookies that the request keeps. */
  rules: { target: (path: string) => string; cookies: (cookies: string) => string };
}

/** Starts a proxy that can choose among processes, and remove cookies. */
async function startFront(): Promise<Front> {
  const front: Front = { url: "", rules: { target: () => "", cookies: (cookies) => cookies } };
  const url = await serve((req, res) => {
    const path = req.url ?? "/";
    const headers: IncomingHttpHeaders = { ...req.headers };
    if (headers.cookie !== undefined) headers.cookie = front.rules.cookies(headers.cookie);
    const onwards = request(
      front.rules.target(path) + path,
      { method: req.method ?? "GET", headers },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(res);
      },
    );
    req.pipe(onwards);
  });
  return Object.assign(front, { url });
}

const removeSessionCookie = (cookies: string): string =>
  cookies
    .split("; ")
    .filter((cookie) => !cookie.startsWith("portal-session"))
    .join("; ");

/** Starts an app behind a proxy that removes the session cookie. */
async function startWithoutSessionCookie(options: WorldOptions["options"] = {}, log = [/session_not_saved/]) {
  const front = await startFront();
  const world = await startWorld({ publicOrigin: front.url, options, log });
  front.rules = { target: () => world.url, cookies: removeSessionCookie };
  return { ...world, front, url: front.url };
}

const CLICK = { "sec-fetch-user": "?1" };
const toProvider = expect.stringContaining("/oauth2/authorize");

describe("a redirect loop is stopped after two logins, with a page and a line in the log", () => {
  test("if a proxy removes the session cookie", async () => {
    const { url, browser, asked, log, front } = await startWithoutSessionCookie();
    const page = await browser.visit(`${url}/account?tab=1`);
    expect([page.status, page.url]).toEqual([400, `${url}/account?tab=1`]);
    expect(page.body).toContain("session_not_saved");
    expect(page.body).toContain(`href="/login?returnTo=%2Faccount%3Ftab%3D1"`);
    expect(asked("/oauth2/token")).toHaveLength(2);
    expect(log.filter((line) => line.includes("session_not_saved"))).toEqual([
      expect.stringMatching(/\[no session cookie came back, \d s after the last of 2 logins in a row\]/),
    ]);
    const chinese = await browser.navigate(`${url}/account`, { headers: chineseBrowser });
    expect(chinese.body).toContain("未能保持您的登录状态");
    front.rules.cookies = (cookies) => cookies;
    expect((await browser.navigate(`${url}/account`)).status).toBe(200);
  });

  test("if the login route starts it, as a page's script does", async () => {
    const { url, browser, asked } = await startWithoutSessionCookie();
    await browser.visit(`${url}/login`);
    await browser.visit(`${url}/login`, { site: "same-origin" });
    const script = { site: "same-origin", clicked: false } as const;
    const again = await browser.navigate(`${url}/login?returnTo=/account`, script);
    expect([again.status, again.body.includes("session_not_saved")]).toEqual([400, true]);
    expect(asked("/oauth2/token")).toHaveLength(2);
  });

  test("if two processes keep their sessions in memory", async () => {
    const front = await startFront();
    const fleet = await startFleet(2, {
      provider: { redirectUris: [`${front.url}/callback`] },
      options: { redirectUri: `${front.url}/callback` },
    });
    const [one, two] = fleet.apps;
    front.rules.target = (path) => (path.startsWith("/callback") ? one.url : two.url);
    const page = await fleet.browser.visit(`${front.url}/account`);
    expect([page.status, page.body.includes("session_not_saved")]).toEqual([400, true]);
    expect(fleet.asked("/oauth2/token")).toHaveLength(2);
    await two.release();
    expect(two.log.join()).toContain("a session cookie came back, but no such session is in the store");
  });
});

describe("the limit of logins in a row", () => {
  test("does not block a login at another portalAuth()", async () => {
    const first = await startWithoutSessionCookie();
    await first.browser.visit(`${first.url}/account`);
    const second = await startWorld();
    second.browser.jar.setCookieSync("x=1", second.url);
    for (const cookie of await first.browser.jar.getCookies(first.url))
      second.browser.jar.setCookieSync(`${cookie.key}=${cookie.value}; Path=/`, second.url);
    expect((await second.browser.visit(`${second.url}/account`)).status).toBe(200);
  });

  test("stops silent logins after two, and the page of the application is shown", async () => {
    const { url, browser, asked } = await startWithoutSessionCookie({ silentLogin: true });
    await browser.visit(`${url}/account`);
    await browser.navigate(url);
    expect((await browser.visit(url)).body).toBe("home");
    expect(asked("/oauth2/token")).toHaveLength(2);
  });

  test("stops clicks on pages of this site after four logins in a row", async () => {
    const { url, browser } = await startWithoutSessionCookie();
    await browser.visit(`${url}/account`);
    for (let click = 2; click < 4; click += 1) {
      const response = await browser.navigate(`${url}/login`, { site: "same-origin", headers: CLICK });
      expect([response.status, response.headers.location]).toEqual([302, toProvider]);
      await browser.visit(response.headers.location ?? "", { site: "cross-site" });
    }
    expect((await browser.navigate(`${url}/account`, { site: "same-origin", headers: CLICK })).status).toBe(
      400,
    );
  });

  test.each([
    ["from the provider", "cross-site", CLICK],
    ["from the address bar", "none", CLICK],
    ["from a script", "same-origin", {}],
  ] as const)("stops a request %s after two logins", async (_how, site, headers) => {
    const { url, browser } = await startWithoutSessionCookie();
    await browser.visit(`${url}/account`);
    expect((await browser.navigate(`${url}/account`, { site, headers, clicked: false })).status).toBe(400);
  });
});

describe("a login starts if there is no loop:", () => {
  test("at once after a logout", async () => {
    const { url, browser } = await startWorld();
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("ten seconds after the last login, although the cookie is still missing", async () => {
    let now = Date.now();
    const { url, browser } = await startWithoutSessionCookie({ clock: () => now });
    await browser.visit(`${url}/account`);
    now += 9_000;
    expect((await browser.navigate(`${url}/account`)).status).toBe(400);
    now += 1_000;
    expect((await browser.navigate(`${url}/account`)).headers.location).toEqual(toProvider);
  });

  test("once more, if the session cookie is lost seconds after a login", async () => {
    const { url, browser } = await startWorld();
    await browser.visit(`${url}/account`);
    await browser.jar.setCookie("portal-session=; Max-Age=0; Path=/", url);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("after a login that failed, or that the user cancelled", async () => {
    const { url, browser } = await startWorld({ log: [/login_/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    callback.searchParams.delete("code");
    callback.searchParams.set("error", "access_denied");
    expect((await browser.navigate(callback)).status).toBe(403);
    expect((await browser.navigate(`${url}/account`)).headers.location).toEqual(toProvider);
  });

  test("while a session exists, if a stronger login is required", async () => {
    const { url, browser } = await startWorld({
      after: (app) => void app.get("/vault", async (req) => void (await req.portal.login({ maxAge: 0 }))),
    });
    await browser.visit(`${url}/account`);
    expect((await browser.navigate(`${url}/vault`)).headers.location).toEqual(toProvider);
  });
});

describe("a cached response of /login", () => {
  test("is not stored by a cache that obeys its headers", async () => {
    const { url, browser } = await startWorld();
    for (const path of ["/login", "/account", "/login?returnTo=/account&returnTo=/"]) {
      const { headers } = await browser.navigate(url + path);
      expect([headers["cache-control"], headers["vary"]]).toEqual(["no-store", "*"]);
    }
  });

  test.skipIf(noNginx)(
    `that nginx stores signs in only the first user, the second sees an error${noNginx && ` (${noNginx})`}`,
    async () => {
      const events = listenToEvents();
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const { me, browser, asked, ...world } = await startWorld({
        publicOrigin: url,
        log: [/login_state_reused/],
      });
      await startNginx(async (folder) => {
        await chmod(folder, 0o755); // the worker process, which stores the pages, runs as another user
        return `proxy_cache_path ${folder}/cache keys_zone=pages:1m;
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass ${world.url}; proxy_set_header Host $http_host; }
          location = /login {
            proxy_pass ${world.url}; proxy_set_header Host $http_host;
            proxy_cache pages; proxy_cache_valid 302 1m; proxy_ignore_headers Cache-Control Set-Cookie Vary;
          }
        }`;
      });
      const second = new Browser();
      second.user = { sub: "jonas-weber" };
      const first = await browser.loginUntilCallback(`${url}/login`);
      const other = await second.loginUntilCallback(`${url}/login`);
      expect(other.searchParams.get("state")).toBe(first.searchParams.get("state"));
      expect((await browser.navigate(first)).status).toBe(303);
      const page = await second.navigate(other);
      expect([page.status, page.body.includes("login_state_reused")]).toEqual([400, true]);
      expect(page.body).toContain("Sign in again");
      expect((await me(browser)).claims).toMatchObject({ sub: "amara-okafor" });
      expect((await me(second)).isAuthenticated).toBe(false);
      expect(asked("/oauth2/token")).toHaveLength(1);
      expect(world.log.filter((line) => line.includes("login_state_reused"))).toHaveLength(1);
      expect(events.of("login.failed").map(({ code }) => code)).toEqual(["login_state_reused"]);
    },
  );
});

describe("a callback", () => {
  test("that is repeated with another code leads the user back with the same session", async () => {
    const { url, browser, me, asked } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    await browser.navigate(callback);
    const session = (await browser.cookies(url)).get("portal-session");
    callback.searchParams.set("code", "another");
    const again = await browser.navigate(callback, {
      headers: { cookie: `${cookie}; portal-session=${session}` },
    });
    expect([again.status, again.headers.location]).toEqual([303, "/account"]);
    expect((await me()).isAuthenticated).toBe(true);
    expect(asked("/oauth2/token")).toHaveLength(1);
  });
});
