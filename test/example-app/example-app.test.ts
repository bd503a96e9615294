import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { TokenSet } from "../../lib/index.js";
import { type DemoUser, loginAs } from "../../lib/testing/index.js";
import { Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { createClock } from "../support/clock.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { AMARA, json, later, startExample } from "./start-example.js";

test("the account page leads developers to the inspector, which is not there in production", async () => {
  const { url, browser, inspectorLink } = await startExample();
  expect((await browser.visit(`${url}/account`)).body).toContain('href="/portal-inspector/"');
  expect((await browser.navigate(String(inspectorLink()))).body).toContain("<title>Portal inspector</title>");
  const { users } = JSON.parse((await browser.fetch(`${url}/portal-inspector/events.json`)).body);
  expect(users).toMatchObject([{ sub: AMARA }]);
  vi.stubEnv("NODE_ENV", "production ");
  const production = await startExample();
  expect(production.inspectorLink()).toBeUndefined();
  expect((await production.browser.visit(`${production.url}/account`)).body).not.toContain(
    "portal-inspector",
  );
  expect((await production.browser.navigate(`${production.url}/portal-inspector/`)).status).toBe(404);
});

describe("home", () => {
  test("a visitor is offered to sign in, and gets no cookie", async () => {
    const { url, browser } = await startExample();
    const home = await browser.visit(`${url}/`);
    expect(home.status).toBe(200);
    expect(home.body).toContain('<a class="button primary" href="/login?returnTo=/account">Sign in</a>');
    expect(home.body).not.toContain("/logout");
    expect(home.headers["set-cookie"]).toBeUndefined();
  });

  test("the button leads through the portal to the account", async () => {
    const { url, browser } = await startExample();
    const end = await browser.visit(`${url}/login?returnTo=/account`);
    expect([end.url, end.status]).toEqual([`${url}/account`, 200]);
  });

  test("a person is greeted by name, and from the second visit on told when the last one was", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/login`);
    const first = await browser.visit(`${url}/`);
    expect(first.body).toContain("Hello, Amara.");
    expect(first.body).toContain("this is your first visit");

    const again = new Browser();
    await again.visit(`${url}/login`);
    const second = await again.visit(`${url}/`);
    expect(second.body).toMatch(/You last came in on <time datetime="\d{4}-\d\d-\d\dT[\d:.]+Z">/);
  });

  test("signing out ends the session, and the portal asks again next time", async () => {
    const { url, portal: provider, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const end = await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect(new URL(end.url).pathname).toBe("/");
    expect(end.body).toContain(">Sign in</a>");
    expect((await browser.fetch(`${url}/api/me`)).status).toBe(401);
    const asked = () =>
      provider.requests.filter(({ path, method }) => path === "/portal/login" && method === "GET").length;
    expect(asked()).toBe(1);
    await browser.visit(`${url}/account`);
    expect(asked()).toBe(2);
  });

  test("an address that does not exist is a 404 with a way back", async () => {
    const { url, browser } = await startExample();
    const lost = await browser.visit(`${url}/nowhere`);
    expect(lost.status).toBe(404);
    expect(lost.body).toContain('href="/">Back to the start');
  });
});

describe("account", () => {
  test("it is guarded: a visitor is taken to the portal and comes back to it", async () => {
    const { url, portal: provider, browser } = await startExample();
    const first = await browser.navigate(`${url}/account`);
    expect(first.status).toBe(302);
    expect(first.headers.location).toContain(`${provider.issuer}/oauth2/authorize?`);
    const end = await browser.visit(`${url}/account`);
    expect([end.url, end.status]).toEqual([`${url}/account`, 200]);
  });

  test("it says who the person is, with every claim in words and times as times", async () => {
    const { url, portal: provider, browser } = await startExample();
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toContain("<h1>Amara Okafor</h1>");
    expect(body).toContain('<span class="avatar" aria-hidden="true">AO</span>');
    const { claims } = json(await browser.fetch(`${url}/api/me`));
    for (const name of Object.keys(claims)) expect(body).toContain(`<code>${name}</code></th>`);
    expect(body).toContain(`<td>${provider.issuer}</td>`);
    expect(body).toContain(`<time datetime="${new Date(Number(claims["exp"]) * 1000).toISOString()}">`);
  });

  test("it has a card for each token, with a bar where an end is known", async () => {
    const { url, browser } = await startExample({}, { accessTokenSeconds: 120 });
    const { body } = await browser.visit(`${url}/account`);
    const cards = body.split('<li class="token"').slice(1);
    expect(cards.map((card) => /<h3[^>]*>([^<]*)/.exec(card)?.[1])).toEqual([
      "Access token",
      "Refresh token",
      "ID token",
    ]);
    expect(cards[0]).toMatch(/<progress [^>]*max="1(19|20|21)" value="1[12]\d"/);
    expect(cards[1]).toContain("No known end");
    expect(cards[1]).not.toContain("<progress");
    expect(cards[2]).toMatch(/<progress [^>]*max="180[01]" value="1[78]\d\d"/);
  });

  test("a token that has run out is told as such", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    later(400);
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toMatch(
      /Has run out<\/p>\s*<progress aria-labelledby="access_token" max="(299|300|301)" value="0"/,
    );
    const { lives } = json(await browser.fetch(`${url}/api/me`));
    expect(lives.access_token.seconds_left).toBe(0);
  });

  test("who is logged in without a portal, as a test is, has the same page and API", async () => {
    const { url, app, portal: provider } = await startExample();
    const cookie = await loginAs(app, { sub: "kofi", name: "Kofi" });
    const headers = { cookie, accept: "text/html", "sec-fetch-mode": "navigate" };
    expect((await new Browser().request(`${url}/account`, { headers })).body).toContain("<h1>Kofi</h1>");
    expect(json(await new Browser().fetch(`${url}/api/me`, { headers: { cookie } }))).toMatchObject({
      claims: { sub: "kofi" },
    });
    expect(provider.requests.filter(({ path }) => path === "/oauth2/token")).toEqual([]);
  });

  test("a portal that gives no refresh token gets no card for one", async () => {
    const { url, portal: provider, browser } = await startExample();
    provider.nextTokenResponse({ refresh_token: undefined });
    expect((await browser.visit(`${url}/account`)).body).not.toContain("Refresh token");
  });

  test("what the portal says about a person is text and nothing else", async () => {
    const evil: DemoUser = { sub: AMARA, name: `<img src=x onerror="alert('1')">`, email: "<b>&amp;</b>" };
    const { url, browser } = await startExample({}, { users: [evil] });
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toContain("<h1>&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;</h1>");
    expect(body).toContain("&lt;b&gt;&amp;amp;&lt;/b&gt;");
    expect(body).not.toContain("<img src=x");
    expect(body).not.toContain("<b>&amp;");
  });

  test.each([
    ["does not answer", undefined],
    ["is about somebody else", { sub: "jonas-weber", name: "Jonas Weber" }],
    ["claims another identity", { sub: AMARA, iss: "http://elsewhere.example", exp: 1 }],
  ])("a /userinfo that %s changes nothing about who somebody is", async (_what, answer) => {
    const { url, portal: provider, browser } = await startExample();
    provider.answerNext("/userinfo", (_req, res) => {
      if (answer) res.setHeader("content-type", "application/json").end(JSON.stringify(answer));
      else res.writeHead(503).end();
    });
    const page = await browser.visit(`${url}/account`);
    expect([page.url, page.status]).toEqual([`${url}/account`, 200]);
    expect(page.body).toContain(`<h1>${AMARA}</h1>`);
    const { claims } = json(await browser.fetch(`${url}/api/me`));
    expect(claims).toMatchObject({ sub: AMARA, iss: provider.issuer });
    expect(claims["exp"]).toBeGreaterThan(1);
  });
});

describe("API", () => {
  test("it tells a script who the person is and how long the tokens live", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const answer = await browser.fetch(`${url}/api/me`);
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-control"]).toBe("no-store");
    const { claims, lives, token_set, obtained_at } = json(answer);
    expect(claims).toMatchObject({ sub: AMARA, name: "Amara Okafor", aud: "example-app" });
    expect(Object.keys(lives)).toEqual(["access_token", "refresh_token", "id_token"]);
    expect(lives.access_token.seconds_left).toBeGreaterThan(280);
    expect(lives.access_token.seconds_left).toBeLessThanOrEqual(300);
    expect(lives.refresh_token).toBeNull();
    expect(token_set).toBe(1);
    expect(Math.abs(obtained_at - Date.now() / 1000)).toBeLessThan(20);
  });

  test("without a session it answers 401 as problem+json, and its login address leads to the account", async () => {
    const { url, browser } = await startExample();
    const answer = await browser.fetch(`${url}/api/me`);
    expect(answer.status).toBe(401);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    const problem = json(answer);
    expect(problem).toMatchObject({ status: 401, code: "login_required", title: expect.any(String) });
    const end = await browser.visit(new URL(`${problem["login"]}?returnTo=/account`, url));
    expect([end.url, end.status]).toEqual([`${url}/account`, 200]);
  });
});

describe("sessions", () => {
  test("a person sees where they are signed in, ends one of these, and then all", async () => {
    const { url, browser, portal: provider } = await startExample({}, {}, [/cross_site_refused/]);
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
    for (const each of [browser, phone]) expect((await each.fetch(`${url}/api/me`)).status).toBe(401);
  });
});

describe("headers and secrets", () => {
  test("every answer of the app forbids everything but its own files", async () => {
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

  test("no page holds a script or a style of its own, and whatever it loads exists", async () => {
    const { url, browser } = await startExample();
    const stranger = await browser.visit(`${url}/`);
    const account = await browser.visit(`${url}/account`);
    const pages = [stranger, account, await browser.visit(`${url}/`), await browser.visit(`${url}/nowhere`)];
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

  test("personal pages are kept in no cache", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    for (const path of ["/", "/account", "/api/me", "/api/token-check", "/api/userinfo"]) {
      expect((await browser.navigate(`${url}${path}`)).headers["cache-control"], path).toBe("no-store");
    }
  });

  test("the session's cookie is for HTTP alone and stays on this site", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const cookie = (await browser.jar.getCookies(url)).find(({ key }) => key === "portal-session");
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "lax", path: "/", secure: false });
  });

  test("no token is in any answer of the app", async () => {
    const seen: TokenSet[] = [];
    const onTokens = (tokens: TokenSet) => void seen.push(tokens);
    const { url, browser } = await startExample({ hooks: { onTokens } });
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/`);
    later(400);
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
    const answers = browser.answers.filter((answer) => answer.url.startsWith(url));
    expect(answers.length).toBeGreaterThanOrEqual(8);
    for (const { body, headers } of answers) {
      for (const secret of secrets) expect(body + JSON.stringify(headers)).not.toContain(secret);
    }
  });
});

describeWithRedis("on Redis", (redis) => {
  test("an app that is closed has let go of the session store", async () => {
    const { url, browser, close } = await startExample({ store: redis().url }, {}, [/session_store_failed/]);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    await close();
    expect((await browser.navigate(`${url}/account`)).status).toBe(503);
  });
});

test.skipIf(noChromium)(
  `in a real browser bars move, both API calls are shown, and signing out works${noChromium && ` (${noChromium})`}`,
  async () => {
    const { url } = await startExample();
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    const violations: string[] = [];
    page.on(
      "console",
      (message) => void (/security policy/i.test(message.text()) && violations.push(message.text())),
    );
    page.on("pageerror", (error) => void violations.push(error.message));
    const fits = () => page.evaluate("document.documentElement.scrollWidth <= innerWidth");

    await page.clock.install(); // the page's clock: five minutes pass in no time
    await page.goto(url);
    expect(await fits()).toBe(true);
    await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${url}/account`);

    const access = page.locator(".token", { hasText: "Access token" });
    const bar = access.getByRole("progressbar");
    const value = async () =>
      Number(await bar.evaluate((element) => (element as unknown as { value: number }).value));
    await access.getByText(/^(5 min 0 s|4 min 5\d s) left$/).waitFor();
    const before = await value();
    await page.clock.runFor(10_000);
    const moved = before - (await value());
    expect(moved).toBeGreaterThanOrEqual(10); // real time goes on as well
    expect(moved).toBeLessThan(20);
    await page.clock.fastForward(300_000);
    await page.clock.runFor(1_000);
    await access.getByText("Has run out").waitFor();
    expect(await page.getByRole("status").first().textContent()).toBe("Access token: has run out.");

    await page.getByRole("button", { name: "Call the API", exact: true }).click();
    await page.getByText("200 OK").waitFor();
    expect(await page.getByRole("region", { name: "Body of the answer" }).textContent()).toContain(
      `"sub": "${AMARA}"`,
    );
    await page.getByRole("button", { name: "Call it signed out" }).click();
    await page.getByText("401 Unauthorized").waitFor();
    expect(await fits()).toBe(true);
    const signIn = page.getByRole("main").getByRole("link", { name: "Sign in" });
    expect(await signIn.getAttribute("href")).toBe(`${url}/login?returnTo=%2Faccount`);
    await signIn.click();
    await page.waitForURL(`${url}/account`);

    await page.getByRole("link", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Let the portal answer the door." }).waitFor();
    expect(violations).toEqual([]);
  },
);

test.skipIf(noChromium)(
  `in a real browser the account page warns a minute before the session ends${noChromium && ` (${noChromium})`}`,
  async () => {
    const { clock, later } = createClock();
    const { url } = await startExample({ clock, sessionIdle: 600 });
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    const asks = () => page.evaluate('document.dispatchEvent(new Event("visibilitychange"))');
    await page.goto(`${url}/account`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${url}/account`);
    const stay = page.getByRole("button", { name: "Stay signed in" });
    later(500);
    await asks();
    expect(await stay.isVisible()).toBe(false);
    later(42);
    await asks();
    await page.getByText(/^5[5-8] s left$/).waitFor();
    expect(await page.getByRole("alert").textContent()).toBe("Your session is about to end.");
    await stay.click();
    await stay.waitFor({ state: "hidden" });
    later(600);
    await asks();
    await page.getByText("Your session has ended.").waitFor();
    await page.getByRole("button", { name: "Sign in again" }).click();
    await stay.waitFor({ state: "hidden" });
    expect(page.url()).toBe(`${url}/account`);
  },
);
