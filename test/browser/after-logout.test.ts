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

  // Chromium is started without its back/forward cache, which the guide says is left: Back asks its HTTP cache, which
  // ignores no-cache then.
  test.each(["link", "button"] as const)(
    "after a logout by a %s Back does not show the page",
    async (role) => {
      const { url } = await startWorld({
        after: (app) => app.get("/mine", requireAuth(), (_req, res) => void res.type("html").send(PAGE)),
      });
      const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
      await page.goto(`${url}/mine`);
      await page.getByRole("button", { name: /Amara Okafor/ }).click();
      await page.getByRole("heading", { name: "Mine" }).waitFor();
      await page.getByRole(role, { name: /^Sign out/ }).click();
      await page.waitForURL((to) => to.origin === url && to.pathname === "/");
      await page.goBack();
      await page.getByRole("button", { name: /Amara Okafor/ }).waitFor(); // the provider asks who it is
      expect(await page.getByRole("heading", { name: "Mine" }).count()).toBe(0);
      await page.context().close();
    },
  );
});
