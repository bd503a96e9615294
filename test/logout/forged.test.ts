import type { Express } from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { portalAuth, requireAuth } from "../../lib/index.js";
import { startAnotherSite } from "../support/another-site.js";
import type { Answer } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  SESSION_SECRET,
  startWorld,
  type World,
  type WorldOptions,
} from "../support/world.js";

// A page of this site causes a same-origin navigation to the logout route without a user's click.

const SAFARI =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "Version/17.4 Safari/605.1.15";
const CHROME_ON_IOS =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "CriOS/123.0 Mobile/15E148 Safari/604.1";
const CHROME =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0";

async function signedIn(options: WorldOptions = {}) {
  const world = await startWorld(options);
  await world.browser.visit(`${world.url}/account`);
  return world;
}

describe("a GET navigation from a page of this site, without Sec-Fetch-User,", () => {
  const from = (userAgent: string) =>
    ({ site: "same-origin", clicked: false, headers: { "user-agent": userAgent } }) as const;

  test.each([
    ["Chrome", CHROME],
    ["Firefox", FIREFOX],
    ["a client without a User-Agent", ""],
  ])("must be confirmed in %s", async (_name, userAgent) => {
    const { url, browser, me } = await signedIn();
    const page = await browser.navigate(`${url}/logout`, from(userAgent));
    expect([page.status, page.body.includes("Sign out?")]).toEqual([200, true]);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test.each([
    ["Safari", SAFARI],
    ["Chrome on iOS", CHROME_ON_IOS],
  ])("signs out in %s, which never sends that header", async (_name, userAgent) => {
    const { url, browser, me } = await signedIn();
    expect((await browser.navigate(`${url}/logout`, from(userAgent))).status).toBe(303);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("must be confirmed in Safari, once, if our interstitial page caused it", async () => {
    const { url, browser, me } = await signedIn();
    await browser.jar.setCookie("portal-bounced=1; Path=/", url); // the interstitial page sets this cookie
    const page = await browser.navigate(`${url}/logout`, from(SAFARI));
    expect([page.status, page.body.includes("Sign out?")]).toEqual([200, true]);
    expect((await me()).isAuthenticated).toBe(true);
    expect((await browser.navigate(`${url}/logout`, from(SAFARI))).status).toBe(303);
  });

  test("must be confirmed in Safari if the login route of a Strict router redirected there", async () => {
    const { url, browser } = await startWithStaff();
    const crossSite = { site: "cross-site", headers: { "user-agent": SAFARI } } as const;
    const refreshed = async (page: Answer) => {
      const [, to = ""] = String(page.headers["refresh"]).split("url=");
      return browser.navigate(new URL(to, page.url), from(SAFARI));
    };
    for (const login of ["/login", "/staff/login"]) await refreshed(await browser.visit(url + login));
    await browser.jar.setCookie("portal-bounced=; Path=/; Max-Age=0", url); // these logins have set it

    let link = "/staff/logout";
    for (const login of ["/login", "/staff/login", "/login"]) {
      const redirect = await refreshed(await browser.navigate(`${url}${login}?returnTo=${link}`, crossSite));
      let page = redirect;
      for (let steps = 0; steps < 3 && page.headers.location?.startsWith("/"); steps += 1)
        page = await browser.navigate(new URL(page.headers.location, url), from(SAFARI));
      const isStillSignedIn =
        page.body.includes("Sign out?") || page.headers.location?.includes("/authorize");
      expect([redirect.headers.location, isStillSignedIn]).toEqual([decodeURIComponent(link), true]);
      await browser.jar.setCookie("portal-bounced=; Path=/; Max-Age=0", url);
      link = encodeURIComponent(`${login}?returnTo=${link}`);
    }
  });

  test("must be confirmed in Safari, also after links from another site in between", async () => {
    const { url, browser } = await signedIn();
    await browser.jar.setCookie("portal-bounced=1; Path=/", url);
    for (const path of ["/login", "/logout"]) {
      const { headers } = await browser.navigate(url + path, { site: "cross-site" });
      expect(String(headers["set-cookie"])).not.toContain("portal-bounced");
    }
    expect((await browser.navigate(`${url}/logout`, from(SAFARI))).body).toContain("Sign out?");
  });

  test("needs no confirmation if a form or a script posts", async () => {
    const { url, browser, me } = await signedIn();
    const post = { ...from(CHROME), method: "POST", form: {} } as const;
    await browser.navigate(`${url}/logout`, post);
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe.skipIf(noChromium)(`in Chromium${noChromium && ` (${noChromium})`}`, () => {
  const PAGES: Record<string, string> = {
    refresh: '<meta http-equiv="refresh" content="0;url=/logout">',
    entry: '<a href="/pages/refresh">read</a>',
    link: '<a href="/logout">leave</a>',
    form: '<form method="post" action="/logout"><button>leave</button></form>',
    script: "<button onclick=\"location.href='/logout'\">leave</button>",
    onload: "<script>location.href = '/logout'</script>",
    redirected: '<a href="/bye">leave</a>',
  };

  async function open(name: string) {
    const { url } = await startWorld({
      after: (app) => {
        app.get("/pages/:name", (req, res) => void res.send(PAGES[String(req.params["name"])]));
        app.get("/bye", (_req, res) => res.redirect("/logout"));
      },
    });
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`${url}/account`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${url}/account`);
    const status = async () =>
      (await page.request.get(`${url}/account`, { headers: { accept: "*/*" } })).status();
    expect(await status()).toBe(200);
    await page.goto(`${url}/pages/${name}`, { waitUntil: "commit" });
    return { page, url, status };
  }

  test.each(["refresh", "onload"])(
    "a page that navigates to the logout without a click (%s) causes a confirmation page",
    async (name) => {
      const { page, status } = await open(name);
      await page.getByRole("heading", { name: "Sign out?" }).waitFor();
      expect(await status()).toBe(200);
    },
  );

  test("a click on a link to such a page causes a confirmation page", async () => {
    const { page, status } = await open("entry");
    await page.getByText("read").click();
    await page.getByRole("heading", { name: "Sign out?" }).waitFor();
    expect(await status()).toBe(200);
  });

  test.each(["link", "form", "script", "redirected"])(
    "a click on the page's own control (%s) signs the user out without confirmation",
    async (name) => {
      const { page, url, status } = await open(name);
      await page.getByText("leave").click();
      await page.waitForURL((to) => to.href.startsWith(`${url}/?state=`));
      expect(await status()).toBe(401);
    },
  );

  test("a Strict guard in front of the logout of another router does not sign the user out", async () => {
    const { url, app, provider } = await startWithStaff((before) => before.use("/staff", requireAuth()));
    app.get("/staff/home", requireAuth({ portal: "staff" }), (_req, res) => void res.send("staff home"));
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`${url}/staff/home`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.getByText("staff home").waitFor();
    provider.answerNext("/elsewhere", (_req, res) =>
      res.writeHead(200, { "content-type": "text/html" }).end(`<a href="${url}/staff/logout">win</a>`),
    );
    await page.goto(`${provider.issuer}/elsewhere`);
    await page.getByText("win").click();
    await page.getByRole("heading", { name: "Sign out?" }).waitFor();
    const before = provider.requests.filter(({ path }) => path === "/oauth2/authorize").length;
    await page.goto(`${url}/staff/home`);
    await page.getByText("staff home").waitFor();
    expect(provider.requests.filter(({ path }) => path === "/oauth2/authorize")).toHaveLength(before);
  });
});

/** Starts an application with two routers, both with a Strict session. Users reach it at `url`. */
async function startWithStaff(before: (app: Express) => void = () => {}): Promise<World> {
  const site = await startAnotherSite();
  const world = await startWorld({
    publicOrigin: site.origin,
    options: { sameSite: "strict" },
    provider: { redirectUris: [`${site.origin}/callback`, `${site.origin}/staff/callback`] },
  });
  site.leadTo(new URL(world.url).port);
  before(world.app);
  world.app.use(staffAt(site.origin, world.provider.issuer));
  return { ...world, url: site.origin };
}

/** Creates a second router of the application, with a name and its own Strict session. */
const staffAt = (origin: string, issuer: string) =>
  portalAuth({
    name: "staff",
    sameSite: "strict",
    issuer,
    profile: "tencent-ciam",
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    secret: SESSION_SECRET,
    redirectUri: `${origin}/staff/callback`,
    routes: { login: "/staff/login", callback: "/staff/callback", logout: "/staff/logout" },
  });
