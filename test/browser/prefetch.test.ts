import type { Express, Response } from "express";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { startWorld } from "../support/world.js";

// Pages that let the browser prefetch or prerender every link of the site, as plugins for faster pages do.

const KINDS = ["prefetch", "prerender"] as const;
type Kind = (typeof KINDS)[number];

const renderPage = (kind: Kind, title: string) => `<!doctype html><title>${title}</title><h1>${title}</h1>
<script type="speculationrules">
{"${kind}": [{"source": "document", "where": {"href_matches": "/*"}, "eagerness": "immediate"}]}
</script>
<a href="/login?returnTo=/mine">Sign in</a> <a href="/mine">Mine</a> <a href="/logout">Sign out</a>`;

interface Prefetched {
  readonly path: string;
  readonly status: number;
}

/** Mounts the pages, and records the requests that the browser sends ahead. */
function mountSite(app: Express, kind: Kind, prefetched: Prefetched[]): void {
  app.set("etag", false); // each response gets status 200
  app.use((req, res, next) => {
    const isPrefetch = /prefetch/.test(String(req.headers["sec-purpose"]));
    res.on("finish", () => {
      if (isPrefetch) prefetched.push({ path: req.path, status: res.statusCode });
    });
    next();
  });
  app.get("/start", (_req, res) => sendPage(res, renderPage(kind, "Start")));
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

  async function start(kind: Kind) {
    const prefetched: Prefetched[] = [];
    const world = await startWorld({
      before: (app) => mountSite(app, kind, prefetched),
      after: (app) => app.get("/mine", requireAuth(), (_req, res) => sendPage(res, renderPage(kind, "Mine"))),
    });
    const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
    return { ...world, prefetched, page };
  }

  const click = (page: Page, name: string) => page.getByRole("link", { name, exact: true }).click();

  const readHeading = (page: Page) => page.getByRole("heading").textContent();

  test.each(KINDS)(
    "links to sign in and to sign out work after the browser has loaded them with %s",
    async (kind) => {
      const { url, prefetched, page } = await start(kind);
      const waitForPrefetch = (path: string, status: number) =>
        vi.waitFor(() => expect(prefetched).toContainEqual({ path, status }), { timeout: 10_000 });
      await page.goto(`${url}/start`);
      await waitForPrefetch("/login", 503);
      await waitForPrefetch("/mine", 401);
      await click(page, "Sign in");
      await page.getByRole("button", { name: /Amara Okafor/ }).click();
      await page.waitForURL(`${url}/mine`);
      expect(await readHeading(page)).toBe("Mine");
      prefetched.length = 0;
      await page.goto(`${url}/start`);
      await waitForPrefetch("/mine", 200);
      await click(page, "Mine");
      await page.waitForURL(`${url}/mine`);
      expect(await readHeading(page)).toBe("Mine");
      await waitForPrefetch("/logout", 503);
      await click(page, "Sign out");
      await page.waitForURL((to) => to.origin === url && to.pathname === "/");
      await page.goto(`${url}/mine`);
      expect(new URL(page.url()).origin).not.toBe(url); // the provider requires a sign-in
      await page.context().close();
    },
  );
});
