import type { Express, Response } from "express";
import helmet from "helmet";
import { afterAll, beforeAll, describe, test } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { startAnotherSite } from "../support/another-site.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

// The block of the guide's page silent-and-third-party-login.md: a page opens /login in a popup. The last
// page of the popup reports the sign-in to its opener. The application and the provider are two sites.

const OPENER_PAGE = `<!doctype html><title>Shop</title><h1>Visitor</h1><button>Sign in</button><script>
document.querySelector("button").onclick = () =>
  window.open("/login?returnTo=/signed-in", "sign-in", "popup");
addEventListener("message", (event) => {
  if (event.origin === location.origin) document.querySelector("h1").textContent = event.data;
});
</script>`;

const LAST_PAGE = `<!doctype html><title>Signed in</title><script>
window.opener.postMessage("Welcome", location.origin);
window.close();
</script>`;

function mountShop(app: Express): void {
  app.use(
    helmet({ contentSecurityPolicy: false, crossOriginOpenerPolicy: { policy: "same-origin-allow-popups" } }),
  );
  app.get("/shop", (_req, res) => sendPage(res, OPENER_PAGE));
}

function mountLastPage(app: Express): void {
  app.get("/signed-in", requireAuth(), (_req, res) => {
    res.removeHeader("Cross-Origin-Opener-Policy");
    sendPage(res, LAST_PAGE);
  });
}

function sendPage(res: Response, html: string): void {
  res.type("html").send(html);
}

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  async function start() {
    const site = await startAnotherSite();
    const world = await startWorld({ publicOrigin: site.origin, before: mountShop, after: mountLastPage });
    site.leadTo(new URL(world.url).port);
    const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
    await page.goto(`${site.origin}/shop`);
    const popupOpens = page.waitForEvent("popup");
    await page.getByRole("button", { name: "Sign in" }).click();
    const popup = await popupOpens;
    return { ...world, site, page, popup };
  }

  test("a login in a popup keeps its opener, through the provider and back", async () => {
    const { page, popup } = await start();
    await popup.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.getByRole("heading", { name: "Welcome" }).waitFor();
    if (!popup.isClosed()) await popup.waitForEvent("close");
    await page.context().close();
  });

  test("a login that is repeated from the error page keeps its opener", async () => {
    const { page, popup, provider, site } = await start();
    provider.answerNext("/oauth2/authorize", (req, res) => {
      const query = new URL(String(req.url), provider.issuer).searchParams;
      const callbackUrl = new URL(String(query.get("redirect_uri")));
      callbackUrl.search = String(
        new URLSearchParams({ error: "access_denied", state: String(query.get("state")) }),
      );
      res.writeHead(303, { location: callbackUrl.href }).end();
    });
    await popup.evaluate(`location.href = "${site.origin}/login?returnTo=/signed-in"`);
    await popup.getByRole("link", { name: /^Sign in/ }).click();
    await popup.getByRole("button", { name: /Amara Okafor/ }).click();
    await page.getByRole("heading", { name: "Welcome" }).waitFor();
    await page.context().close();
  });
});
