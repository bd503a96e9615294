import session from "express-session";
import { describe, expect, onTestFinished, test } from "vitest";
import { startAnotherSite } from "../support/another-site.js";
import { Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld, type WorldOptions } from "../support/world.js";

// With SameSite=Strict, the browser does not send the session cookie when another site leads here.
// The provider is another site, so this is the case after each login.

const SESSIONS: [string, (options: WorldOptions) => WorldOptions][] = [
  ["our session", (world) => ({ ...world, options: { ...world.options, sameSite: "strict" } })],
  [
    "the app's own session",
    (world) => ({
      ...world,
      before: (app) =>
        app.use(
          session({
            secret: "the app's own",
            resave: false,
            saveUninitialized: false,
            cookie: { sameSite: "strict" },
          }),
        ),
    }),
  ],
];

const CART_OPTIONS = {
  options: { keepSessionKeys: ["cart"] },
  after: (app) => {
    app.get("/test/fill", (req, res) => {
      Object.assign(req.session, { cart: "lamp" });
      res.send("filled");
    });
    app.get("/test/cart", (req, res) => {
      res.send(`cart: ${JSON.stringify(Object(req.session).cart)}`);
    });
  },
} satisfies WorldOptions;

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  describe.each(SESSIONS)("%s that is Strict", (_name, strict) => {
    test.each(["query", "form_post"])(
      "has the login and the data of the previous session after a login with %s",
      async (response_mode) => {
        const site = await startAnotherSite();
        const { url, asked } = await startWorld(
          strict({
            ...CART_OPTIONS,
            publicOrigin: site.origin,
            options: { ...CART_OPTIONS.options, authorizationParams: { response_mode } },
          }),
        );
        site.leadTo(new URL(url).port);
        const browser = await launchChromium();
        onTestFinished(() => browser.close());
        const context = await browser.newContext();
        const page = await context.newPage();
        await page.goto(`${site.origin}/test/fill`);
        await page.goto(`${site.origin}/account?tab=2`);
        await page.getByRole("button", { name: "Amara Okafor" }).click();
        await page.waitForURL(`${site.origin}/account?tab=2`);
        expect(await page.locator("body").textContent()).toContain("amara-okafor");
        await page.goto(`${site.origin}/test/cart`);
        expect(await page.locator("body").textContent()).toBe('cart: "lamp"');
        expect(asked("/oauth2/token")).toHaveLength(1);
        const cookies = (await context.cookies(site.origin)).map(({ name, sameSite }) => [
          name.split(".")[0],
          sameSite,
        ]);
        expect(cookies).toContainEqual([expect.stringMatching(/^(portal-session|connect)$/), "Strict"]);
      },
    );

    test("lets signed-in users come from another site: the guard reloads the page", async () => {
      const site = await startAnotherSite();
      const { url, asked, provider } = await startWorld(strict({ publicOrigin: site.origin }));
      site.leadTo(new URL(url).port);
      const browser = await launchChromium();
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      await page.goto(`${site.origin}/account`);
      await page.getByRole("button", { name: "Amara Okafor" }).click();
      await page.waitForURL(`${site.origin}/account`);
      const requestsBefore = asked("/oauth2/authorize").length;
      // The provider's host is another site than the app's host.
      provider.answerNext("/elsewhere", (_req, res) =>
        res
          .writeHead(200, { "content-type": "text/html" })
          .end(`<a href="${site.origin}/account?from=mail">read</a>`),
      );
      await page.goto(`${provider.issuer}/elsewhere`);
      await page.getByText("read").click();
      await page.waitForURL(`${site.origin}/account?from=mail`);
      await page.getByText("amara-okafor").waitFor();
      expect(asked("/oauth2/authorize")).toHaveLength(requestsBefore);
    });
  });
});

describe.each(SESSIONS)("%s that is Strict", (_name, strict) => {
  test("makes the browser repeat the callback, without the code in a page or a second session", async () => {
    const { url, browser, asked } = await startWorld(strict({}));
    const callback = await browser.loginUntilCallback(`${url}/account`);
    for (const old of [false, true]) {
      const page = await browser.navigate(callback, { site: "cross-site", old });
      expect(page.status).toBe(200);
      expect(page.headers["refresh"]).toMatch(/^0; url=\?posted=eyJ/);
      expect(page.headers["set-cookie"]).toEqual([
        "portal-bounced=1; Max-Age=60; Path=/; HttpOnly; SameSite=Lax",
      ]);
      expect(page.body).not.toContain(callback.searchParams.get("code"));
    }
    expect(asked("/oauth2/token")).toEqual([]);
    const page = await browser.navigate(callback, { site: "cross-site" });
    const again = new URL(String(page.headers["refresh"]).slice("0; url=".length), callback);
    const { status, headers } = await browser.navigate(again, { site: "same-origin" });
    expect([status, headers.location]).toEqual([303, "/account"]);
    expect((await browser.navigate(`${url}/account`)).status).toBe(200);
  });

  test("a browser without Fetch Metadata repeats the callback only once", async () => {
    const { url, browser } = await startWorld(strict({}));
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const page = await browser.navigate(callback, { old: true });
    const again = new URL(String(page.headers["refresh"]).slice("0; url=".length), callback);
    expect((await browser.navigate(again, { old: true })).status).toBe(303);
  });

  test("a visitor from another site gets a reload and then the login, a script gets a 401", async () => {
    const { url } = await startWorld(strict({}));
    const visitor = new Browser();
    const first = await visitor.navigate(`${url}/account?q=1`, { site: "cross-site" });
    expect([first.status, first.headers["refresh"]]).toEqual([200, "0; url=/account?q=1"]);
    expect((await visitor.navigate(`${url}/account?q=1`, { site: "same-origin" })).status).toBe(302);
    expect((await visitor.fetch(`${url}/account`, { site: "cross-site" })).status).toBe(401);
  });

  test("the reload of a path with // stays on this site", async () => {
    const { url } = await startWorld(strict({ after: (app) => app.use((_req, res) => void res.end()) }));
    const { headers } = await new Browser().navigate(`${url}/account?//evil.example`, { site: "cross-site" });
    expect(headers["refresh"]).toBe("0; url=/account?//evil.example");
  });
});

test("the callback of a Lax session is not repeated", async () => {
  const { url, browser } = await startWorld();
  const callback = await browser.loginUntilCallback(`${url}/account`);
  expect((await browser.navigate(callback, { site: "cross-site" })).status).toBe(303);
});
