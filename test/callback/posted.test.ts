import { connect, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

/** The app under another host than the portal's: for a browser, another site. */
async function startAnotherSite(): Promise<{ origin: string; leadTo(port: string): void }> {
  let to = 0;
  const front = createServer((socket) => {
    const app = connect(to, "127.0.0.1");
    socket.on("error", () => app.destroy());
    app.on("error", () => socket.destroy());
    socket.pipe(app).pipe(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, "localhost", resolve));
  onTestFinished(() => void front.close());
  const leadTo = (port: string) => {
    to = Number(port);
  };
  return { origin: `http://localhost:${(front.address() as { port: number }).port}`, leadTo };
}

test.skipIf(noChromium)(
  `in a real browser the session of before comes along with the GET that follows a portal's POST${noChromium && ` (${noChromium})`}`,
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
        app.get("/test/cart", (req, res) => void res.send(`cart: ${JSON.stringify(Object(req.session).cart)}`));
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
