import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { cleanEnvironment } from "./package/run.js";
import { Browser as SimpleBrowser } from "./support/browser.js";
import { launchChromium, noChromium } from "./support/chromium.js";
import { serve } from "./support/serve.js";
import { describeWithRedis } from "./support/servers/describe.js";
import { freePort } from "./support/servers/free-port.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SHOTS = join(ROOT, "test/output/screenshots");

const A_BAR_MOVES_MS = 1200; // style.css animates it for a second

let folder = "";
let app: Started;

/** Clones the repository as a new user would, links node_modules, and starts the app as the README says. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portal-auth-start-"));
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  // git still lists files that were deleted after the last commit
  const isThere = (name: string) => name !== "" && existsSync(join(ROOT, name));
  for (const file of files.split("\n").filter(isThere)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(ROOT, file), join(folder, file));
  }
  await cp(join(ROOT, "node_modules"), join(folder, "node_modules"), {
    recursive: true,
    verbatimSymlinks: true,
  });
  app = await npmStart({ DEMO_TOKEN_SECONDS: "12" }); // long enough for the checks, short enough to wait for
}, 120_000);

afterAll(async () => {
  await app?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("npm start builds, starts the example app with its provider, and prints one URL to open", async () => {
  expect(app.printed().match(/Open http:/g)).toHaveLength(1);
  const home = await fetch(app.address);
  expect(home.status).toBe(200);
  expect(await home.text()).toContain("/login");
});

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    await mkdir(SHOTS, { recursive: true });
  });
  afterAll(() => browser?.close());

  const LOOKS = [
    ["desktop-light", { viewport: { width: 1280, height: 800 }, colorScheme: "light" }],
    ["desktop-dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
    [
      "phone-light",
      { viewport: { width: 390, height: 844 }, colorScheme: "light", isMobile: true, hasTouch: true },
    ],
    [
      "phone-dark",
      { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true },
    ],
  ] as const;

  test.each(LOOKS)("the user signs in, calls the API and signs out (%s)", async (look, options) => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const troubles = watchForTroubles(page);
    const shot = (name: string) => shoot(page, `${name}-${look}`);

    await page.goto(app.address);
    await shot("1-home");
    await page.getByRole("link", { name: "Sign in" }).first().click();
    await page.waitForURL(/\/portal\/login/);
    await shot("2-portal");
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.waitForURL(`${app.address}account`);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Amara Okafor");
    await shot("3-account");

    await page.getByRole("button", { name: "Call the API", exact: true }).click();
    await page.getByText("amara-okafor").nth(1).waitFor();
    await page.getByRole("button", { name: "Call it signed out" }).click();
    await page.getByText('"login_required"').waitFor();
    await shot("4-api-401");

    // Reload, back and forward across the login: the user stays signed in, and no code is sent again.
    await page.reload();
    await page.goBack();
    await page.goto(`${app.address}account`);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Amara Okafor");

    await page.getByRole("link", { name: "Sign out" }).click();
    await page.waitForURL((url) => url.origin === new URL(app.address).origin && url.pathname === "/");
    await page.goto(`${app.address}account`);
    await page.waitForURL(/\/portal\/login/); // signed out here and at the provider: it shows its login page
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByRole("heading", { name: "Not signed in" }).waitFor();
    await shot("5-denied");
    await page.goto(`${app.address}callback?code=made-up&state=made-up`);
    await page.getByText("login_not_found").waitFor();
    await shot("6-other-user");
    await page.getByRole("link", { name: "Sign in again" }).click();
    await page.waitForURL(/\/portal\/login/);
    expect(troubles()).toEqual([]);
    await context.close();
  });

  test("the bar runs out, one click sends twenty API calls, and the page shows one refresh", async () => {
    await Promise.all(
      LOOKS.map(async ([look, options]) => {
        const context = await browser.newContext(options);
        const page = await context.newPage();
        const troubles = watchForTroubles(page);
        await page.goto(`${app.address}account`);
        await page.getByRole("button", { name: /Amara Okafor/ }).click();
        await page.waitForURL(`${app.address}account`);
        const access = page.locator(".token", { hasText: "Access token" });
        const callTwenty = page.getByRole("button", { name: "Call the API twenty times at once" });

        await callTwenty.click();
        await page.getByText(/^20 requests, /).waitFor(); // 0 refreshes, unless the machine is slow
        await access.getByText("Expired").waitFor();
        await page.waitForTimeout(A_BAR_MOVES_MS);
        await shoot(page, `8-expired-${look}`);
        await callTwenty.click();
        await page.getByText("20 requests, 1 refresh", { exact: true }).waitFor();
        await access.getByText(/^1[012] s left$/).waitFor();
        await page.waitForTimeout(A_BAR_MOVES_MS);
        await shoot(page, `9-one-refresh-${look}`);
        expect(troubles()).toEqual([]);
        await context.close();
      }),
    );
  }, 60_000);

  test("a user who signs out everywhere is signed out in another browser too", async () => {
    const signIn = async (options: object) => {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      await page.goto(`${app.address}account`);
      await page.getByRole("button", { name: /Sofía Ríos/ }).click();
      await page.waitForURL(`${app.address}account`);
      return { page, troubles: watchForTroubles(page) };
    };
    const { page: phone } = await signIn(LOOKS[3][1]);
    const { page: tablet } = await signIn(LOOKS[1][1]);
    const { page: desktop, troubles } = await signIn(LOOKS[0][1]);
    await desktop.getByRole("link", { name: "your sessions" }).click();
    const sessions = desktop.getByRole("listitem").filter({ hasText: "Signed in" });
    await expect.poll(() => sessions.count()).toBe(3);
    expect(await sessions.filter({ hasText: "this browser" }).count()).toBe(1);
    await shoot(desktop, "10-sessions-desktop-light");
    await phone.goto(`${app.address}sessions`);
    await shoot(phone, "10-sessions-phone-dark");

    await desktop
      .getByRole("button", { name: /^End the session of/ })
      .first()
      .click();
    await expect.poll(() => sessions.count()).toBe(2);
    await desktop.getByRole("button", { name: "Sign out on all devices" }).click();
    await desktop.waitForURL((url) => url.origin === new URL(app.address).origin && url.pathname === "/");
    const asked = () => fetch("/api/me").then(({ status }) => status);
    for (const page of [phone, tablet]) expect(await page.evaluate(asked)).toBe(401);
    await desktop.goto(`${app.address}account`);
    await desktop.waitForURL(/\/portal\/login/);
    expect(troubles()).toEqual([]);
    for (const page of [phone, tablet, desktop]) await page.context().close();
  });

  test("a double click on the provider's button signs in once and leads to the page", async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${app.address}account`);
    await page.getByRole("button", { name: /Jonas Weber/ }).dblclick();
    // not for the URL: the second click may abort the first navigation right after it arrived
    await page.getByRole("heading", { level: 1, name: "Jonas Weber" }).waitFor();
    expect(page.url()).toBe(`${app.address}account`);
    await page.context().close();
  });

  test("a link to /logout on another site shows a confirmation, whose button signs out", async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${app.address}account`);
    await page.getByRole("button", { name: /Jonas Weber/ }).click();
    await page.waitForURL(`${app.address}account`);
    const elsewhere = createServer(
      (_req, res) =>
        void res.setHeader("content-type", "text/html").end(`<a href="${app.address}logout">prize</a>`),
    );
    const other = (await serve(elsewhere)).replace("127.0.0.1", "localhost"); // another site for cookies
    await page.goto(other);
    await page.getByRole("link", { name: "prize" }).click();
    await page.getByRole("heading", { name: "Sign out?" }).waitFor();
    await page.screenshot({ path: join(SHOTS, "7-sign-out.png") });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL((url) => url.origin === new URL(app.address).origin && url.pathname === "/");
    await page.goto(`${app.address}account`);
    await page.waitForURL(/\/portal\/login/);
    await page.context().close();
  });
});

describeWithRedis("with SESSION_STORE_URL", (redis) => {
  test("npm start with Redis: users stay signed in after a restart", async () => {
    const env = { SESSION_STORE_URL: redis().url, SESSION_SECRET: "0123456789abcdef0123456789abcdef" };
    const ports = await freePorts();
    const browser = new SimpleBrowser();
    const first = await npmStart(env, ports);
    expect(first.printed()).toContain(`Sessions are stored at ${redis().url}.`);
    await browser.visit(`${first.address}account`);
    await first.stop();

    const second = await npmStart(env, ports);
    onTestFinished(() => second.stop());
    const account = await browser.navigate(`${second.address}account`);
    expect([account.status, account.body.includes("<h1>Amara Okafor</h1>")]).toEqual([200, true]);
  }, 120_000);
});

interface Started {
  readonly address: string;
  printed(): string;
  stop(): Promise<void>;
}

async function npmStart(added: Record<string, string>, ports?: [string, string]): Promise<Started> {
  const [PORT, DEMO_PORTAL_PORT] = ports ?? (await freePorts());
  const env = cleanEnvironment({ ...added, PORT, DEMO_PORTAL_PORT });
  // detached: npm has child processes, which end with its process group
  const child = spawn("npm", ["start"], { cwd: folder, env, detached: true });
  const ended = once(child, "exit");
  let printed = "";
  const address = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      printed += chunk;
      const [, url] = /Open (http:\S+)\s.*Ctrl/s.exec(printed) ?? [];
      if (url) resolve(url);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`npm start ended with ${code}:\n${printed}`)));
  });
  return {
    address,
    printed: () => printed,
    async stop() {
      if (child.pid && child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, "SIGTERM");
      await ended;
    },
  };
}

async function shoot(page: Page, name: string): Promise<void> {
  expect(
    await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"),
    `${name} fits`,
  ).toBe(true);
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** Collects errors of the browser: blocked by the CSP, not found, thrown by a script. */
function watchForTroubles(page: Page): () => string[] {
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    const expected = /status of 40[013]/.test(message.text()); // error pages that this test opens on purpose
    if (message.type() === "error" && !expected) troubles.push(message.text());
  });
  return () => troubles;
}

const freePorts = async (): Promise<[string, string]> => [String(await freePort()), String(await freePort())];
