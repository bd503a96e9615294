import type { Express } from "express";
import helmet from "helmet";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAnotherSite } from "../support/another-site.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld, type WorldOptions } from "../support/world.js";

// The pages of the application have helmet's Content-Security-Policy with form-action 'self'. Chromium
// applies it to redirects after a form, and the provider is another site.

const renderForm = (to: string, name: string) =>
  `<form method="post" action="${to}"><button>${name}</button></form>`;

const FORMS = [
  renderForm("/logout", "Sign out"),
  renderForm("/leave", "Leave"),
  renderForm("/enter", "Enter"),
].join("");

function mountPages(app: Express): void {
  app.use(helmet());
  app.get("/forms", (_req, res) => {
    res.send(`<!doctype html><title>Forms</title>${FORMS}`);
  });
}

function mountRoutes(app: Express): void {
  app.post("/leave", (req) => req.portal.logout());
  app.post("/enter", (req) => req.portal.login({ returnTo: "/account" }));
}

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  async function start(hasScript: boolean, options: Partial<WorldOptions> = {}) {
    const site = await startAnotherSite();
    const world = await startWorld({
      publicOrigin: site.origin,
      before: mountPages,
      after: mountRoutes,
      ...options,
    });
    site.leadTo(new URL(world.url).port);
    const context = await browser.newContext({ locale: "en-GB", javaScriptEnabled: hasScript });
    return { ...world, origin: site.origin, page: await context.newPage() };
  }

  async function signIn(page: Page, origin: string): Promise<void> {
    await page.goto(`${origin}/account`);
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.waitForURL(`${origin}/account`);
  }

  async function press(page: Page, origin: string, name: string): Promise<void> {
    await page.goto(`${origin}/forms`);
    await page.getByRole("button", { name, exact: true }).click();
  }

  const waitForHome = (page: Page, origin: string) =>
    page.waitForURL((to) => to.origin === origin && to.pathname === "/");

  test.each([
    ["Sign out", true],
    ["Sign out", false],
    ["Leave", true],
  ])("the form %s signs out at the app and at the provider (JavaScript: %s)", async (name, hasScript) => {
    const { origin, page, asked } = await start(hasScript);
    await signIn(page, origin);
    await press(page, origin, name);
    await waitForHome(page, origin);
    expect(asked("/logout")).toHaveLength(1);
    await page.goto(`${origin}/account`);
    await page.getByRole("button", { name: /Amara Okafor/ }).waitFor(); // the provider requires a sign-in
    await page.context().close();
  });

  test("the form Sign out also leads via the provider after the session has ended", async () => {
    const { origin, page, asked } = await start(true);
    await signIn(page, origin);
    await page.context().clearCookies({ name: "portal-session" });
    await press(page, origin, "Sign out");
    await waitForHome(page, origin);
    expect(asked("/logout")).toHaveLength(1);
    await page.context().close();
  });

  test("a form whose route calls req.portal.login() leads to the provider", async () => {
    const { origin, page } = await start(true);
    await press(page, origin, "Enter");
    await page.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.waitForURL(`${origin}/account`);
    await page.context().close();
  });
});
