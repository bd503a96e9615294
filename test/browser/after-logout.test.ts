import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

const PAGE = `<!doctype html><title>Mine</title><h1>Mine</h1><a href="/logout">Sign out</a>
<form method="post" action="/logout"><button>Sign out by form</button></form>`;

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  // Chromium runs without its back/forward cache, which the guide excludes. Back then reads the HTTP cache,
  // which ignores no-cache.
  test.each(["link", "button"] as const)(
    "Back does not show the page after a logout with a %s",
    async (role) => {
      const { url } = await startWorld({
        after: (app) =>
          app.get("/mine", requireAuth(), (_req, res) => {
            res.type("html").send(PAGE);
          }),
      });
      const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
      await page.goto(`${url}/mine`);
      await page.getByRole("button", { name: /Amara Okafor/ }).click();
      await page.getByRole("heading", { name: "Mine" }).waitFor();
      await page.getByRole(role, { name: /^Sign out/ }).click();
      await page.waitForURL((to) => to.origin === url && to.pathname === "/");
      await page.goBack();
      await page.getByRole("button", { name: /Amara Okafor/ }).waitFor(); // the provider requires a sign-in
      expect(await page.getByRole("heading", { name: "Mine" }).count()).toBe(0);
      await page.context().close();
    },
  );
});
