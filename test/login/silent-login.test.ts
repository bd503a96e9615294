import type { Express } from "express";
import session from "express-session";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PortalAuthError, type PortalAuthOptions } from "../../lib/index.js";
import { holdNext } from "../access/signed-in-request.js";
import { Browser, type RequestOptions } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { createClock } from "../support/clock.js";
import { listenToEvents } from "../support/events.js";
import { fakeTimeouts } from "../support/fake-time.js";
import { startWorld, type World, type WorldOptions } from "../support/world.js";

const start = (options: PortalAuthOptions = {}, more: Partial<WorldOptions> = {}): Promise<World> =>
  startWorld({
    provider: { document: "full" },
    options: { profile: "openid", silentLogin: true, ...options },
    ...more,
  });

const countAuthorizationRequests = ({ asked }: World) =>
  asked("/oauth2/authorize").filter(({ url }) => url.includes("prompt=none")).length;

/**
 * Closes and reopens the browser. Its session cookies are gone, except that of a session that is still valid.
 */
async function restartBrowser({ browser, url }: World): Promise<void> {
  await browser.jar.setCookie("portal-silent-tried=; Path=/; Max-Age=0", url);
  await browser.jar.setCookie("portal-silent=1; Path=/", url);
}

/** A user who opens page after page of a site. */
const open = ({ browser, url }: World, ask: RequestOptions = {}) => browser.visit(`${url}/`, ask);

describe("a visitor", () => {
  test("sees the first page unchanged, and the second one redirects to the provider once", async () => {
    const world = await start();
    const first = await open(world);
    expect([first.body, first.headers["set-cookie"]]).toEqual([
      "home",
      [expect.stringContaining("portal-silent=1")],
    ]);
    expect(countAuthorizationRequests(world)).toBe(0);
    for (let n = 0; n < 3; n += 1) expect((await open(world)).body).toBe("home");
    expect(countAuthorizationRequests(world)).toBe(1);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("without a session at the provider returns to exactly the requested page", async () => {
    const world = await start();
    await open(world);
    const page = await world.browser.visit(`${world.url}/?q=a%20b&c`);
    expect([page.url, page.status, page.body]).toEqual([`${world.url}/?q=a%20b&c`, 200, "home"]);
    expect([countAuthorizationRequests(world), world.log]).toEqual([1, []]);
  });

  test("with a session at the provider is signed in without a page", async () => {
    const world = await start();
    await signInAtProviderOnly(world);
    await open(world);
    const page = await open(world);
    expect(page.body).toBe("home");
    expect((await world.me()).claims).toMatchObject({ sub: "amara-okafor" });
    expect(world.asked("/portal/login")).toHaveLength(2); // at the login at the provider, and not again
  });

  test("who signs out is not signed in again by the next page", async () => {
    const world = await start();
    await world.browser.visit(`${world.url}/account`);
    await restartBrowser(world);
    world.provider.answerNext(
      "/logout",
      (_req, res) => void res.writeHead(302, { location: `${world.url}/` }).end(),
    ); // the provider still has a session
    await world.browser.visit(`${world.url}/logout`, { site: "same-origin" });
    await open(world);
    await open(world);
    expect([countAuthorizationRequests(world), (await world.me()).isAuthenticated]).toEqual([0, false]);
  });

  test("who ends the current session is not signed in again by the next page", async () => {
    const world = await start(
      {},
      {
        after: (app) =>
          app.post("/end", async (req, res) => {
            const [{ id = "" } = {}] = await req.portal.sessions();
            res.json(await req.portal.endSession(id));
          }),
      },
    );
    await world.browser.visit(`${world.url}/account`);
    await restartBrowser(world);
    const before = countAuthorizationRequests(world);
    expect((await world.browser.fetch(`${world.url}/end`, { method: "POST" })).body).toBe("true");
    await open(world);
    expect([countAuthorizationRequests(world) - before, (await world.me()).isAuthenticated]).toEqual([
      0,
      false,
    ]);
  });

  test("keeps the session's content if the provider has no session", async () => {
    const world = await start(
      {},
      {
        before: (app) => app.use(session({ secret: "s", resave: false, saveUninitialized: false })),
        after: withCart,
      },
    );
    await world.browser.fetch(`${world.url}/cart/lamp`);
    await open(world);
    await open(world);
    expect([
      countAuthorizationRequests(world),
      (await world.browser.fetch(`${world.url}/cart/chair`)).body,
    ]).toEqual([1, '["lamp","chair"]']);
  });

  test("is not redirected again because of a late or cached response", async () => {
    const world = await start();
    await open(world);
    await open(world);
    await world.browser.jar.setCookie("portal-silent=1; Path=/", world.url);
    await open(world);
    expect(countAuthorizationRequests(world)).toBe(1);
  });

  test("whose login has expired is not signed in silently", async () => {
    const { clock, later } = createClock();
    const world = await start({ clock, sessionAbsolute: 600 });
    await world.browser.visit(`${world.url}/account`);
    later(601);
    await open(world);
    await open(world);
    expect([countAuthorizationRequests(world), (await world.me()).isAuthenticated]).toEqual([0, false]);
  });

  test("who has signed in meanwhile, in another tab, keeps that login", async () => {
    const world = await start();
    await signInAtProviderOnly(world);
    await open(world);
    const callback = await world.browser.loginUntilCallback(
      (await world.browser.navigate(`${world.url}/`)).headers.location ?? "",
    );
    await world.browser.visit(`${world.url}/account`);
    const kept = (await world.browser.cookies(world.url)).get("portal-session");
    const codes = world.asked("/oauth2/token").length;
    expect((await world.browser.visit(callback)).body).toBe("home");
    expect((await world.browser.cookies(world.url)).get("portal-session")).toBe(kept);
    expect(world.asked("/oauth2/token")).toHaveLength(codes);
  });
});

/**
 * Signs in at the provider through another application, so this one does not know. The silent marks are
 * removed.
 */
async function signInAtProviderOnly({ browser, url }: World): Promise<void> {
  await browser.visit(`${url}/account`);
  const cookies = await browser.jar.getCookies(url);
  await browser.jar.removeAllCookies();
  for (const cookie of cookies)
    if (cookie.key.startsWith("demo_portal")) await browser.jar.setCookie(cookie, url);
}

const withCart = (app: Express) =>
  app.get("/cart/:thing", (req, res) => {
    const session = req.session as { cart?: string[] };
    session.cart = [...(session.cart ?? []), req.params["thing"] as string];
    res.json(session.cart);
  });

describe("no silent login starts", () => {
  test("for a signed-in user", async () => {
    const world = await start();
    await world.browser.visit(`${world.url}/account`);
    const page = await open(world);
    await open(world);
    expect([countAuthorizationRequests(world), page.headers["set-cookie"]]).toEqual([0, undefined]);
  });

  test.each<[what: string, ask: RequestOptions]>([
    ["a crawler or an old browser that sends no Fetch Metadata", { old: true }],
    [
      "a crawler that drives a browser",
      { headers: { "user-agent": "Mozilla/5.0 (compatible; Examplebot/2.1) Chrome/140.0" } },
    ],
    ["a prefetch", { headers: { "sec-purpose": "prefetch" } }],
    ["a frame", { headers: { "sec-fetch-dest": "iframe" } }],
    ["a script", { headers: { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" } }],
    ["an image", { headers: { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" } }],
    ["a form", { method: "POST" }],
    ["a look at the headers alone", { method: "HEAD" }],
  ])("for %s, which gets no cookie", async (_what, ask) => {
    const world = await start();
    for (let n = 0; n < 3; n += 1)
      expect((await world.browser.navigate(`${world.url}/`, ask)).headers["set-cookie"]).toBe(undefined);
    await open(world);
    for (let n = 0; n < 3; n += 1) await world.browser.navigate(`${world.url}/`, ask);
    expect(countAuthorizationRequests(world)).toBe(0);
  });

  test("for a browser that keeps no cookies, after any number of pages", async () => {
    const world = await start();
    for (let n = 0; n < 5; n += 1) {
      await world.browser.jar.removeAllCookies();
      expect((await open(world)).body).toBe("home");
    }
    expect(countAuthorizationRequests(world)).toBe(0);
  });

  test.each(["/login", "/callback?code=x&state=y", "/logout"])("for a request of %s", async (path) => {
    const world = await start({}, { log: [/login_/] });
    await open(world);
    await world.browser.navigate(world.url + path);
    expect(countAuthorizationRequests(world)).toBe(0);
  });

  test("if another site leads here and the session is SameSite=Strict", async () => {
    const world = await start({ sameSite: "strict" });
    await open(world);
    await world.browser.navigate(`${world.url}/`, { site: "cross-site" });
    expect(countAuthorizationRequests(world)).toBe(0);
    await open(world);
    expect(countAuthorizationRequests(world)).toBe(1);
  });

  test("if the option is off", async () => {
    const world = await start({ silentLogin: false });
    expect((await open(world)).headers["set-cookie"]).toBeUndefined();
    await open(world);
    expect(countAuthorizationRequests(world)).toBe(0);
  });

  test("for a guarded page, because the guard starts a login with a page", async () => {
    const world = await start();
    // The first page only sets the cookie.
    const { headers } = await world.browser.navigate(`${world.url}/account`);
    expect(new URL(headers.location ?? "").searchParams.get("prompt")).toBeNull();
  });
});

describe("a silent login", () => {
  test.each(["login_required", "interaction_required", "consent_required", "account_selection_required"])(
    "ends without an error if the provider returns %s",
    async (error) => {
      const world = await start();
      await open(world);
      setProviderResponse(world, { error });
      const events = listenToEvents();
      expect((await open(world)).body).toBe("home");
      expect(world.log).toEqual([]);
      expect(events.of("login.failed")).toMatchObject([{ silent: true, code: "interaction_needed" }]);
      expect(events.of("login.started")).toMatchObject([{ silent: true }]);
    },
  );

  test.each<[error: string, line: RegExp]>([
    ["server_error", /portal_failed/],
    ["invalid_scope", /authorization_refused/],
  ])(
    "ends with a line in the log, and no error for the user, if the provider returns %s",
    async (error, line) => {
      const world = await start({}, { log: [line] });
      await open(world);
      setProviderResponse(world, { error });
      expect((await open(world)).body).toBe("home");
      expect(world.log.join()).toMatch(line);
    },
  );

  test("signs no user in, and shows no error, if the provider sends an invalid ID token", async () => {
    const world = await start({}, { log: [/id_token_invalid/] });
    await signInAtProviderOnly(world);
    await open(world);
    world.provider.nextIdToken({ claims: { aud: "another" } });
    expect((await open(world)).body).toBe("home");
    expect((await world.me()).isAuthenticated).toBe(false);
    await open(world);
    expect(countAuthorizationRequests(world)).toBe(1);
  });

  test("does not block the page if the provider is down, and none is tried for 30 s", async () => {
    const world = await start({}, { log: [/portal_unreachable/] });
    await open(world);
    world.provider.goDown();
    for (let n = 0; n < 3; n += 1) expect((await open(world)).body).toBe("home");
    await world.provider.comeUp();
    expect((await open(world)).body).toBe("home");
    expect([countAuthorizationRequests(world), world.log.map((line) => line.split(" ")[1])]).toEqual([
      0,
      ["portal_unreachable"],
    ]);
  });

  test("delays the page by at most two seconds if the provider does not respond", async () => {
    const world = await start({}, { log: [/portal_timeout/] });
    await open(world);
    const held = holdNext(world.provider, "/.well-known/openid-configuration");
    fakeTimeouts();
    const page = open(world);
    await held.arrived;
    await vi.advanceTimersByTimeAsync(2000);
    vi.useRealTimers();
    expect((await page).body).toBe("home");
    held.letGo();
    await world.browser.visit(`${world.url}/account`); // it waits for the provider
  });
});

/** Changes the provider's response to the next browser. */
function setProviderResponse({ provider }: World, answer: Record<string, string>): void {
  provider.answerNext("/oauth2/authorize", (req, res) => {
    const { searchParams } = new URL(req.url ?? "", provider.issuer);
    const back = new URL(searchParams.get("redirect_uri") ?? "");
    const state = searchParams.get("state") ?? "";
    for (const [name, value] of Object.entries({ ...answer, state, iss: provider.issuer }))
      back.searchParams.set(name, value);
    res.writeHead(302, { location: back.href }).end();
  });
}

test("two tabs that open at the same moment do not affect each other", async () => {
  const world = await start();
  await open(world);
  const pages = await Promise.all([open(world), open(world)]);
  expect(pages.map(({ body }) => body)).toEqual(["home", "home"]);
  expect(countAuthorizationRequests(world)).toBeLessThanOrEqual(2);
});

test("a router with a name has a cookie of its own", async () => {
  const world = await start({ name: "staff" });
  const { headers } = await open(world);
  expect(headers["set-cookie"]).toEqual([expect.stringContaining("portal-silent.staff=1")]);
});

test("PORTAL_SILENT_LOGIN=on turns silent logins on", async () => {
  vi.stubEnv("PORTAL_SILENT_LOGIN", "on");
  const world = await startWorld();
  vi.unstubAllEnvs();
  expect((await open(world)).headers["set-cookie"]).toEqual([expect.stringContaining("portal-silent=1")]);
});

describe("a callback of a silent login", () => {
  /** Returns the URL to which the provider would redirect the browser. */
  async function refused(world: World, page = "/?q=1"): Promise<URL> {
    await open(world);
    const { headers } = await world.browser.navigate(world.url + page);
    const state = new URL(headers.location ?? "").searchParams.get("state") ?? "";
    return new URL(`${world.url}/callback?${new URLSearchParams({ state, error: "login_required" })}`);
  }

  test("leads to the start page without an error if its cookie is lost", async () => {
    const world = await start({}, { log: [/login_cookie_lost/] });
    const callback = await refused(world);
    for (const cookie of await world.browser.jar.getCookies(world.url))
      if (cookie.key.startsWith("portal-login"))
        await world.browser.jar.setCookie(`${cookie.key}=; Max-Age=0; Path=/`, world.url);
    const { status, headers } = await world.browser.navigate(callback, { site: "cross-site" });
    expect([status, headers.location]).toEqual([303, "/"]);
  });

  test("shows an error if the browser stores no new cookies, to prevent a redirect loop", async () => {
    const world = await start({}, { log: [/login_cookie_lost/] });
    const callback = await refused(world);
    const { status, body } = await new Browser().navigate(callback, {
      headers: { cookie: "portal-silent=1" },
    });
    expect([status, body.includes("login_cookie_lost")]).toEqual([400, true]);
  });

  test("is rejected like any unknown callback if its state was changed", async () => {
    const world = await start({}, { log: [/login_not_found/] });
    const callback = await refused(world);
    const state = callback.searchParams.get("state") ?? "";
    callback.searchParams.set("state", state.slice(0, -1) + (state.endsWith("A") ? "B" : "A"));
    expect((await world.browser.navigate(callback)).status).toBe(400);
  });

  test("leads back to the page while the provider is down", async () => {
    const world = await start();
    const callback = await refused(world);
    const other = await start(
      { issuer: world.provider.issuer, redirectUri: `${world.url}/callback` },
      { log: [/portal_unreachable/] },
    );
    world.provider.goDown();
    callback.port = new URL(other.url).port;
    const { status, headers } = await world.browser.navigate(callback);
    expect([status, headers.location]).toEqual([303, "/?q=1"]);
    await world.provider.comeUp();
  });

  test("leads back to the page if a hook rejects it, and revokes the tokens", async () => {
    let isMember = true;
    const onLogin = () => {
      if (!isMember) throw new PortalAuthError("login_refused");
    };
    const world = await start({ hooks: { onLogin } });
    await signInAtProviderOnly(world);
    await open(world);
    isMember = false;
    expect((await open(world)).body).toBe("home");
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(1));
  });
});

test("authorizationParams that throw do not block the page, and are called once", async () => {
  const authorizationParams = () => {
    throw new Error("no such tenant");
  };
  const world = await start({ authorizationParams }, { log: [/hook_failed/] });
  for (let n = 0; n < 4; n += 1) expect((await open(world)).body).toBe("home");
  expect(world.log).toHaveLength(1);
});

test("no silent login starts if the URL of the page is too long", async () => {
  const world = await start();
  await open(world);
  expect((await world.browser.visit(`${world.url}/?${"long".repeat(600)}`)).body).toBe("home");
  expect(countAuthorizationRequests(world)).toBe(0);
});

test("no silent login starts if the provider does not list prompt=none", async () => {
  const world = await start();
  world.provider.alterDiscovery((document) => ({
    ...document,
    prompt_values_supported: ["login", "consent"],
  }));
  for (let n = 0; n < 3; n += 1) expect((await open(world)).body).toBe("home");
  expect(countAuthorizationRequests(world)).toBe(0);
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  test("a user with a session at the provider is signed in on the second page", async () => {
    const world = await start(
      {},
      { after: (app) => app.get("/who", (req, res) => void res.send(req.portal.claims?.sub ?? "nobody")) },
    );
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${world.url}/account`);
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.waitForURL(`${world.url}/account`);
    await context.clearCookies({ name: /^portal-/ });
    const read = async () => {
      await page.goto(`${world.url}/who`);
      return page.textContent("body");
    };
    expect([await read(), await read(), await read()]).toEqual(["nobody", "amara-okafor", "amara-okafor"]);
    await context.route(`${world.url}/**`, async (route) =>
      route.continue({ headers: { ...route.request().headers(), cookie: "" } }),
    );
    await context.clearCookies();
    expect([await read(), await read(), await read()]).toEqual(["nobody", "nobody", "nobody"]);
    await context.close();
  });
});
