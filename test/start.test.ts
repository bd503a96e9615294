import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchChromium, noChromium } from "./support/chromium.js";
import { close, listen } from "./support/world.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SHOTS = join(ROOT, "test/output/screenshots");

let folder = "";
let child: ChildProcess;
let address = "";
let printed = "";

/** A clone as a newcomer has it (what git knows, and what npm install would bring), started as the README says. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portal-auth-start-"));
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const file of files.split("\n").filter(Boolean)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(ROOT, file), join(folder, file));
  }
  await cp(join(ROOT, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
  const [PORT, DEMO_PORTAL_PORT] = await freePorts();
  const env = { ...process.env, PORT, DEMO_PORTAL_PORT };
  child = spawn("npm", ["start"], { cwd: folder, env, detached: true }); // a group of its own: npm has children
  address = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      printed += chunk;
      const [, url] = /Open (http:\S+)/.exec(printed) ?? [];
      if (url) resolve(url);
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code) => reject(new Error(`npm start ended with ${code}:\n${printed}`)));
  });
}, 120_000);

afterAll(async () => {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.pid) process.kill(-child.pid, "SIGTERM");
  await ended;
  await rm(folder, { recursive: true, force: true });
});

test("npm start builds, starts the example with its portal, and says one address to open", async () => {
  expect(printed.match(/Open http:/g)).toHaveLength(1);
  const home = await fetch(address);
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
    ["phone-light", { viewport: { width: 390, height: 844 }, colorScheme: "light", isMobile: true, hasTouch: true }],
    ["phone-dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true }],
  ] as const;

  test.each(LOOKS)("the whole journey (%s)", async (look, options) => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const troubles = watchForTroubles(page);
    const shot = async (name: string) => {
      expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), `${name} fits`).toBe(
        true,
      );
      await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: true });
    };

    await page.goto(address);
    await shot("1-home");
    await page.getByRole("link", { name: "Sign in" }).first().click();
    await page.waitForURL(/\/portal\/login/);
    await shot("2-portal");
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.waitForURL(`${address}account`);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Amara Okafor");
    await shot("3-account");

    await page.getByRole("button", { name: "Call the API" }).click();
    await page.getByText("amara-okafor").nth(1).waitFor();
    await page.getByRole("button", { name: "Call it signed out" }).click();
    await page.getByText('"login_required"').waitFor();
    await shot("4-api-401");

    // reload of the account, back to before the login and forward again: nobody falls out, and no code is sent again
    await page.reload();
    await page.goBack();
    await page.goto(`${address}account`);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Amara Okafor");

    await page.getByRole("link", { name: "Sign out" }).click();
    await page.waitForURL((url) => url.origin === new URL(address).origin && url.pathname === "/");
    await page.goto(`${address}account`);
    await page.waitForURL(/\/portal\/login/); // logged out here and at the portal: it asks again
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByRole("heading", { name: "Sign-in cancelled" }).waitFor();
    await shot("5-denied");
    await page.goto(`${address}callback?code=made-up&state=made-up`);
    await page.getByText("login_not_found").waitFor();
    await shot("6-stranger");
    await page.getByRole("link", { name: "Sign in again" }).click();
    await page.waitForURL(/\/portal\/login/);
    expect(troubles()).toEqual([]);
    await context.close();
  });

  test("a double click on the portal's button logs in once, and lands on the page", async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${address}account`);
    await page.getByRole("button", { name: /Jonas Weber/ }).dblclick();
    await page.waitForURL(`${address}account`);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Jonas Weber");
    await page.context().close();
  });

  test("a link to /logout on another site asks first, and its button signs out here and at the portal", async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${address}account`);
    await page.getByRole("button", { name: /Jonas Weber/ }).click();
    await page.waitForURL(`${address}account`);
    const elsewhere = createServer(
      (_req, res) => void res.setHeader("content-type", "text/html").end(`<a href="${address}logout">prize</a>`),
    );
    const other = (await listen(elsewhere)).replace("127.0.0.1", "localhost"); // another site, as cookies see it
    await page.goto(other);
    await page.getByRole("link", { name: "prize" }).click();
    await page.getByRole("heading", { name: "Sign out?" }).waitFor();
    await page.screenshot({ path: join(SHOTS, "7-sign-out.png") });
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL((url) => url.origin === new URL(address).origin && url.pathname === "/");
    await page.goto(`${address}account`);
    await page.waitForURL(/\/portal\/login/);
    await page.context().close();
    await close(elsewhere);
  });
});

/** What the browser complains about: blocked by a CSP, not found, thrown by a script. */
function watchForTroubles(page: Page): () => string[] {
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    const expected = /status of 40[013]/.test(message.text()); // the pages of failures that this journey asks for
    if (message.type() === "error" && !expected) troubles.push(message.text());
  });
  return () => troubles;
}

async function freePorts(): Promise<[string, string]> {
  const servers = [createServer(), createServer()];
  const [a = "", b = ""] = await Promise.all(servers.map(async (server) => new URL(await listen(server)).port));
  await Promise.all(servers.map(close));
  return [a, b];
}
