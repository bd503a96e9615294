import { mkdir } from "node:fs/promises";
import express, { type Express } from "express";
import helmet from "helmet";
import type { Page } from "playwright-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { createClock } from "../support/clock.js";
import { startWorld } from "../support/world.js";

// The application uses helmet's default CSP, whose form-action allows no form to leave the site.

const ORDER = `<!doctype html><title>Order</title><form method="post" action="/orders">
<label>Item <input name="item"></label><label>Note <textarea name="note"></textarea></label>
<label>Gift <input type="checkbox" name="extra" value="gift"></label>
<input type="hidden" name="extra" value="card">
<button name="act" value="order">Order</button></form>`;

interface Order {
  readonly body: string;
  readonly origin: string | undefined;
  readonly referer: string | undefined;
}

function addShop(app: Express, orders: Order[]): void {
  app.use(helmet());
  app.get("/orders/new", requireAuth(), (_req, res) => void res.send(ORDER));
  app.post(
    "/orders",
    requireAuth({ keepForm: true }),
    express.text({ type: "application/x-www-form-urlencoded" }),
    (req, res) => {
      const { origin, referer } = req.headers;
      orders.push({ body: req.body, origin, referer });
      res.redirect(303, `/orders/done?sent=${orders.length}`);
    },
  );
  app.get("/orders/done", (_req, res) => void res.send("thank you"));
}

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  async function start() {
    const orders: Order[] = [];
    const { clock, later } = createClock();
    const { url } = await startWorld({
      options: {
        clock,
        sessionIdle: 3600,
        hooks: {
          onLogin: (context) => {
            context.claims = { ...context.claims, name: "Amara Okafor" };
          },
        },
      },
      after: (app) => addShop(app, orders),
    });
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
    await page.goto(`${url}/orders/new`);
    await signIn(page);
    await page.getByLabel("Item").fill("tea & “cups”");
    await page.getByLabel("Note").fill("two\nlines 茶");
    await page.getByLabel("Gift").check();
    return { url, orders, later, page };
  }

  const signIn = (page: Page) => page.getByRole("button", { name: "Amara Okafor" }).click();

  test("a form posted after the end of the session arrives unchanged and once after the login", async () => {
    const { url, orders, later, page } = await start();
    later(3600);
    // This ends the session at the provider too.
    await page.context().clearCookies({ name: /^(?!portal-session)/ });
    await page.getByRole("button", { name: "Order" }).click();
    await signIn(page);
    await page.waitForURL(`${url}/login/form`);
    expect(await page.getByRole("heading").textContent()).toBe("Submit your form?");
    expect(await page.locator("main").textContent()).toContain("You are now signed in as Amara Okafor.");
    await mkdir("test/output", { recursive: true });
    await page.screenshot({ path: "test/output/form.png" });
    await page.reload();
    expect(orders).toEqual([]);
    await page.getByRole("button", { name: "Submit the form" }).dblclick();
    await page.getByText(/thank you|was already submitted/).waitFor();
    expect(orders).toEqual([
      {
        body: [
          "item=tea+%26+%E2%80%9Ccups%E2%80%9D",
          "note=two%0D%0Alines+%E8%8C%B6",
          "extra=gift&extra=card&act=order",
        ].join("&"),
        origin: url, // as CSRF checks of applications require
        referer: expect.stringContaining(url),
      },
    ]);
    await page.goto(`${url}/login/form`);
    expect(await page.getByRole("heading").textContent()).toBe("No form to submit");
  });

  // With helmet the form's page sends no Referer, so that page is unknown.
  test("a discarded form is not sent, and the user goes to the start page", async () => {
    const { url, orders, later, page } = await start();
    later(3600);
    await page.getByRole("button", { name: "Order" }).click(); // the provider still has its session
    await page.getByRole("button", { name: "Discard the form" }).click();
    await page.waitForURL(`${url}/`);
    expect(orders).toEqual([]);
  });
});
