import { expect, onTestFinished, test } from "vitest";
import { startAnotherSite } from "../support/another-site.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

test.skipIf(noChromium)(
  `the GET after the POST carries the previous session's cookie${noChromium && ` (${noChromium})`}`,
  async () => {
    const site = await startAnotherSite();
    const { url, asked } = await startWorld({
      publicOrigin: site.origin,
      options: { authorizationParams: { response_mode: "form_post" }, keepSessionKeys: ["cart"] },
      after: (app) => {
        app.get("/test/fill", (req, res) => {
          Object.assign(req.session, { cart: "lamp" });
          res.send("filled");
        });
        app.get(
          "/test/cart",
          (req, res) => void res.send(`cart: ${JSON.stringify(Object(req.session).cart)}`),
        );
      },
    });
    site.leadTo(new URL(url).port);
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(`${site.origin}/test/fill`);
    await page.goto(`${site.origin}/account`);
    await page.getByRole("button", { name: "Amara Okafor" }).click();
    await page.waitForURL(`${site.origin}/account`);
    expect(await page.locator("body").textContent()).toContain("amara-okafor");
    await page.goto(`${site.origin}/test/cart`);
    expect(await page.locator("body").textContent()).toBe('cart: "lamp"');
    expect(asked("/oauth2/token")).toHaveLength(1);
  },
);
