import type { Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Answer, Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startWorld, type World, type WorldOptions } from "../support/world.js";

// Many tabs may start a login at once. The login cookies stay below 4,000 bytes,
// and the headers of each response below 4 KiB. Beyond that, nginx answers 400 or 502, and Node.js 431.

const MAX_COOKIE_BYTES = 4000;
const MAX_HEADER_BYTES = 4096;

/** Returns a URL of the guarded page with this many characters. */
const createPath = (tab: number, length: number): string => {
  const start = `/account?tab=${tab}&filter=`;
  return start + "f".repeat(Math.max(0, length - start.length));
};

const countCookieBytes = (cookies: Iterable<readonly [string, string]>): number =>
  [...cookies].reduce((sum, [name, value]) => sum + `${name}=${value}; `.length, 0);

const listLoginCookies = async (browser: Browser, url: string) =>
  [...(await browser.cookies(url))].filter(([name]) => name.includes("portal-login."));

function countHeaderBytes({ headers }: Answer): number {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, one]),
  );
  return lines.reduce(
    (sum, [name, value]) => sum + `${name}: ${value}\r\n`.length,
    "HTTP/1.1 302 Found\r\n\r\n".length,
  );
}

function expectSmallResponses({ browser, url }: Pick<World, "browser" | "url">): void {
  const ours = browser.answers.filter((answer) => answer.url.startsWith(url));
  expect(Math.max(...ours.map(countHeaderBytes))).toBeLessThan(MAX_HEADER_BYTES);
}

/** Starts an app behind nginx with its default settings. */
async function startBehindNginx(given: WorldOptions = {}): Promise<World> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const world = await startWorld({ ...given, publicOrigin: url });
  await startNginx(`server {
    listen 127.0.0.1:${port};
    location / { proxy_pass ${world.url}; proxy_set_header Host $http_host; }
  }`);
  return { ...world, url };
}

const PLACES: [string, (given?: WorldOptions) => Promise<World>][] = [
  ["the app itself", startWorld],
  [`the app behind nginx${noNginx && ` (${noNginx})`}`, startBehindNginx],
];

describe.each(PLACES)("%s", (_place, start) => {
  describe.skipIf(start === startBehindNginx && noNginx)("keeps cookies and headers small", () => {
    test.each([
      [12, 1500],
      [20, 60],
      [30, 1990],
    ])("when %i tabs meet the guard at once, each at a URL of %i characters", async (tabs, length) => {
      const world = await start();
      const { browser, url } = world;
      const pages = Array.from({ length: tabs }, (_, tab) => url + createPath(tab, length));
      const answers = await Promise.all(pages.map((page) => browser.navigate(page)));
      expect(answers.map(({ status }) => status)).toEqual(pages.map(() => 302));
      const cookies = await listLoginCookies(browser, url);
      expect(cookies.length).toBeGreaterThan(7);
      expect(countCookieBytes(cookies)).toBeLessThanOrEqual(MAX_COOKIE_BYTES);
      const last = await browser.visit(url + createPath(tabs, 60));
      expect([last.status, JSON.parse(last.body).page]).toEqual([200, createPath(tabs, 60)]);
      expectSmallResponses(world);
    });

    test("when a long URL follows nine short ones, and it comes back", async () => {
      const world = await start();
      const { browser, url } = world;
      for (let tab = 1; tab <= 9; tab += 1) await browser.navigate(url + createPath(tab, 60));
      const long = createPath(10, 1500);
      const last = await browser.visit(url + long);
      expect([last.status, JSON.parse(last.body).page]).toEqual([200, long]);
      expect(countCookieBytes(await listLoginCookies(browser, url))).toBeLessThanOrEqual(MAX_COOKIE_BYTES);
      expectSmallResponses(world);
    });

    test("when scope and acr are long as well, and a login over the limit is rejected", async () => {
      let scope = `openid ${"s".repeat(600)}`;
      const world = await start({
        options: { authorizationParams: () => ({ scope, acr_values: "a".repeat(200) }) },
        log: [/authorization_params_invalid/],
      });
      const { browser, url } = world;
      const path = `/${"p".repeat(700)}`;
      const query = "q".repeat(700);
      expect((await browser.navigate(`${url}/login?returnTo=${path}?${query}`)).status).toBe(302);
      expectSmallResponses(world);
      for (const { key, value } of await browser.jar.getCookies(url))
        expect((key + value).length).toBeLessThan(4096);
      scope = `openid ${"s".repeat(1500)}`;
      const refused = await browser.navigate(`${url}/login`);
      expect([refused.status, refused.body.includes("authorization_params_invalid")]).toEqual([500, true]);
    });

    test("when a login ends on a long URL beside other marks, and when a logout clears all", async () => {
      const world = await start({ log: [/login_cookie_lost/] });
      const { browser, url } = world;
      const pending: URL[] = [];
      for (let tab = 1; tab <= 9; tab += 1)
        pending.push(await browser.loginUntilCallback(url + createPath(tab, 60)));
      const long = createPath(10, 1500);
      const callback = await browser.loginUntilCallback(url + long);
      expect((await browser.navigate(callback)).headers.location).toBe(long);
      expect((await browser.navigate(pending[8] ?? "")).headers.location).toBe(createPath(9, 60));
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      expect(await listLoginCookies(browser, url)).toEqual([]);
      expectSmallResponses(world);
    });
  });
});

/** Picks the account at the provider if its page requires one, and waits for the page of the app. */
async function signIn(page: Page, url: string): Promise<void> {
  await page.getByRole("button", { name: "Amara Okafor" }).click();
  await page.waitForURL((address) => address.href.startsWith(url) && address.pathname !== "/callback");
}

const missing = noChromium || noNginx;
describe.skipIf(missing)(`in a real browser, behind nginx${missing && ` (${missing})`}`, () => {
  async function open() {
    const world = await startBehindNginx();
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const context = await browser.newContext();
    const openTabs = (addresses: readonly string[]) =>
      Promise.all(
        addresses.map(async (address) => {
          const page = await context.newPage();
          await page.goto(world.url + address);
          return page;
        }),
      );
    return { ...world, context, openTabs };
  }

  test("eight tabs that are restored at once all come back to their own pages", async () => {
    const { url, openTabs } = await open();
    const addresses = Array.from({ length: 8 }, (_, tab) => createPath(tab, 60));
    const pages = await openTabs(addresses);
    for (const page of pages) await signIn(page, url);
    expect(pages.map((page) => page.url())).toEqual(addresses.map((address) => url + address));
  });

  test("twelve tabs with long URLs do not break the site, and the next login works", async () => {
    const { url, context, openTabs } = await open();
    const pages = await openTabs(Array.from({ length: 12 }, (_, tab) => createPath(tab, 1500)));
    const cookies = (await context.cookies(url)).filter(({ name }) => name.startsWith("portal-login."));
    expect(countCookieBytes(cookies.map(({ name, value }) => [name, value] as const))).toBeLessThanOrEqual(
      MAX_COOKIE_BYTES,
    );
    const home = await context.newPage();
    expect((await home.goto(url))?.status()).toBe(200);
    await home.goto(url + createPath(12, 60));
    await signIn(home, url);
    expect(home.url()).toBe(url + createPath(12, 60));
    expect(pages).toHaveLength(12);
  });
});
