import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { TokenSet } from "../../lib/index.js";
import { type DemoUser, loginAs } from "../../lib/testing/index.js";
import { Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { createClock } from "../support/clock.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { AMARA, advanceClock, parseJson, startExample } from "./start-example.js";

test("the account page links to the inspector, which does not exist in production", async () => {
  const { url, browser, getInspectorLink } = await startExample();
  expect((await browser.visit(`${url}/account`)).body).toContain('href="/portal-inspector/"');
  expect((await browser.navigate(String(getInspectorLink()))).body).toContain(
    "<title>Portal inspector</title>",
  );
  const { users } = JSON.parse((await browser.fetch(`${url}/portal-inspector/events.json`)).body);
  expect(users).toMatchObject([{ sub: AMARA }]);
  vi.stubEnv("NODE_ENV", "production ");
  const production = await startExample();
  expect(production.getInspectorLink()).toBeUndefined();
  expect((await production.browser.visit(`${production.url}/account`)).body).not.toContain(
    "portal-inspector",
  );
  expect((await production.browser.navigate(`${production.url}/portal-inspector/`)).status).toBe(404);
});

describe("home page", () => {
  test("a user who is not signed in gets a sign-in button and no cookie", async () => {
    const { url, browser } = await startExample();
    const home = await browser.visit(`${url}/`);
    expect(home.status).toBe(200);
    expect(home.body).toContain('<a class="button primary" href="/login?returnTo=/account">Sign in</a>');
    expect(home.body).not.toContain("/logout");
    expect(home.headers["set-cookie"]).toBeUndefined();
  });

  test("the sign-in button leads via the provider to the account page", async () => {
    const { url, browser } = await startExample();
    const account = await browser.visit(`${url}/login?returnTo=/account`);
    expect([account.url, account.status]).toEqual([`${url}/account`, 200]);
  });

  test("the page greets the user by name, and shows the previous sign-in", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/login`);
    const first = await browser.visit(`${url}/`);
    expect(first.body).toContain("Hello, Amara.");
    expect(first.body).toContain("This is your first visit");

    const other = new Browser();
    await other.visit(`${url}/login`);
    const second = await other.visit(`${url}/`);
    expect(second.body).toMatch(/You last signed in on <time datetime="\d{4}-\d\d-\d\dT[\d:.]+Z">/);
  });

  test("signing out ends the session at the app and at the provider", async () => {
    const { url, provider, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const home = await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect(new URL(home.url).pathname).toBe("/");
    expect(home.body).toContain(">Sign in</a>");
    expect((await browser.fetch(`${url}/api/me`)).status).toBe(401);
    const countLoginPages = () =>
      provider.requests.filter(({ path, method }) => path === "/portal/login" && method === "GET").length;
    expect(countLoginPages()).toBe(1);
    await browser.visit(`${url}/account`);
    expect(countLoginPages()).toBe(2);
  });

  test("an unknown path gets 404 and a link to the home page", async () => {
    const { url, browser } = await startExample();
    const page = await browser.visit(`${url}/nowhere`);
    expect(page.status).toBe(404);
    expect(page.body).toContain('href="/">Back to the home page');
  });
});

describe("account page", () => {
  test("a user who is not signed in is redirected to the provider and comes back", async () => {
    const { url, provider, browser } = await startExample();
    const first = await browser.navigate(`${url}/account`);
    expect(first.status).toBe(302);
    expect(first.headers.location).toContain(`${provider.issuer}/oauth2/authorize?`);
    const account = await browser.visit(`${url}/account`);
    expect([account.url, account.status]).toEqual([`${url}/account`, 200]);
  });

  test("the page shows the name and every claim, and renders times as dates", async () => {
    const { url, provider, browser } = await startExample();
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toContain("<h1>Amara Okafor</h1>");
    expect(body).toContain('<span class="avatar" aria-hidden="true">AO</span>');
    const { claims } = parseJson(await browser.fetch(`${url}/api/me`));
    for (const name of Object.keys(claims)) expect(body).toContain(`<code>${name}</code></th>`);
    expect(body).toContain(`<td>${provider.issuer}</td>`);
    expect(body).toContain(`<time datetime="${new Date(Number(claims["exp"]) * 1000).toISOString()}">`);
  });

  test("the page has a card for each token, with a bar if the lifetime is known", async () => {
    const { url, browser } = await startExample({}, { accessTokenSeconds: 120 });
    const { body } = await browser.visit(`${url}/account`);
    const cards = body.split('<li class="token"').slice(1);
    expect(cards.map((card) => /<h3[^>]*>([^<]*)/.exec(card)?.[1])).toEqual([
      "Access token",
      "Refresh token",
      "ID token",
    ]);
    expect(cards[0]).toMatch(/<progress [^>]*max="1(19|20|21)" value="1[12]\d"/);
    expect(cards[1]).toContain("Unknown lifetime");
    expect(cards[1]).not.toContain("<progress");
    expect(cards[2]).toMatch(/<progress [^>]*max="180[01]" value="1[78]\d\d"/);
  });

  test("an expired token is shown as expired", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    advanceClock(400);
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toMatch(
      /Expired<\/p>\s*<progress aria-labelledby="access_token" max="(299|300|301)" value="0"/,
    );
    const { lifetimes } = parseJson(await browser.fetch(`${url}/api/me`));
    expect(lifetimes.access_token.seconds_left).toBe(0);
  });

  test("a user that loginAs() signs in has the same page and API", async () => {
    const { url, app, provider } = await startExample();
    const cookie = await loginAs(app, { sub: "kofi", name: "Kofi" });
    const headers = { cookie, accept: "text/html", "sec-fetch-mode": "navigate" };
    expect((await new Browser().request(`${url}/account`, { headers })).body).toContain("<h1>Kofi</h1>");
    expect(parseJson(await new Browser().fetch(`${url}/api/me`, { headers: { cookie } }))).toMatchObject({
      claims: { sub: "kofi" },
    });
    expect(provider.requests.filter(({ path }) => path === "/oauth2/token")).toEqual([]);
  });

  test("there is no card for a refresh token if the provider issues none", async () => {
    const { url, provider, browser } = await startExample();
    provider.nextTokenResponse({ refresh_token: undefined });
    expect((await browser.visit(`${url}/account`)).body).not.toContain("Refresh token");
  });

  test("claims are escaped", async () => {
    const attacker: DemoUser = {
      sub: AMARA,
      name: `<img src=x onerror="alert('1')">`,
      email: "<b>&amp;</b>",
    };
    const { url, browser } = await startExample({}, { users: [attacker] });
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toContain("<h1>&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;</h1>");
    expect(body).toContain("&lt;b&gt;&amp;amp;&lt;/b&gt;");
    expect(body).not.toContain("<img src=x");
    expect(body).not.toContain("<b>&amp;");
  });

  test.each([
    ["fails", undefined],
    ["is about another user", { sub: "jonas-weber", name: "Jonas Weber" }],
    ["contains another issuer", { sub: AMARA, iss: "http://elsewhere.example", exp: 1 }],
  ])("a response of /userinfo that %s does not change the user", async (_case, userInfo) => {
    const { url, provider, browser } = await startExample();
    provider.answerNext("/userinfo", (_req, res) => {
      if (userInfo) res.setHeader("content-type", "application/json").end(JSON.stringify(userInfo));
      else res.writeHead(503).end();
    });
    const page = await browser.visit(`${url}/account`);
    expect([page.url, page.status]).toEqual([`${url}/account`, 200]);
    expect(page.body).toContain(`<h1>${AMARA}</h1>`);
    const { claims } = parseJson(await browser.fetch(`${url}/api/me`));
    expect(claims).toMatchObject({ sub: AMARA, iss: provider.issuer });
    expect(claims["exp"]).toBeGreaterThan(1);
  });
});

describe("API", () => {
  test("the API returns the claims and the lifetimes of the tokens", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const response = await browser.fetch(`${url}/api/me`);
    expect(response.status).toBe(200);
    expect(response.headers["cache-control"]).toBe("no-store");
    const { claims, lifetimes, token_set, obtained_at } = parseJson(response);
    expect(claims).toMatchObject({ sub: AMARA, name: "Amara Okafor", aud: "example-app" });
    expect(Object.keys(lifetimes)).toEqual(["access_token", "refresh_token", "id_token"]);
    expect(lifetimes.access_token.seconds_left).toBeGreaterThan(280);
    expect(lifetimes.access_token.seconds_left).toBeLessThanOrEqual(300);
    expect(lifetimes.refresh_token).toBeNull();
    expect(token_set).toBe(1);
    expect(Math.abs(obtained_at - Date.now() / 1000)).toBeLessThan(20);
  });

  test("without a session the API responds with 401 and the URL of the login", async () => {
    const { url, browser } = await startExample();
    const response = await browser.fetch(`${url}/api/me`);
    expect(response.status).toBe(401);
    expect(response.headers["content-type"]).toBe("application/problem+json");
    const problem = parseJson(response);
    expect(problem).toMatchObject({ status: 401, code: "login_required", title: expect.any(String) });
    const account = await browser.visit(new URL(`${problem["login"]}?returnTo=/account`, url));
    expect([account.url, account.status]).toEqual([`${url}/account`, 200]);
  });
});

describe("sessions", () => {
  test("a user sees the sessions, ends one of them, and then signs out on all devices", async () => {
    const { url, browser, provider } = await startExample({}, {}, [/cross_site_refused/]);
    const phone = new Browser();
    await phone.visit(`${url}/account`, {
      headers: { "user-agent": "Mozilla/5.0 (Android 15; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0" },
    });
    await browser.visit(`${url}/account`);
    const page = await browser.visit(`${url}/sessions`);
    expect(page.body).toContain("Firefox on Android");
    expect(page.body.match(/this browser/g)).toHaveLength(1);
    const [, id = ""] = /name="id" value="([^"]+)"/.exec(page.body) ?? [];
    const end = { method: "POST", form: { id } };
    expect((await browser.navigate(`${url}/sessions/end`, { ...end, site: "cross-site" })).status).toBe(403);
    expect((await phone.fetch(`${url}/api/me`)).status).toBe(200);
    const after = await browser.visit(`${url}/sessions/end`, { ...end, site: "same-origin" });
    expect([after.url, after.body.includes("Firefox on Android")]).toEqual([`${url}/sessions`, false]);
    expect((await phone.fetch(`${url}/api/me`)).status).toBe(401);
    await phone.visit(`${url}/account`);
    const all = await browser.navigate(`${url}/sessions/end-all`, { method: "POST", site: "same-origin" });
    expect([all.status, all.headers["refresh"]?.includes(provider.issuer)]).toEqual([200, true]);
    for (const device of [browser, phone]) expect((await device.fetch(`${url}/api/me`)).status).toBe(401);
  });
});

describe("headers and secrets", () => {
  test("the Content-Security-Policy of each response allows only files of the app", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    for (const path of [
      "/",
      "/account",
      "/api/me",
      "/api/token-check",
      "/nowhere",
      "/style.css",
      "/account.js",
    ]) {
      const { headers } = await browser.navigate(`${url}${path}`);
      expect(String(headers["content-security-policy"]).split(";").sort(), path).toEqual([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self'",
        "require-trusted-types-for 'script'",
        "script-src 'self'",
        "style-src 'self'",
      ]);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["x-powered-by"]).toBeUndefined();
    }
  });

  test("pages have no inline scripts or styles, and all files that they load exist", async () => {
    const { url, browser } = await startExample();
    const home = await browser.visit(`${url}/`);
    const account = await browser.visit(`${url}/account`);
    const pages = [home, account, await browser.visit(`${url}/`), await browser.visit(`${url}/nowhere`)];
    const files = new Set<string>();
    for (const { body } of pages) {
      expect(body).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|javascript:/i);
      for (const [, file = ""] of body.matchAll(/(?:<script|<img|<link)[^>]* (?:src|href)="([^"]+)"/g))
        files.add(file);
    }
    expect([...files].sort()).toEqual(["/account.js", "/icon.svg", "/style.css", "/times.js"]);
    for (const file of files) {
      const { status, body } = await browser.fetch(`${url}${file}`);
      expect(status, file).toBe(200);
      for (const [, imported = ""] of body.matchAll(/^import .*"\.(\/[^"]+)";/gm)) files.add(imported);
    }
    expect(files).toContain("/twenty-calls.js");
  });

  test("caches do not store personal pages", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    for (const path of ["/", "/account", "/api/me", "/api/token-check", "/api/userinfo"]) {
      expect((await browser.navigate(`${url}${path}`)).headers["cache-control"], path).toBe("no-store");
    }
  });

  test("the session cookie is HttpOnly and SameSite=Lax", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const cookie = (await browser.jar.getCookies(url)).find(({ key }) => key === "portal-session");
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "lax", path: "/", secure: false });
  });

  test("no response of the app contains a token", async () => {
    const seen: TokenSet[] = [];
    const onTokens = (tokens: TokenSet) => {
      seen.push(tokens);
    };
    const { url, browser } = await startExample({ hooks: { onTokens } });
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/`);
    advanceClock(400);
    for (const path of ["/api/me", "/api/token-check", "/api/userinfo"])
      expect((await browser.fetch(`${url}${path}`)).status).toBe(200);
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    const secrets = seen.flatMap(({ access_token, refresh_token = "", id_token = "" }) => [
      access_token,
      refresh_token,
      id_token,
    ]);
    expect(secrets).toHaveLength(6);
    expect(secrets.every((secret) => secret.length > 20)).toBe(true);
    const responses = browser.answers.filter((response) => response.url.startsWith(url));
    expect(responses.length).toBeGreaterThanOrEqual(8);
    for (const { body, headers } of responses) {
      for (const secret of secrets) expect(body + JSON.stringify(headers)).not.toContain(secret);
    }
  });
});

describeWithRedis("on Redis", (redis) => {
  test("a closed app has closed its session store", async () => {
    const { url, browser, close } = await startExample({ store: redis().url }, {}, [/session_store_failed/]);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    await close();
    expect((await browser.navigate(`${url}/account`)).status).toBe(503);
  });
});

test.skipIf(noChromium)(
  `the pages work in a real browser: bars, API calls and signing out${noChromium && ` (${noChromium})`}`,
  async () => {
    const { url } = await startExample();
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    const violations: string[] = [];
    page.on("console", (message) => {
      if (/security policy/i.test(message.text())) violations.push(message.text());
    });
    page.on("pageerror", (error) => {
      violations.push(error.message);
    });
    const fitsWidth = () => page.evaluate("document.documentElement.scrollWidth <= innerWidth");

    await page.clock.install(); // the clock of the page, so that the test need not wait
    await page.goto(url);
    expect(await fitsWidth()).toBe(true);
    await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${url}/account`);

    const access = page.locator(".token", { hasText: "Access token" });
    const bar = access.getByRole("progressbar");
    const readValue = async () =>
      Number(await bar.evaluate((element) => (element as unknown as { value: number }).value));
    await access.getByText(/^(5 min 0 s|4 min 5\d s) left$/).waitFor();
    const before = await readValue();
    await page.clock.runFor(10_000);
    const moved = before - (await readValue());
    expect(moved).toBeGreaterThanOrEqual(10); // real time passes too
    expect(moved).toBeLessThan(20);
    await page.clock.fastForward(300_000);
    await page.clock.runFor(1_000);
    await access.getByText("Expired").waitFor();
    expect(await page.getByRole("status").first().textContent()).toBe("Access token: expired.");

    await page.getByRole("button", { name: "Call the API", exact: true }).click();
    await page.getByText("200 OK").waitFor();
    expect(await page.getByRole("region", { name: "Response body" }).textContent()).toContain(
      `"sub": "${AMARA}"`,
    );
    await page.getByRole("button", { name: "Call it signed out" }).click();
    await page.getByText("401 Unauthorized").waitFor();
    expect(await fitsWidth()).toBe(true);
    const signIn = page.getByRole("main").getByRole("link", { name: "Sign in" });
    expect(await signIn.getAttribute("href")).toBe(`${url}/login?returnTo=%2Faccount`);
    await signIn.click();
    await page.waitForURL(`${url}/account`);

    await page.getByRole("link", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in with your provider." }).waitFor();
    expect(violations).toEqual([]);
  },
);

test.skipIf(noChromium)(
  `in a real browser the account page warns before the session ends${noChromium && ` (${noChromium})`}`,
  async () => {
    const { clock, later } = createClock();
    const { url } = await startExample({ clock, sessionIdle: 600 });
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    const poll = () => page.evaluate('document.dispatchEvent(new Event("visibilitychange"))');
    await page.goto(`${url}/account`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${url}/account`);
    const stay = page.getByRole("button", { name: "Stay signed in" });
    later(500);
    await poll();
    expect(await stay.isVisible()).toBe(false);
    later(42);
    await poll();
    await page.getByText(/^5[5-8] s left$/).waitFor();
    expect(await page.getByRole("alert").textContent()).toBe("Your session is about to end.");
    await stay.click();
    await stay.waitFor({ state: "hidden" });
    later(600);
    await poll();
    await page.getByText("Your session has ended.").waitFor();
    await page.getByRole("button", { name: "Sign in again" }).click();
    await stay.waitFor({ state: "hidden" });
    expect(page.url()).toBe(`${url}/account`);
  },
);
