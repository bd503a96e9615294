import type { Express, Response } from "express";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

// A site whose pages tell the browser to load every link of the site ahead, as speed plugins do.

const KINDS = ["prefetch", "prerender"] as const;
type Kind = (typeof KINDS)[number];

const pageOf = (kind: Kind, title: string) => `<!doctype html><title>${title}</title><h1>${title}</h1>
<script type="speculationrules">
{"${kind}": [{"source": "document", "where": {"href_matches": "/*"}, "eagerness": "immediate"}]}
</script>
<a href="/login?returnTo=/mine">Sign in</a> <a href="/mine">Mine</a> <a href="/logout">Sign out</a>`;

interface Ahead {
  readonly path: string;
  readonly status: number;
}

/** The pages of the site, and what the browser has loaded ahead of them. */
function site(app: Express, kind: Kind, ahead: Ahead[]): void {
  app.set("etag", false); // so that each load is a 200
  app.use((req, res, next) => {
    const isAhead = /prefetch/.test(String(req.headers["sec-purpose"]));
    res.on("finish", () => isAhead && ahead.push({ path: req.path, status: res.statusCode }));
    next();
  });
  app.get("/start", (_req, res) => sendPage(res, pageOf(kind, "Start")));
}

const sendPage = (res: Response, html: string) => void res.type("html").send(html);

describe.skipIf(noChromium)(`in a real browser${noChromium && ` (${noChromium})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  async function start(kind: Kind) {
    const ahead: Ahead[] = [];
    const world = await startWorld({
      before: (app) => site(app, kind, ahead),
      after: (app) => app.get("/mine", requireAuth(), (_req, res) => sendPage(res, pageOf(kind, "Mine"))),
    });
    const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
    return { ...world, ahead, page };
  }

  const click = (page: Page, name: string) => page.getByRole("link", { name, exact: true }).click();

  const heading = (page: Page) => page.getByRole("heading").textContent();

  test.each(KINDS)(
    "sign-in and sign-out links work although the browser has loaded them ahead by %s",
    async (kind) => {
      const { url, ahead, page } = await start(kind);
      const loaded = (path: string, status: number) =>
        vi.waitFor(() => expect(ahead).toContainEqual({ path, status }), { timeout: 10_000 });
      await page.goto(`${url}/start`);
      await loaded("/login", 503);
      await loaded("/mine", 401);
      await click(page, "Sign in");
      await page.getByRole("button", { name: /Amara Okafor/ }).click();
      await page.waitForURL(`${url}/mine`);
      expect(await heading(page)).toBe("Mine");
      ahead.length = 0;
      await page.goto(`${url}/start`);
      await loaded("/mine", 200);
      await click(page, "Mine");
      await page.waitForURL(`${url}/mine`);
      expect(await heading(page)).toBe("Mine");
      await loaded("/logout", 503);
      await click(page, "Sign out");
      await page.waitForURL((to) => to.origin === url && to.pathname === "/");
      await page.goto(`${url}/mine`);
      expect(new URL(page.url()).origin).not.toBe(url); // the provider asks who it is
      await page.context().close();
    },
  );
});
