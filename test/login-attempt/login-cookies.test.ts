import type { Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Answer, Browser } from "../support/browser.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startWorld, type World, type WorldOptions } from "../support/world.js";

// Many tabs may start a login at once. The login cookies stay below 4,000 bytes,
// and the headers of each response below 4 KiB. Beyond that, nginx answers 400 or 502, and Node.js 431.

const MOST_COOKIE_BYTES = 4000;
const MOST_HEADER_BYTES = 4096;

/** Returns a URL of the guarded page with this many characters. */
const addressOf = (tab: number, length: number): string => {
  const start = `/account?tab=${tab}&filter=`;
  return start + "f".repeat(Math.max(0, length - start.length));
};

const sizeOf = (cookies: Iterable<readonly [string, string]>): number =>
  [...cookies].reduce((sum, [name, value]) => sum + `${name}=${value}; `.length, 0);

const loginCookies = async (browser: Browser, url: string) =>
  [...(await browser.cookies(url))].filter(([name]) => name.includes("portal-login."));

function headerBytes({ headers }: Answer): number {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, one]),
  );
  return lines.reduce(
    (sum, [name, value]) => sum + `${name}: ${value}\r\n`.length,
    "HTTP/1.1 302 Found\r\n\r\n".length,
  );
}

function expectSmallAnswers({ browser, url }: Pick<World, "browser" | "url">): void {
  const ours = browser.answers.filter((answer) => answer.url.startsWith(url));
  expect(Math.max(...ours.map(headerBytes))).toBeLessThan(MOST_HEADER_BYTES);
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
      const pages = Array.from({ length: tabs }, (_, tab) => url + addressOf(tab, length));
      const answers = await Promise.all(pages.map((page) => browser.navigate(page)));
      expect(answers.map(({ status }) => status)).toEqual(pages.map(() => 302));
      const cookies = await loginCookies(browser, url);
      expect(cookies.length).toBeGreaterThan(7);
      expect(sizeOf(cookies)).toBeLessThanOrEqual(MOST_COOKIE_BYTES);
      const last = await browser.visit(url + addressOf(tabs, 60));
      expect([last.status, JSON.parse(last.body).page]).toEqual([200, addressOf(tabs, 60)]);
      expectSmallAnswers(world);
    });

    test("when a long URL follows nine short ones, and it comes back", async () => {
      const world = await start();
      const { browser, url } = world;
      for (let tab = 1; tab <= 9; tab += 1) await browser.navigate(url + addressOf(tab, 60));
      const long = addressOf(10, 1500);
      const last = await browser.visit(url + long);
      expect([last.status, JSON.parse(last.body).page]).toEqual([200, long]);
      expect(sizeOf(await loginCookies(browser, url))).toBeLessThanOrEqual(MOST_COOKIE_BYTES);
      expectSmallAnswers(world);
    });

    test("when scope and acr are long as well, and rejects a login that would exceed the limit", async () => {
      let scope = `openid ${"s".repeat(600)}`;
      const world = await start({
        options: { authorizationParams: () => ({ scope, acr_values: "a".repeat(200) }) },
        log: [/authorization_params_invalid/],
      });
      const { browser, url } = world;
      const path = `/${"p".repeat(700)}`;
      const query = "q".repeat(700);
      expect((await browser.navigate(`${url}/login?returnTo=${path}?${query}`)).status).toBe(302);
      expectSmallAnswers(world);
      for (const { key, value } of await browser.jar.getCookies(url))
        expect((key + value).length).toBeLessThan(4096);
      scope = `openid ${"s".repeat(1500)}`;
      const refused = await browser.navigate(`${url}/login`);
      expect([refused.status, refused.body.includes("authorization_params_invalid")]).toEqual([500, true]);
    });

    test("when a login ends on a long URL beside other marks, and when a logout clears all", async () => {
      const world = await start({ log: [/login_cookie_lost/] });
      const { browser, url } = world;
      const waiting: URL[] = [];
      for (let tab = 1; tab <= 9; tab += 1)
        waiting.push(await browser.loginUntilCallback(url + addressOf(tab, 60)));
      const long = addressOf(10, 1500);
      const callback = await browser.loginUntilCallback(url + long);
      expect((await browser.navigate(callback)).headers.location).toBe(long);
      expect((await browser.navigate(waiting[8] ?? "")).headers.location).toBe(addressOf(9, 60));
      await browser.navigate(`${url}/logout`, { site: "same-origin" });
      expect(await loginCookies(browser, url)).toEqual([]);
      expectSmallAnswers(world);
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
    const addresses = Array.from({ length: 8 }, (_, tab) => addressOf(tab, 60));
    const pages = await openTabs(addresses);
    for (const page of pages) await signIn(page, url);
    expect(pages.map((page) => page.url())).toEqual(addresses.map((address) => url + address));
  });

  test("twelve tabs with long URLs do not break the site, and the next login works", async () => {
    const { url, context, openTabs } = await open();
    const pages = await openTabs(Array.from({ length: 12 }, (_, tab) => addressOf(tab, 1500)));
    const cookies = (await context.cookies(url)).filter(({ name }) => name.startsWith("portal-login."));
    expect(sizeOf(cookies.map(({ name, value }) => [name, value] as const))).toBeLessThanOrEqual(
      MOST_COOKIE_BYTES,
    );
    const home = await context.newPage();
    expect((await home.goto(url))?.status()).toBe(200);
    await home.goto(url + addressOf(12, 60));
    await signIn(home, url);
    expect(home.url()).toBe(url + addressOf(12, 60));
    expect(pages).toHaveLength(12);
  });
});
