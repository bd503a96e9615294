import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { generate } from "selfsigned";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startAnotherSite } from "../support/another-site.js";
import { launchChromium, noChromium } from "../support/chromium.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { serve } from "../support/serve.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startWorld, type World } from "../support/world.js";

// Each cause of a lost login in a real browser. The page and the line in the log name the cause.

const skipped = noChromium || noNginx;

describe.skipIf(skipped)(`in a real browser${skipped && ` (${skipped})`}`, () => {
  let browser: Awaited<ReturnType<typeof launchChromium>>;
  let context: BrowserContext;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterEach(() => context?.close());
  afterAll(() => browser?.close());

  async function openPage(): Promise<Page> {
    context = await browser.newContext({ locale: "en-GB", ignoreHTTPSErrors: true });
    return context.newPage();
  }

  /** Starts an app behind nginx with these directives. The provider is at another site, http://127.0.0.1. */
  async function startBehindNginx(directives: string, scheme: "http" | "https" = "http") {
    const port = await freePort();
    const host = scheme === "https" ? "app.localhost" : "localhost";
    const origin = `${scheme}://${host}:${port}`;
    const log = [/login_cookie/, /login_on_other_host/, /A login begins at the host www/];
    const world = await startWorld({ publicOrigin: origin, log });
    const headers = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;";
    await startNginx(async (folder) => {
      const tls = scheme === "https" ? ` ssl; ${await writeCertificate(folder)}` : ";";
      const location = `location / { proxy_pass ${world.url}; ${headers} ${directives} }`;
      return `server { listen 127.0.0.1:${port}${tls} ${location} }`;
    });
    return { ...world, origin, port, page: await openPage() };
  }

  describe("behind nginx", () => {
    test.each([
      ["proxy_cookie_path / /elsewhere/", "http", "login_cookies_blocked", "login_cookie_changed"],
      ["proxy_cookie_path / /login", "http", "login_cookies_blocked", "login_cookie_changed"],
      ["proxy_cookie_path / /callback/", "https", "login_cookies_blocked", "login_cookie_changed"],
      ["proxy_cookie_flags ~ samesite=strict", "http", "login_cookies_blocked", "login_cookies_strict"],
      ["proxy_cookie_flags ~ samesite=strict", "https", "login_cookies_blocked", "login_cookies_strict"],
      ["proxy_hide_header Set-Cookie", "http", "login_cookies_blocked", "login_cookies_blocked"],
      ['proxy_set_header Cookie ""', "http", "login_cookies_blocked", "login_cookies_blocked"],
    ] as const)(
      "%s over %s is reported as %s, and as %s at the second login",
      async (directive, scheme, first, second) => {
        const { page, origin, log } = await startBehindNginx(`${directive};`, scheme);
        expect(await signIn(page, `${origin}/account`)).toContain(first);
        expect(await signInAgain(page)).toContain(second);
        expect(codesIn(log)).toEqual([first, second]);
      },
    );

    test("a cookie changed by proxy_cookie_path is reported, also with analytics cookies", async () => {
      const { page, origin, log } = await startBehindNginx("proxy_cookie_path / /elsewhere/;");
      await context.addCookies([{ name: "_ga", value: "GA1.1.1", url: origin }]);
      expect(await signIn(page, `${origin}/account`)).toContain("login_cookie_lost");
      expect(log.join()).toContain("[cookies came back, but none of portalAuth()]");
      expect(await signInAgain(page)).toContain("login_cookie_changed");
    });

    test("a reload of the error page reports the same cause", async () => {
      const { page, origin, log } = await startBehindNginx("proxy_cookie_path / /elsewhere/;");
      await signIn(page, `${origin}/account`);
      await page.reload();
      expect(codesIn(log)).toEqual(["login_cookies_blocked", "login_cookies_blocked"]);
    });

    test("another host (www) is login_on_other_host, also with analytics cookies", async () => {
      const { page, log, port } = await startBehindNginx("", "https");
      await context.addCookies([{ name: "_ga", value: "GA1.1.1", domain: ".app.localhost", path: "/" }]);
      const text = await signIn(page, `https://www.app.localhost:${port}/account`);
      expect(text).toContain("login_on_other_host");
      expect(log.join("\n")).toMatch(/begins at the host www\.app\.localhost, [\s\S]*login_on_other_host/);
      expect(await signInAgain(page)).toBe("home");
    });
  });

  test("localhost instead of 127.0.0.1 is login_on_other_host, also with other cookies", async () => {
    const { url, log } = await startWorld({
      log: [/A login begins at the host localhost/, /login_on_other_host/],
    });
    const page = await openPage();
    const demo = ["portal-login.abcdefgh0", "portal-session", "connect.sid"];
    await context.addCookies(demo.map((name) => ({ name, value: "x", url })));
    expect(await signIn(page, `${url.replace("127.0.0.1", "localhost")}/account`)).toContain(
      "login_on_other_host",
    );
    expect(log.join("\n")).toMatch(/begins at the host localhost, [\s\S]*login_on_other_host/);
    expect(await signInAgain(page)).toBe("home");
  });

  test("a frame in another site is login_in_frame, and a login in the whole window works", async () => {
    const site = await startAnotherSite();
    const { url, provider, log } = await startWorld({ publicOrigin: site.origin, log: [/login_in_frame/] });
    site.leadTo(new URL(url).port);
    const embedder = createServer((_req, res) => {
      const link = `<a target="_top" href="${site.origin}/login?returnTo=/account">Sign in</a>`;
      res.setHeader("content-type", "text/html").end(`${link}<iframe src="${site.origin}/account"></iframe>`);
    });
    provider.answerNext("/oauth2/authorize", (req, res) => {
      const query = new URL(String(req.url), provider.issuer).searchParams;
      const callbackUrl = new URL(String(query.get("redirect_uri")));
      callbackUrl.search = String(new URLSearchParams({ code: "x", state: String(query.get("state")) }));
      res.writeHead(303, { location: callbackUrl.href }).end();
    });
    const page = await openPage();
    await page.context().addCookies([{ name: "_ga", value: "GA1.1.1", url: site.origin }]);
    const callback = page.waitForResponse(/\/callback\?/);
    await page.goto(await serve(embedder));
    expect((await callback).status()).toBe(400);
    expect(codesIn(log)).toEqual(["login_in_frame"]);
    await page.getByRole("link", { name: "Sign in" }).click();
    expect(await completeSignIn(page)).toContain('"sub":"amara-okafor"');
  });
});

/** Signs in, and returns the text of the last page. */
async function signIn(page: Page, url: string): Promise<string> {
  await page.goto(url);
  return completeSignIn(page);
}

/** Clicks the link of the error page. Without its cookies, the provider shows its sign-in page. */
async function signInAgain(page: Page): Promise<string> {
  await page.context().clearCookies({ domain: "127.0.0.1" });
  await page.getByRole("link", { name: /^Sign in/ }).click();
  return completeSignIn(page);
}

async function completeSignIn(page: Page): Promise<string> {
  await page.getByRole("button", { name: /Amara Okafor/ }).click();
  await page.waitForURL(({ pathname }) => ["/", "/account", "/callback"].includes(pathname));
  return (await page.locator("body").textContent()) ?? "";
}

/** Writes a certificate, and returns the directives that name it. */
async function writeCertificate(folder: string): Promise<string> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
    keySize: 2048,
  });
  await writeFile(join(folder, "key.pem"), key);
  await writeFile(join(folder, "cert.pem"), cert);
  return `ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;`;
}

const codesIn = (log: World["log"]): string[] =>
  log.flatMap((line) => /login_\w+(?= \()/.exec(line)?.[0] ?? []);
