import session from "express-session";
import { describe, expect, onTestFinished, test } from "vitest";
import { startAnotherSite } from "../support/another-site.js";
import { Browser, type RequestOptions } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { advanceDate } from "../support/fake-time.js";
import { startWorld, type World, type WorldOptions } from "../support/world.js";

// A signed-in user must not lose the session because a page of another site links to /login.

const withCart = (given: WorldOptions = {}): WorldOptions => ({
  ...given,
  after: (app) => {
    app.get("/test/fill", (req, res) => {
      Object.assign(req.session, { cart: "lamp" });
      res.send("filled");
    });
    app.get("/test/cart", (req, res) => void res.json({ id: req.sessionID, cart: Object(req.session).cart }));
    given.after?.(app);
  },
});

/** Signs a user in, and writes something into the session. */
async function startSignedIn(given: WorldOptions = {}): Promise<World & { cart(): Promise<unknown> }> {
  const world = await startWorld(withCart(given));
  await world.browser.visit(`${world.url}/account`);
  const again = { site: "same-origin" } as const;
  if (given.options?.sameSite) await world.browser.visit(`${world.url}/account`, again);
  await world.browser.visit(`${world.url}/test/fill`, again);
  return {
    ...world,
    cart: async () => JSON.parse((await world.browser.visit(`${world.url}/test/cart`, again)).body),
  };
}

const LINKS: [string, RequestOptions][] = [
  ["a page of another site", { site: "cross-site" }],
  ["a page of another site, without a click", { site: "cross-site", clicked: false }],
  ["a sibling below the same domain", { site: "same-site" }],
  ["an e-mail, a bookmark or the address bar", { site: "none" }],
  ["a browser without Fetch Metadata", { old: true }],
  [
    "a browser without Fetch Metadata, from another site",
    { old: true, headers: { referer: "https://evil.example/" } },
  ],
];

describe("a login link from outside this site redirects a signed-in user to the return address", () => {
  test.each(LINKS)("if the request comes from %s", async (_from, ask) => {
    const { browser, url, cart, asked } = await startSignedIn();
    const before = await cart();
    const asks = asked("/oauth2/authorize").length;
    const { status, headers } = await browser.navigate(`${url}/login?returnTo=/account?from=link`, ask);
    expect([status, headers.location, headers["set-cookie"]]).toEqual([303, "/account?from=link", undefined]);
    expect(asked("/oauth2/authorize")).toHaveLength(asks);
    expect(await cart()).toEqual(before);
    expect(before).toMatchObject({ cart: "lamp" });
  });

  test.each([
    ["/login", "/"],
    ["/login?returnTo=//evil.example", "/"],
    ["/login?returnTo=/logout", "/"],
    ["/login?returnTo=/%256Cogout", "/"],
  ])("if the link is %s, which leads to %s", async (link, target) => {
    const { browser, url } = await startSignedIn();
    expect((await browser.navigate(url + link, { site: "cross-site" })).headers.location).toBe(target);
  });

  test("if the app has its own session, which stays unchanged", async () => {
    const { browser, url, cart } = await startSignedIn({ ownSession: true });
    const before = await cart();
    await browser.visit(`${url}/login`, { site: "cross-site" });
    expect(await cart()).toEqual(before);
  });
});

describe("a login starts", () => {
  const isRedirectedToProvider = async (
    { browser, url, provider }: World,
    path: string,
    ask: RequestOptions,
  ) =>
    (await browser.navigate(url + path, ask)).headers.location?.startsWith(
      `${provider.issuer}/oauth2/authorize`,
    );

  test("for a signed-in user if a page of this site links to it", async () => {
    expect(await isRedirectedToProvider(await startSignedIn(), "/login", { site: "same-origin" })).toBe(true);
  });

  test("for a signed-in user if a script on a page of this site has got a 401", async () => {
    expect(
      await isRedirectedToProvider(await startSignedIn(), "/login", { site: "same-origin", clicked: false }),
    ).toBe(true);
  });

  test("for a signed-in user without Fetch Metadata if the Referer is a page of this site", async () => {
    const world = await startSignedIn();
    expect(
      await isRedirectedToProvider(world, "/login", {
        old: true,
        headers: { referer: `${world.url}/account` },
      }),
    ).toBe(true);
    const sibling = { old: true, headers: { referer: `${world.url}.evil.example/` } };
    expect(await isRedirectedToProvider(world, "/login", sibling)).toBe(false);
  });

  test("for a visitor who comes from another site", async () => {
    expect(await isRedirectedToProvider({ ...(await startWorld()) }, "/login", { site: "cross-site" })).toBe(
      true,
    );
  });

  test.each(["/login?acr_values=mfa", "/login?max_age=0"])(
    "for a signed-in user if the session is too weak for %s",
    async (path) => {
      const world = await startSignedIn();
      advanceDate(120_000);
      expect(await isRedirectedToProvider(world, path, { site: "cross-site" })).toBe(true);
    },
  );

  test("for a signed-in user only if the session is too weak or too old", async () => {
    const world = await startSignedIn();
    world.provider.nextIdToken({ claims: { auth_time: Math.floor(Date.now() / 1000) } });
    await world.browser.visit(`${world.url}/login`, { site: "same-origin" });
    expect(await isRedirectedToProvider(world, "/login?max_age=9999", { site: "cross-site" })).toBe(false);
  });

  test("without Fetch Metadata if the access token has expired and cannot be refreshed", async () => {
    const world = await startSignedIn();
    world.provider.nextTokenResponse({ refresh_token: undefined });
    await world.browser.visit(`${world.url}/login`, { site: "same-origin" });
    advanceDate(3_600_000);
    expect(await isRedirectedToProvider(world, "/login", { old: true })).toBe(true);
  });
});

describe("a script that requests a login shortly after our interstitial page led to this site", () => {
  test("gets a login with the second request", async () => {
    const { browser, url } = await startSignedIn();
    await browser.jar.setCookie("portal-bounced=1; Path=/", url);
    const ask = { site: "same-origin", clicked: false } as const;
    const first = await browser.navigate(`${url}/login?returnTo=/account`, ask);
    expect([first.status, first.headers.location]).toEqual([303, "/account"]);
    expect((await browser.navigate(`${url}/login?returnTo=/account`, ask)).status).toBe(302);
    expect((await browser.cookies(url)).has("portal-bounced")).toBe(false);
  });
});

describe("a login that another site started", () => {
  test("keeps the session of the same user, under a new id", async () => {
    const { browser, url, cart, provider } = await startSignedIn();
    const before = (await cart()) as { id: string };
    advanceDate(120_000);
    provider.nextIdToken({ claims: { auth_time: Math.floor(Date.now() / 1000) } });
    const callback = await browser.loginUntilCallback(`${url}/login?max_age=0`, { site: "cross-site" });
    expect((await browser.navigate(callback, { site: "cross-site" })).status).toBe(303);
    const after = (await cart()) as { id: string };
    expect(after).toMatchObject({ cart: "lamp" });
    expect(after.id).not.toBe(before.id);
  });

  test("drops session content that onLogin added before and does not add again", async () => {
    let roles: object = { isAdmin: true };
    const { browser, url, cart, provider } = await startSignedIn({
      options: { hooks: { onLogin: ({ session }) => void Object.assign(session, roles) } },
      after: (app) =>
        app.get("/test/admin", (req, res) => void res.json(Object(req.session).isAdmin ?? false)),
    });
    const isAdmin = async () => JSON.parse((await browser.visit(`${url}/test/admin`)).body);
    expect(await isAdmin()).toBe(true);
    for (const given of [{ isAdmin: true }, {}, {}]) {
      roles = given;
      advanceDate(120_000);
      provider.nextIdToken({ claims: { auth_time: Math.floor(Date.now() / 1000) } });
      const callback = await browser.loginUntilCallback(`${url}/login?max_age=0`, { site: "none" });
      expect((await browser.navigate(callback, { site: "cross-site" })).status).toBe(303);
      expect(await isAdmin()).toBe("isAdmin" in given);
      expect(await cart()).toMatchObject({ cart: "lamp" });
    }
  });

  test("passes nothing of a user's session to another user", async () => {
    const { browser, url, cart, provider } = await startSignedIn();
    advanceDate(120_000);
    await browser.navigate(`${provider.issuer}/logout`);
    browser.user = { sub: "jonas-weber" };
    provider.nextIdToken({ claims: { auth_time: Math.floor(Date.now() / 1000) } });
    const callback = await browser.loginUntilCallback(`${url}/login?max_age=0`, { site: "cross-site" });
    expect((await browser.navigate(callback, { site: "cross-site" })).status).toBe(303);
    expect(await cart()).not.toHaveProperty("cart");
  });

  test("keeps of a visitor's session only the keys in keepSessionKeys", async () => {
    const world = await startWorld(withCart());
    await world.browser.visit(`${world.url}/test/fill`);
    await world.browser.visit(`${world.url}/login`, { site: "cross-site" });
    expect(JSON.parse((await world.browser.visit(`${world.url}/test/cart`)).body)).not.toHaveProperty("cart");
  });
});

describe("a SameSite=Strict session, whose cookie is missing if another site links here,", () => {
  const strict = { options: { sameSite: "strict" } } as const;

  test("is found after an interstitial page of ours has loaded the URL again", async () => {
    const { url } = await startWorld(withCart(strict));
    const visitor = new Browser();
    const page = await visitor.navigate(`${url}/login?returnTo=/account`, { site: "cross-site" });
    expect([page.status, page.headers["refresh"]]).toEqual([200, "0; url=?returnTo=%2Faccount&elsewhere=1"]);
    const again = `${url}/login?returnTo=/account&elsewhere=1`;
    expect((await visitor.navigate(again, { site: "same-origin", clicked: false })).status).toBe(302);
    expect((await visitor.navigate(again, { old: true })).status).toBe(302); // and not a second time
  });

  test("is found via a shortened query if the URL is too long for a header", async () => {
    const { url } = await startWorld(strict);
    const link = `${url}/login?returnTo=/${"%25".repeat(1500)}`;
    const { headers } = await new Browser().navigate(link, { site: "cross-site" });
    expect(headers["refresh"]).toBe("0; url=?elsewhere=1");
  });

  describe.skipIf(noChromium).each(["our session", "the app's own session"])(
    `%s, in Chromium${noChromium && ` (${noChromium})`}`,
    (whose) => {
      test("stays unchanged after a click on another site", async () => {
        const site = await startAnotherSite();
        const cookie = { sameSite: "strict" } as const;
        const { url, provider, asked } = await startWorld(
          withCart({
            publicOrigin: site.origin,
            ...(whose === "our session" ? strict : {}),
            before: (app) => {
              if (whose === "our session") return;
              app.use(session({ secret: "own", resave: false, saveUninitialized: false, cookie }));
            },
          }),
        );
        site.leadTo(new URL(url).port);
        const browser = await launchChromium();
        onTestFinished(() => browser.close());
        const page = await browser.newPage();
        await page.goto(`${site.origin}/account`);
        await page.getByRole("button", { name: "Amara Okafor" }).click();
        await page.waitForURL(`${site.origin}/account`);
        await page.goto(`${site.origin}/test/fill`);
        await page.goto(`${site.origin}/test/cart`);
        const before = await page.locator("body").textContent();
        const asks = asked("/oauth2/authorize").length;
        provider.answerNext("/elsewhere", (_req, res) =>
          res
            .writeHead(200, { "content-type": "text/html" })
            .end(`<a href="${site.origin}/login?returnTo=/account?x">go</a>`),
        );
        await page.goto(`${provider.issuer}/elsewhere`);
        await page.getByText("go").click();
        await page.waitForURL(`${site.origin}/account?x`);
        await page.goto(`${site.origin}/test/cart`);
        expect(await page.locator("body").textContent()).toBe(before);
        expect(before).toContain("lamp");
        expect(asked("/oauth2/authorize")).toHaveLength(asks);
      });
    },
  );
});
