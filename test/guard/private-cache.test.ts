import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import express, { type Express, type Response } from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { Browser } from "../support/browser.js";
import { noNginx, startNginx } from "../support/nginx.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startWorld } from "../support/world.js";

const PRIVATE = "private, no-cache";

async function getHeaders(answer: (res: Response) => void, options: Parameters<typeof requireAuth>[0] = {}) {
  const { url, browser } = await startWorld({
    after: (app: Express) => app.get("/page", requireAuth(options), (_req, res) => answer(res)),
  });
  return (await browser.visit(`${url}/page`)).headers;
}

describe("a response behind a guard is private unless the application sets caching headers", () => {
  test.each<[string, (res: Response) => void]>([
    ["res.send", (res) => void res.send("page")],
    ["res.json", (res) => void res.json({})],
    ["res.end", (res) => void res.end("page")],
    ["a stream", (res) => void Readable.from(["pa", "ge"]).pipe(res)],
    ["res.writeHead", (res) => void res.writeHead(200, { "content-type": "text/plain" }).end("page")],
  ])("%s", async (_name, answer) => {
    expect((await getHeaders(answer))["cache-control"]).toBe(PRIVATE);
  });

  test("a 304 response", async () => {
    const { url, browser } = await startWorld();
    const { headers } = await browser.visit(`${url}/account`);
    const revalidated = await browser.navigate(`${url}/account`, {
      headers: { "if-none-match": String(headers.etag) },
    });
    expect([revalidated.status, revalidated.headers["cache-control"]]).toEqual([304, PRIVATE]);
  });
});

describe("the application's own caching headers stay", () => {
  test.each<[string, (res: Response) => void, string | undefined]>([
    [
      "Cache-Control before the response",
      (res) => void res.set("Cache-Control", "public, max-age=60").send("a"),
      "public, max-age=60",
    ],
    [
      "Cache-Control in writeHead",
      (res) => void res.writeHead(200, { "cache-control": "max-age=5" }).end("a"),
      "max-age=5",
    ],
    [
      "Cache-Control in a list",
      (res) => void res.writeHead(200, ["Cache-Control", "max-age=6"]).end("a"),
      "max-age=6",
    ],
    ["Expires", (res) => void res.set("Expires", "Thu, 01 Jan 2099 00:00:00 GMT").send("a"), undefined],
  ])("%s", async (_name, answer, expected) => {
    expect((await getHeaders(answer))["cache-control"]).toBe(expected);
  });

  test("express.static() with maxAge", async () => {
    const { url, browser } = await startWorld({
      after: (app) => app.use("/files", requireAuth(), express.static(import.meta.dirname, { maxAge: 1000 })),
    });
    const { headers, status } = await browser.visit(`${url}/files/private-cache.test.ts`);
    expect([status, headers["cache-control"]]).toEqual([200, "public, max-age=1"]);
  });

  test("cacheControl: false, and the last of several guards", async () => {
    const off = { cacheControl: false };
    expect((await getHeaders((res) => void res.send("a"), off))["cache-control"]).toBeUndefined();
    const { url, browser } = await startWorld({
      after: (app) => {
        app.get("/off", requireAuth(), requireAuth(off), (_req, res) => void res.send("a"));
        app.get("/on", requireAuth(off), requireAuth(), (_req, res) => void res.send("a"));
      },
    });
    expect((await browser.visit(`${url}/off`)).headers["cache-control"]).toBeUndefined();
    expect((await browser.visit(`${url}/on`)).headers["cache-control"]).toBe(PRIVATE);
  });

  test("a value other than true and false is rejected at start-up", () => {
    expect(() => requireAuth({ cacheControl: "no" as never })).toThrow("cacheControl must be true or false");
  });
});

describe.skipIf(noNginx)(`behind nginx with proxy_cache_valid${noNginx && ` (${noNginx})`}`, () => {
  async function start(options: Parameters<typeof requireAuth>[0]) {
    const { url, browser, provider } = await startWorld({
      after: (app) =>
        app.get("/mine", requireAuth(options), (req, res) => void res.send(req.portal.claims?.sub)),
    });
    await browser.visit(`${url}/account`);
    const cache = await mkdtemp(join(tmpdir(), "portal-auth-cache-"));
    onTestFinished(() => rm(cache, { recursive: true, force: true }));
    await chmod(cache, 0o777); // if nginx is started by root, its workers have another user
    const port = await freePort();
    await startNginx(
      `proxy_cache_path ${cache} keys_zone=pages:1m use_temp_path=off;
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass ${url}; proxy_cache pages; proxy_cache_valid 200 10m; }
        }`,
    );
    const nginxUrl = `http://127.0.0.1:${port}`;
    const cookie = await browser.jar.getCookieString(url);
    expect((await browser.navigate(`${nginxUrl}/mine`, { headers: { cookie } })).body).toBe("amara-okafor");
    return { provider, answer: await new Browser().navigate(`${nginxUrl}/mine`) };
  }

  test("a cached page behind a guard is not served to a visitor", async () => {
    const { answer, provider } = await start({});
    expect([answer.status, new URL(String(answer.headers.location)).origin]).toEqual([302, provider.issuer]);
  });

  test("the page would be served without the header", async () => {
    const { answer } = await start({ cacheControl: false });
    expect([answer.status, answer.body]).toEqual([200, "amara-okafor"]);
  });
});
