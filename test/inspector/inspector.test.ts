import { createServer } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import express from "express";
import type { Browser as Chromium, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createEventEmitter } from "../../lib/events/event-emitter.js";
import type { Hooks } from "../../lib/index.js";
import { type Inspector, inspector } from "../../lib/inspector/index.js";
import { json, logIn } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { advanceDate } from "../support/fake-time.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { close, serve } from "../support/serve.js";
import { freePort } from "../support/servers/free-port.mjs";
import { secretsOf, startWorld, type WorldOptions } from "../support/world.js";

const SHOTS = fileURLToPath(new URL("../output/inspector", import.meta.url));

let inspect: Inspector;

/** Mounts an inspector after portalAuth() in the app of a world. */
function withInspector(options: WorldOptions = {}): WorldOptions {
  return {
    ...options,
    after(app) {
      inspect = inspector();
      onTestFinished(() => inspect.close());
      app.use("/inspect", inspect);
      options.after?.(app);
    },
  };
}

/** Starts a world with an inspector that its browser may read. */
async function startWithAccess(options: WorldOptions = {}) {
  const world = await startWorld(withInspector(options));
  await world.browser.navigate(inspect.link(`${world.url}/inspect/`));
  return world;
}

const parseBody = (response: { body: string }) => JSON.parse(response.body);

/** Returns a token in compact form with this number of parts. */
function jose(parts: number): string {
  const header = Buffer.from(JSON.stringify({ alg: "RS256" })).toString("base64url");
  return [header, ...new Array(parts - 1).fill("c29tZXRoaW5n")].join(".");
}

describe("access to the inspector", () => {
  test.each([
    "production",
    "production ",
    "production\r",
    " Production",
    "PRODUCTION",
    '"production"',
    "'production '",
  ])("inspector() throws if NODE_ENV is %j", (value) => {
    vi.stubEnv("NODE_ENV", value);
    expect(() => inspector()).toThrow(/NODE_ENV is production/);
  });

  test.each(["", "development", "test", "preproduction", "production-like"])(
    "inspector() accepts the NODE_ENV %j",
    (value) => {
      vi.stubEnv("NODE_ENV", value);
      expect(() => inspector().close()).not.toThrow();
    },
  );

  const ownAddress = Object.values(networkInterfaces())
    .flat()
    .find((entry) => entry && !entry.internal && entry.family === "IPv4")?.address;

  test.skipIf(!ownAddress)(
    `a request to another address of this machine gets 404${ownAddress ? "" : " (skipped: none)"}`,
    async () => {
      vi.spyOn(console, "warn").mockImplementation(() => {});
      const inspect = inspector();
      onTestFinished(() => inspect.close());
      const app = express().use("/inspect", inspect);
      const { port } = new URL(await serve(app, "0.0.0.0"));
      const foreign = inspect.link(`http://${ownAddress}:${port}/inspect/`);
      expect((await fetch(foreign)).status).toBe(404);
      // The header Host does not give access:
      expect((await fetch(foreign, { headers: { host: "localhost" } })).status).toBe(404);
      expect((await fetch(inspect.link(`http://127.0.0.1:${port}/inspect/`))).status).toBe(200);
    },
  );

  test.each([
    ["through a proxy", { "x-forwarded-for": "127.0.0.1" }],
    ["through another proxy", { forwarded: "for=127.0.0.1" }],
    ["through nginx", { "x-real-ip": "127.0.0.1" }],
    ["through a network of proxies", { "cf-connecting-ip": "127.0.0.1" }],
    ["with a foreign host name that resolves to this machine", { host: "rebound.example" }],
    ["with a host name that only begins with ours", { host: "localhost.evil.example" }],
    ["from the script of another site", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" }],
    [
      "from a frame of another site",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
    ],
  ])("a request %s gets 404 without an explanation", async (_case, headers) => {
    const log = [/inspector\(\): a request was answered with 404/];
    const { url, browser } = await startWithAccess({ log });
    for (const path of ["/inspect/", "/inspect/events.json", "/inspect/inspector.js"]) {
      const { status, body } = await browser.request(url + path, { headers });
      expect([status, body]).toEqual([404, "Not Found\n"]);
    }
  });

  test("an HTTP/1.0 request, as nginx sends it by default, gets 404", async () => {
    const { url } = await startWorld(withInspector({ log: [/uses HTTP\/1\.0/] }));
    const { hostname, port, host } = new URL(url);
    const socket = connect(Number(port), hostname);
    const { search } = new URL(inspect.link(url));
    socket.end(`GET /inspect/${search} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test("a request via http gets 404 if the public origin has https", async () => {
    const world = withInspector({ publicOrigin: "https://app.example", log: [/comes over http although/] });
    const { url, browser } = await startWorld(world);
    expect((await browser.request(inspect.link(`${url}/inspect/`))).status).toBe(404);
  });

  test("another site can link to the page, but cannot read the events", async () => {
    const { url, browser } = await startWithAccess({ log: [/another site's page/] });
    const link = inspect.link(`${url}/inspect/`); // consoles in the browser are pages of another site
    expect((await browser.navigate(link, { site: "cross-site" })).status).toBe(200);
    expect((await browser.navigate(`${url}/inspect/events.json`, { site: "cross-site" })).status).toBe(404);
    const { headers } = await browser.navigate(`${url}/inspect/`);
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["cache-control"]).toBe("no-store");
  });

  test("other methods and paths get 404", async () => {
    const { url, browser } = await startWithAccess();
    for (const [method, path] of [
      ["POST", "/"],
      ["GET", "/../errors.md"],
      ["GET", "/page/index.html"],
      ["GET", "/explanation.json?code=nonsense"],
    ])
      expect((await browser.fetch(`${url}/inspect${path}`, { method: method as string })).status).toBe(404);
  });

  describe("the token from the console", () => {
    const TOKEN_MISSING =
      /inspector\(\): a request has no valid token\. To open the page: (\S+) \(it works once\)/;
    const FILES = ["", "events.json", "configuration.json", "inspector.js", "style.css"];

    const start = (options: WorldOptions = {}) =>
      startWorld(withInspector({ log: [TOKEN_MISSING], ...options }));

    async function expectNoAccess(browser: Browser, url: string) {
      for (const file of FILES) {
        const { status, body } = await browser.request(`${url}/inspect/${file}`);
        expect([status, body]).toEqual([404, "Not Found\n"]);
      }
    }

    test("is logged once a minute for requests without it, and opens the page once", async () => {
      const { url, browser, log } = await start();
      await expectNoAccess(browser, url);
      const shown = log.flatMap((line) => TOKEN_MISSING.exec(line)?.[1] ?? []);
      expect(shown).toEqual([inspect.link(`${url}/inspect/`)]);
      const [link = ""] = shown;
      expect((await browser.navigate(link)).status).toBe(200);
      for (const file of FILES) expect((await browser.fetch(`${url}/inspect/${file}`)).status).toBe(200);
      const another = new Browser();
      expect((await another.navigate(link)).status).toBe(404);
      await expectNoAccess(another, url);
      const links = new Set(log.flatMap((line) => TOKEN_MISSING.exec(line)?.[1] ?? []));
      expect(links.size).toBe(2); // a new token is logged
      expect((await browser.fetch(`${url}/inspect/events.json`)).status).toBe(200);
    });

    test("sets a cookie that scripts and other sites do not get", async () => {
      const { url, browser } = await start();
      const { headers } = await browser.navigate(inspect.link(`${url}/inspect/`));
      const { port } = new URL(url);
      expect(headers["set-cookie"]).toEqual([
        expect.stringMatching(
          new RegExp(`^portal-inspector-${port}=[^;]+; Path=/inspect; HttpOnly; SameSite=Strict$`),
        ),
      ]);
    });

    test("is necessary: other tokens, methods, paths and cookies get 404", async () => {
      const { url, browser } = await start();
      const validToken = new URL(inspect.link(`${url}/inspect/`)).searchParams.get("token") ?? "";
      const changed = [validToken.slice(1), `${validToken}x`, validToken.toUpperCase()];
      for (const token of ["", "x", ...changed, "undefined"]) {
        const { status } = await browser.navigate(`${url}/inspect/?${new URLSearchParams({ token })}`);
        expect([token, status]).toEqual([token, 404]);
      }
      for (const [method, path] of [
        ["POST", "/inspect/"],
        ["HEAD", "/inspect/"],
        ["GET", "/inspect/events.json"],
      ] as const)
        expect((await browser.fetch(`${url}${path}?token=${validToken}`, { method })).status).toBe(404);
      const { port } = new URL(url);
      for (const cookie of ["x", validToken, "a.b.c.d.e"])
        expect(
          (
            await browser.request(`${url}/inspect/`, {
              headers: { cookie: `portal-inspector-${port}=${cookie}` },
            })
          ).status,
        ).toBe(404);
    });

    test("gives access for 12 hours, also after a restart with the same SESSION_SECRET", async () => {
      const { url, browser, app } = await start();
      await browser.navigate(inspect.link(`${url}/inspect/`));
      const restarted = inspector();
      onTestFinished(() => restarted.close());
      app.use("/restarted", restarted);
      const cookie = [...(await browser.cookies(`${url}/inspect/`))].map((pair) => pair.join("=")).join("; ");
      const headers = { cookie };
      const statusOf = async () => (await browser.request(`${url}/restarted/`, { headers })).status;
      expect(await statusOf()).toBe(200);
      advanceDate(12 * 60 * 60 * 1000);
      expect(await statusOf()).toBe(404);
    });

    test("is not replaced by a cookie of an app with another SESSION_SECRET", async () => {
      const other = await start();
      await other.browser.navigate(inspect.link(`${other.url}/inspect/`));
      const [value = ""] = (await other.browser.cookies(`${other.url}/inspect/`)).values();
      const { url, browser } = await start({
        options: { secret: "another-secret-of-at-least-32-characters" },
      });
      const cookie = `portal-inspector-${new URL(url).port}=${value}`;
      expect((await browser.request(`${url}/inspect/`, { headers: { cookie } })).status).toBe(404);
    });

    test.skipIf(noNginx)(
      `is necessary behind nginx with HTTP/1.1 and the Host of the upstream${noNginx && ` (${noNginx})`}`,
      async () => {
        const { url, browser } = await start();
        const port = await freePort();
        const front = `http://127.0.0.1:${port}`;
        await startNginx(`
          server {
            listen 127.0.0.1:${port};
            location / {
              proxy_pass ${url};
              proxy_http_version 1.1;
              proxy_set_header Connection "";
            }
          }`);
        await expectNoAccess(new Browser(), front);
        expect((await browser.navigate(inspect.link(`${url}/inspect/`))).status).toBe(200);
        await expectNoAccess(new Browser(), front);
      },
    );
  });
});

describe("the inspector shows", () => {
  test("the steps of a login, and the failure of a login with its causes", async () => {
    const { url, browser, provider } = await startWithAccess({ log: [/code_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/account`);
    const { records } = parseBody(await browser.fetch(`${url}/inspect/events.json`));
    const logins = records.filter(({ kind }: { kind: string }) => kind === "login");
    expect(logins).toMatchObject([
      {
        state: "failed",
        failure: { code: "code_refused", request_id: expect.any(String), detail: expect.any(String) },
      },
      { state: "finished", steps: [{ step: "callback" }, ...new Array(6).fill({})] },
    ]);
    const explained = parseBody(await browser.fetch(`${url}/inspect/explanation.json?code=code_refused`));
    expect(explained).toMatchObject({ code: "code_refused", causes: expect.any(Array) });
    expect(explained.causes.length).toBeGreaterThan(2);
  });

  test("only new records, and all records after a restart", async () => {
    const { url, browser } = await startWithAccess();
    await browser.visit(`${url}/account`);
    const first = parseBody(await browser.fetch(`${url}/inspect/events.json`));
    const query = new URLSearchParams({ log_id: first.log_id, after: first.last });
    expect(parseBody(await browser.fetch(`${url}/inspect/events.json?${query}`)).records).toEqual([]);
    query.set("log_id", "another");
    expect(parseBody(await browser.fetch(`${url}/inspect/events.json?${query}`)).records).toEqual(
      first.records,
    );
  });

  test("at most the newest 50 logins and the newest 200 other records", async () => {
    const { url, browser } = await startWithAccess();
    const emit = createEventEmitter({
      instance: "default",
      issuer: "https://portal.example",
      client_id: "app",
    });
    for (let n = 0; n < 300; n += 1) {
      emit("login.started", () => ({ login: `login ${n}`, silent: false }));
      emit("logout", () => ({ reason: "logout" as const, sessions: 1, had_login: true, at_provider: true }));
    }
    const { records } = parseBody(await browser.fetch(`${url}/inspect/events.json`));
    const kinds = records.map(({ kind }: { kind: string }) => kind);
    expect(kinds.filter((kind: string) => kind === "login")).toHaveLength(50);
    expect(kinds.filter((kind: string) => kind === "logout")).toHaveLength(200);
  });

  test("the number of requests that share a refresh", async () => {
    const emit = createEventEmitter({
      instance: "default",
      issuer: "https://portal.example",
      client_id: "app",
    });
    const { url, browser } = await startWithAccess();
    emit("refresh.joined", () => ({ refresh: 1 }));
    emit("refresh.joined", () => ({ refresh: 1 }));
    emit("refresh.done", () => ({ refresh: 1, took: 12, rotated: true }));
    emit("refresh.joined", () => ({ refresh: 2 }));
    const { records } = parseBody(await browser.fetch(`${url}/inspect/events.json`));
    expect(records).toMatchObject([
      { state: "done", joined: 2, rotated: true },
      { state: "under_way", joined: 1 },
    ]);
  });

  test("a second refresh with the same number as a separate record", async () => {
    const emit = createEventEmitter({
      instance: "default",
      issuer: "https://portal.example",
      client_id: "app",
    });
    const { url, browser } = await startWithAccess();
    const readRecords = async (query = {}) =>
      parseBody(await browser.fetch(`${url}/inspect/events.json?${new URLSearchParams(query)}`));
    emit("refresh.done", () => ({ refresh: 1, took: 12, rotated: true }));
    const first = await readRecords();
    emit("refresh.done", () => ({ refresh: 1, took: 34, rotated: true })); // emitted by a new portalAuth()
    const second = await readRecords({ log_id: first.log_id, after: first.last });
    const ids = new Set([...first.records, ...second.records].map(({ id }: { id: string }) => id));
    expect(ids.size).toBe(2);
    expect((await readRecords()).records).toMatchObject([{ took: 12 }, { took: 34 }]);
  });

  test("a failure with a code that this version of the package does not know", async () => {
    const { url, browser } = await startWithAccess();
    const failure = {
      login: "a",
      silent: false,
      code: "of_a_later_version",
      status: 400,
      since_started: 9,
      took: 1,
      steps: [],
    };
    const emit = createEventEmitter({
      instance: "default",
      issuer: "https://portal.example",
      client_id: "app",
    });
    emit("login.failed", () => failure);
    const { records } = parseBody(await browser.fetch(`${url}/inspect/events.json`));
    expect(records).toMatchObject([{ state: "failed", failure: { code: "of_a_later_version", hint: "" } }]);
  });

  test.each([
    ["a JWT", jose(3)],
    ["an encrypted JWT", jose(5)],
  ])("no token that is in a claim: %s", async (_kind, inner) => {
    const { url, browser, provider } = await startWithAccess();
    provider.nextIdToken({ claims: { upstream: { tokens: [inner] }, at: "portal.of.a.department.example" } });
    await browser.visit(`${url}/account`);
    const { body } = await browser.fetch(`${url}/inspect/events.json`);
    expect(body).not.toContain(inner);
    expect(body).toContain(`[a token of ${inner.length} characters]`);
    expect(body).toContain("portal.of.a.department.example");
  });

  test.each(["access_token", "refresh_token"] as const)("no opaque %s that is in a claim", async (name) => {
    const opaque = "an-opaque-token-by-itself";
    const { url, browser, provider } = await startWithAccess({
      options: { hooks: { onTokens: (tokens) => ({ ...tokens, [name]: opaque }) } },
    });
    provider.nextIdToken({ claims: { upstream: opaque } });
    await browser.visit(`${url}/account`);
    const { body } = await browser.fetch(`${url}/inspect/events.json`);
    expect(body).toContain("[a token of 25 characters]");
    expect(body).not.toContain(opaque);
  });

  test("the content of this browser's tokens, but no token, secret or signature", async () => {
    const { url, browser, provider, tokens } = await logIn(withInspector());
    await browser.navigate(inspect.link(`${url}/inspect/`));
    const pages = ["/", "/events.json", "/configuration.json"];
    const bodies = await Promise.all(
      pages.map(async (path) => (await browser.fetch(`${url}/inspect${path}`)).body),
    );
    const { users } = JSON.parse(bodies[1] ?? "");
    expect(users).toMatchObject([
      {
        instance: "default",
        sub: "amara-okafor",
        login: "/login",
        logout: "/logout",
        tokens: [
          { name: "access_token", header: { alg: "RS256" }, claims: { sub: "amara-okafor" } },
          { name: "id_token", claims: { aud: "demo-app" } },
          { name: "refresh_token", length: 128 },
        ],
      },
    ]);
    const stored = await tokens();
    const raw = [stored.access_token, stored.id_token ?? "", stored.refresh_token ?? ""];
    const signatures = raw.map((token) => token.split(".")[2] ?? "").filter(({ length }) => length > 20);
    expect(signatures).toHaveLength(2);
    for (const secret of [...secretsOf(provider, browser.answers, url), ...raw, ...signatures])
      for (const body of bodies) expect(body).not.toContain(secret);
  });

  test("the configuration, with the origin of each value", async () => {
    const { url, browser } = await startWithAccess();
    const { default: options } = parseBody(await browser.fetch(`${url}/inspect/configuration.json`));
    expect(options).toContainEqual(
      expect.objectContaining({ option: "clientSecret", value: "set, 33 characters", origin: "option" }),
    );
    expect(options).toContainEqual(
      expect.objectContaining({ option: "nonce", value: "optional", origin: "profile" }),
    );
  });
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let chromium: Chromium;
  beforeAll(async () => {
    chromium = await launchChromium();
  });
  afterAll(() => chromium?.close());

  async function open(url: string, options: Parameters<Chromium["newContext"]>[0] = {}) {
    const context = await chromium.newContext(options);
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    onTestFinished(() => expect(errors).toEqual([]));
    await page.goto(inspect.link(`${url}/inspect/`));
    await page.getByText("live", { exact: true }).waitFor();
    expect(page.url()).toBe(`${url}/inspect/`); // without the token
    return { context, page };
  }

  const logInAt = async (page: Page, url: string) => {
    await page.goto(`${url}/account`);
    await page.getByRole("button", { name: /Amara/ }).click();
    await page.waitForURL(`${url}/account`);
  };

  test("a login and the remaining lifetimes of its tokens appear while the page is open", async () => {
    const { url } = await startWorld(withInspector({ provider: { accessTokenSeconds: 60 } }));
    const { context, page } = await open(url);
    await page.getByText("No logins so far.").waitFor();
    await page.screenshot({ path: join(SHOTS, "1-empty.png"), fullPage: true });
    await logInAt(await context.newPage(), url);
    await page.bringToFront();
    await page.getByText("signed in", { exact: true }).waitFor();
    expect(await page.locator("#logins .timeline").first().locator(".name").allTextContents()).toEqual([
      "at the provider",
      "callback",
      "discovery",
      "state",
      "exchange",
      "checks",
      "hooks",
      "session",
    ]);
    const token = page.locator(".token[data-name=access_token]");
    const width = async () => Number.parseFloat((await token.locator(".fill").getAttribute("width")) ?? "");
    const before = await width();
    await vi.waitFor(async () => expect(await width()).toBeLessThan(before), { timeout: 10_000 });
    expect(await token.getByText("id of the key").count()).toBe(1);
    await page.screenshot({ path: join(SHOTS, "2-signed-in.png"), fullPage: true });
  });

  test("a failed login shows its code, its last step, and the usual causes after a click", async () => {
    const { url, provider } = await startWorld(withInspector({ log: [/id_token_invalid/] }));
    const { context, page } = await open(url, { colorScheme: "dark", viewport: { width: 390, height: 800 } });
    provider.nextIdToken({ claims: { aud: "another" } });
    const other = await context.newPage();
    await other.goto(`${url}/account`);
    await other.getByRole("button", { name: /Amara/ }).click();
    await other.getByText("id_token_invalid").waitFor();
    await page.bringToFront();
    const logins = page.locator("#logins");
    await logins.getByText("id_token_invalid").waitFor();
    expect(await logins.getByRole("img", { name: /checks: stopped here/ }).count()).toBe(1);
    await logins.getByText("Usual causes").click();
    await logins.getByText("the clock of this machine or of the provider is wrong").waitFor();
    await page.screenshot({ path: join(SHOTS, "3-failed.png"), fullPage: true });
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    const variable = page.locator("#configuration").getByText("PORTAL_ISSUER"); // no column is cut off
    expect(
      ((await variable.boundingBox())?.x ?? 390) + ((await variable.boundingBox())?.width ?? 0),
    ).toBeLessThan(390);
    await page.locator("#configuration").screenshot({ path: join(SHOTS, "4-configuration.png") });
  });

  test("the keyboard focus in a time line stays when new records arrive", async () => {
    const { url } = await startWorld(withInspector());
    const emit = createEventEmitter({
      instance: "default",
      issuer: "https://portal.example",
      client_id: "app",
    });
    emit("login.finished", () => ({
      login: "a",
      silent: false,
      since_started: 9,
      took: 2,
      steps: [
        { step: "callback" as const, from: 0, took: 1 },
        { step: "session" as const, from: 1, took: 1 },
      ],
    }));
    const { page } = await open(url);
    await page.locator(".timeline li", { hasText: "session" }).focus();
    emit("login.started", () => ({ login: "b", silent: false }));
    await page.locator("#logins .mark", { hasText: "at the provider" }).waitFor();
    expect(await page.locator(".timeline li:focus .name").textContent()).toBe("session");
  });

  test("HTML in a claim is shown as text", async () => {
    const name = '<img src=x onerror="document.title=1">';
    const hooks: Hooks = {
      onLogin(context) {
        context.claims = { ...context.claims, name };
      },
    };
    const { url } = await startWorld(withInspector({ options: { hooks } }));
    const { context, page } = await open(url);
    await logInAt(await context.newPage(), url);
    await page.bringToFront();
    await page.getByText(name).first().waitFor();
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.title()).toBe("Portal inspector");
  });

  test("the page continues automatically when the app is back", async () => {
    const app = express();
    inspect = inspector();
    onTestFinished(() => inspect.close());
    app.use("/inspect", inspect);
    const server = createServer(app);
    const url = await serve(server);
    const context = await chromium.newContext();
    onTestFinished(() => context.close());
    const page = await context.newPage();
    await page.goto(inspect.link(`${url}/inspect/`));
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByText("Mount the inspector after it").waitFor();
    await close(server);
    await page.getByText("the app does not respond").waitFor();
    const again = createServer(app);
    onTestFinished(() => close(again));
    await new Promise<void>((resolve) => again.listen(Number(new URL(url).port), "127.0.0.1", resolve));
    await page.getByText("live", { exact: true }).waitFor();
  });
});
