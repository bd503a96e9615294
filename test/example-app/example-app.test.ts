import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createApp } from "../../example-app/app.js";
import { type Person, type PortalOptions, startPortal } from "../../example-app/portal/portal.js";
import { sessionSettings } from "../../example-app/session-settings.js";
import type { PortalAuthOptions, TokenSet } from "../../lib/index.js";
import { type Answer, Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const CLIENT = { clientId: "example-app", clientSecret: "the-secret-of-the-example-app" };
const SECRET = "0123456789abcdef0123456789abcdef";
const AMARA = "amara-okafor";

async function listen(listener?: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** The example with a portal, both on free ports and closed when the test ends. */
async function startExample(options: PortalAuthOptions = {}, portalOptions: Partial<PortalOptions> = {}) {
  const server = await listen();
  const url = `http://127.0.0.1:${portOf(server)}`;
  const redirectUri = `${url}/callback`;
  const portal = await startPortal({
    ...CLIENT,
    redirectUris: [redirectUri],
    logoutRedirectUris: [`${url}/`],
    ...portalOptions,
  });
  onTestFinished(() => portal.close());
  const app = createApp({
    ...CLIENT,
    issuer: portal.issuer,
    profile: "tencent-ciam",
    redirectUri,
    secret: SECRET,
    ...options,
  });
  server.on("request", app);
  return { url, portal, browser: new Browser() };
}

const json = (answer: Answer) => JSON.parse(answer.body) as Record<string, unknown>;

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
    const { url, portal, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const end = await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect(new URL(end.url).pathname).toBe("/");
    expect(end.body).toContain(">Sign in</a>");
    expect((await browser.fetch(`${url}/api/me`)).status).toBe(401);
    const asked = () =>
      portal.requests.filter(({ path, method }) => path === "/portal/login" && method === "GET").length;
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
    const { url, portal, browser } = await startExample();
    const first = await browser.navigate(`${url}/account`);
    expect(first.status).toBe(302);
    expect(first.headers.location).toContain(`${portal.issuer}/oauth2/authorize?`);
    const end = await browser.visit(`${url}/account`);
    expect([end.url, end.status]).toEqual([`${url}/account`, 200]);
  });

  test("it says who the person is, with every claim in words and times as times", async () => {
    const { url, portal, browser } = await startExample();
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toContain("<h1>Amara Okafor</h1>");
    expect(body).toContain('<span class="avatar" aria-hidden="true">AO</span>');
    const { claims } = json(await browser.fetch(`${url}/api/me`)) as { claims: Record<string, unknown> };
    for (const name of Object.keys(claims)) expect(body).toContain(`<code>${name}</code></th>`);
    expect(body).toContain(`<td>${portal.issuer}</td>`);
    expect(body).toContain(`<time datetime="${new Date(Number(claims["exp"]) * 1000).toISOString()}">`);
  });

  test("it has a card for each token, with a bar where an end is known", async () => {
    const { url, browser } = await startExample({}, { accessTokenSeconds: 120 });
    const { body } = await browser.visit(`${url}/account`);
    const cards = body.split('<li class="token">').slice(1);
    expect(cards.map((card) => /<h3[^>]*>([^<]*)/.exec(card)?.[1])).toEqual([
      "Access token",
      "Refresh token",
      "ID token",
    ]);
    expect(cards[0]).toMatch(/<progress [^>]*max="12[01]" value="1[12]\d"/);
    expect(cards[1]).toContain("No known end");
    expect(cards[1]).not.toContain("<progress");
    expect(cards[2]).toMatch(/<progress [^>]*max="180[01]" value="1[78]\d\d"/);
  });

  test("a token that has run out is told as such", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 400_000 });
    onTestFinished(() => void vi.useRealTimers());
    const { body } = await browser.visit(`${url}/account`);
    expect(body).toMatch(/Has run out<\/p>\s*<progress aria-labelledby="access_token" max="30[01]" value="0"/);
    expect(json(await browser.fetch(`${url}/api/me`))).toMatchObject({ seconds_left: { access_token: 0 } });
  });

  test("a portal that gives no refresh token gets no card for one", async () => {
    const { url, portal, browser } = await startExample();
    portal.nextTokenAnswer({ refresh_token: undefined });
    expect((await browser.visit(`${url}/account`)).body).not.toContain("Refresh token");
  });

  test("what the portal says about a person is text and nothing else", async () => {
    const evil: Person = { sub: AMARA, name: `<img src=x onerror="alert('1')">`, email: "<b>&amp;</b>" };
    const { url, browser } = await startExample({}, { people: [evil] });
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
    const { url, portal, browser } = await startExample();
    portal.answerNext("/userinfo", (_req, res) => {
      if (answer) res.setHeader("content-type", "application/json").end(JSON.stringify(answer));
      else res.writeHead(503).end();
    });
    const page = await browser.visit(`${url}/account`);
    expect([page.url, page.status]).toEqual([`${url}/account`, 200]);
    expect(page.body).toContain(`<h1>${AMARA}</h1>`);
    const { claims } = json(await browser.fetch(`${url}/api/me`)) as { claims: Record<string, unknown> };
    expect(claims).toMatchObject({ sub: AMARA, iss: portal.issuer });
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
    const { claims, seconds_left } = json(answer) as { claims: object; seconds_left: Record<string, number | null> };
    expect(claims).toMatchObject({ sub: AMARA, name: "Amara Okafor", aud: "example-app" });
    expect(Object.keys(seconds_left)).toEqual(["access_token", "refresh_token", "id_token"]);
    expect(seconds_left["access_token"]).toBeGreaterThan(280);
    expect(seconds_left["access_token"]).toBeLessThanOrEqual(300);
    expect(seconds_left["refresh_token"]).toBeNull();
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

describe("headers and secrets", () => {
  test("every answer of the app forbids everything but its own files", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    for (const path of ["/", "/account", "/api/me", "/nowhere", "/style.css", "/account.js"]) {
      const { headers } = await browser.navigate(`${url}${path}`);
      expect(String(headers["content-security-policy"]).split(";").sort(), path).toEqual([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'none'",
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
      for (const [, file = ""] of body.matchAll(/(?:<script|<img|<link)[^>]* (?:src|href)="([^"]+)"/g)) files.add(file);
    }
    expect([...files].sort()).toEqual(["/account.js", "/icon.svg", "/style.css", "/times.js"]);
    for (const file of files) expect((await browser.fetch(`${url}${file}`)).status, file).toBe(200);
  });

  test("personal pages are kept in no cache", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    for (const path of ["/", "/account", "/api/me"]) {
      expect((await browser.navigate(`${url}${path}`)).headers["cache-control"], path).toBe("no-store");
    }
  });

  test("the session's cookie is for HTTP alone and stays on this site", async () => {
    const { url, browser } = await startExample();
    await browser.visit(`${url}/account`);
    const cookie = (await browser.jar.getCookies(url)).find(({ key }) => key === "example-session");
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "lax", path: "/", secure: false });
  });

  test("no token is in any answer of the app", async () => {
    const seen: TokenSet[] = [];
    const onTokens = (tokens: TokenSet) => void seen.push(tokens);
    const { url, browser } = await startExample({ hooks: { onTokens } });
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/`);
    await browser.fetch(`${url}/api/me`);
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    const [tokens] = seen;
    const secrets = [tokens?.access_token, tokens?.refresh_token, tokens?.id_token].map((token) => token ?? "");
    expect(secrets.every((secret) => secret.length > 20)).toBe(true);
    const answers = browser.answers.filter((answer) => answer.url.startsWith(url));
    expect(answers.length).toBeGreaterThanOrEqual(5);
    for (const { body, headers } of answers) {
      for (const secret of secrets) expect(body + JSON.stringify(headers)).not.toContain(secret);
    }
  });

  test("the app's session is signed with what portalAuth uses, from a variable or a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "example-app-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "secret");
    writeFileSync(path, `${SECRET},older\n`);
    const redirectUri = "https://app.example/callback";
    expect(sessionSettings({ redirectUri, secret: [SECRET] })).toEqual({ https: true, secrets: [SECRET] });
    vi.stubEnv("PORTAL_REDIRECT_URI", "http://127.0.0.1:3000/callback");
    vi.stubEnv("SESSION_SECRET", `${SECRET}, older`);
    expect(sessionSettings({})).toEqual({ https: false, secrets: [SECRET, "older"] });
    vi.stubEnv("SESSION_SECRET", "");
    vi.stubEnv("SESSION_SECRET_FILE", path);
    expect(sessionSettings({}).secrets).toEqual([SECRET, "older"]);
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
    page.on("console", (message) => void (/security policy/i.test(message.text()) && violations.push(message.text())));
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
    const value = async () => Number(await bar.evaluate((element) => (element as unknown as { value: number }).value));
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

    await page.getByRole("button", { name: "Call the API" }).click();
    await page.getByText("200 OK").waitFor();
    expect(await page.getByRole("region", { name: "Body of the answer" }).textContent()).toContain(`"sub": "${AMARA}"`);
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

describe("npm start", () => {
  /** Only what is named here reaches the example: whoever runs the tests may have a portal of their own set. */
  function run(env: Record<string, string>) {
    const child = spawn(process.execPath, ["example-app/dist/main.js"], { cwd: PROJECT, env });
    onTestFinished(() => void child.kill("SIGKILL"));
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    const ended = once(child, "close").then(([code]) => ({ code: code as number | null, out, err }));
    return { child, ended, printed: () => out };
  }

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const port = portOf(server);
    server.close();
    await once(server, "close");
    return port;
  }

  test("prints one address, under which a person can log in, and ends at a signal", async () => {
    const [port, portalPort] = [await freePort(), await freePort()];
    const example = run({ PORT: String(port), DEMO_PORTAL_PORT: String(portalPort) });
    await Promise.race([vi.waitUntil(() => example.printed().includes("Ctrl+C"), { timeout: 15_000 }), example.ended]);
    expect(example.printed().match(/https?:\S+/g)).toEqual([`http://127.0.0.1:${port}/`]);
    const browser = new Browser();
    const end = await browser.visit(`http://127.0.0.1:${port}/account`);
    expect(end.body).toContain("Amara Okafor");
    expect((await browser.fetch(`http://127.0.0.1:${port}/style.css`)).status).toBe(200);
    example.child.kill("SIGTERM");
    const { code, err } = await example.ended;
    expect([code, err.replace(/^\[express-portal-auth\].*\n/gm, "")]).toEqual([0, ""]);
  });

  test("a port in use is told in one line with the variable that changes it, and nothing is left running", async () => {
    const [taken, free] = [portOf(await listen()), await freePort()];
    const app = await run({ PORT: String(taken), DEMO_PORTAL_PORT: String(free) }).ended;
    expect([app.code, app.out]).toEqual([1, ""]);
    expect(app.err.trim()).toMatch(new RegExp(`^Port ${taken} is in use\\. .*: PORT=\\d+ npm start$`));
    const portal = await run({ PORT: String(free), DEMO_PORTAL_PORT: String(taken) }).ended;
    expect([portal.code, portal.out]).toEqual([1, ""]);
    expect(portal.err.trim()).toMatch(new RegExp(`^Port ${taken} is in use\\. .*: DEMO_PORTAL_PORT=\\d+ npm start$`));
  });

  test("when both ports are in use, both are named at once", async () => {
    const [one, two] = [portOf(await listen()), portOf(await listen())];
    const { code, err } = await run({ PORT: String(one), DEMO_PORTAL_PORT: String(two) }).ended;
    expect(code).toBe(1);
    expect(err).toContain(`Port ${one} is in use. Port ${two} is in use.`);
    expect(err).toMatch(/PORT=\d+ DEMO_PORTAL_PORT=\d+ npm start/);
  });

  test.each([
    [{ PORT: "door" }, "PORT must be a number from 1 to 65535."],
    [{ PORT: "3001", DEMO_PORTAL_PORT: "3001" }, "PORT and DEMO_PORTAL_PORT must be two different ports."],
  ])("ports that make no sense (%o) are told", async (env, line) => {
    const { code, err } = await run(env).ended;
    expect([code, err.trim()]).toEqual([1, line]);
  });

  test("a portal of one's own that is not fully set up is told by variable, without a stack", async () => {
    const { code, out, err } = await run({ PORTAL_CLIENT_ID: "mine", PORTAL_CLIENTSECRET: "typo" }).ended;
    expect([code, out]).toEqual([1, ""]);
    for (const name of ["PORTAL_ISSUER", "PORTAL_REDIRECT_URI", "SESSION_SECRET", "PORTAL_CLIENT_SECRET"])
      expect(err).toContain(name);
    expect(err).toContain("PORTAL_CLIENTSECRET is not a variable");
    expect(err).not.toMatch(/^\s+at /m);
  });

  test("with PORTAL_ variables it uses that portal, and prints where people come in", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const portal = await startPortal({ ...CLIENT, redirectUris: [`${url}/callback`], logoutRedirectUris: [`${url}/`] });
    onTestFinished(() => portal.close());
    const example = run({
      PORT: String(port),
      PORTAL_ISSUER: portal.issuer,
      PORTAL_PROFILE: "tencent-ciam",
      PORTAL_CLIENT_ID: CLIENT.clientId,
      PORTAL_CLIENT_SECRET: CLIENT.clientSecret,
      PORTAL_REDIRECT_URI: `${url}/callback`,
      SESSION_SECRET: SECRET,
    });
    await Promise.race([vi.waitUntil(() => example.printed().includes("Ctrl+C"), { timeout: 15_000 }), example.ended]);
    expect(example.printed()).toContain(`Open ${url}/`);
    expect((await new Browser().visit(`${url}/account`)).body).toContain("Amara Okafor");
    expect(portal.requests.some(({ path }) => path === "/oauth2/token")).toBe(true);
  });
});
