import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import express, { type ErrorRequestHandler, type Express } from "express";
import express4 from "express4";
import { describe, expect, onTestFinished, test } from "vitest";
import { type PortalProxyOptions, portalProxy } from "../../lib/index.js";
import { holdNext, json, TOKEN_SECONDS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { close } from "../support/serve.js";
import { startWorld } from "../support/world.js";
import { answerTo, headOf, start, startBefore, startServer, startUpstream } from "./proxy-setup.js";

describe("a request below the path", () => {
  test.each([4, 5] as const)(
    "goes on with the person's token, and without their cookie (Express %d)",
    async (version) => {
      const { browser, url, upstream, access, cookie } = await start({ base: "/v1", express: version });
      const answer = await browser.fetch(`${url}/api/orders?page=2`, {
        headers: { authorization: "Basic mine" },
      });
      expect([answer.status, answer.body]).toEqual([200, "data"]);
      const [got] = upstream.got;
      expect(got).toMatchObject({ method: "GET", url: "/v1/orders?page=2", token: await access(), body: "" });
      expect(got?.headers.host).toBe(new URL(upstream.url).host);
      expect(cookie).not.toBe("");
      expect(JSON.stringify(got?.headers)).not.toContain(cookie.split("=")[1]);
    },
  );

  test("takes method, headers and body along", async () => {
    const { browser, url, upstream } = await start();
    const headers = { "x-request-id": "green", "if-match": '"1"' };
    await browser.fetch(`${url}/api/orders`, { method: "PUT", form: { tea: "1" }, headers });
    expect(upstream.got).toMatchObject([{ method: "PUT", url: "/orders", body: "tea=1", headers }]);
    expect(upstream.got[0]?.headers).toMatchObject({
      "content-length": "5",
      "content-type": /form-urlencoded/,
    });
  });

  test("takes further headers along that the options name, and no others", async () => {
    const { browser, url, upstream } = await start({
      proxy: { requestHeaders: ["X-Api-Version"], responseHeaders: ["X-Quota"] },
      answer: (_req, res) => void res.writeHead(200, { "x-quota": "7", "x-internal": "8" }).end(),
    });
    const identity = { "cf-access-authenticated-user-email": "root", "x-webauth-user": "root", via: "1.1 x" };
    const { headers } = await browser.fetch(`${url}/api/x`, {
      headers: { "x-api-version": "2", ...identity },
    });
    expect([headers["x-quota"], headers["x-internal"]]).toEqual(["7", undefined]);
    expect(upstream.got[0]?.headers).toMatchObject({ "x-api-version": "2" });
    for (const name of Object.keys(identity)) expect(upstream.got[0]?.headers).not.toHaveProperty(name);
  });

  test("keeps what the application says of its documents, and adds what it leaves open", async () => {
    const theirs = {
      "content-security-policy": "default-src *",
      "x-frame-options": "SAMEORIGIN",
      "cross-origin-resource-policy": "cross-origin",
      "x-content-type-options": "none",
    };
    const { browser, url } = await start({
      before: (app) =>
        void app.use((_req, res, next) => {
          res.setHeader("Content-Security-Policy", "default-src 'none'");
          next();
        }),
      answer: (_req, res) => void res.writeHead(200, theirs).end(),
    });
    expect((await browser.fetch(`${url}/api/x`)).headers).toMatchObject({
      "content-security-policy": "default-src 'none'",
      "x-frame-options": "SAMEORIGIN",
      "cross-origin-resource-policy": "same-origin",
      "x-content-type-options": "nosniff",
    });
  });

  test.each(["/text", "/empty", "/stream"])("keeps header bytes of UTF-8, both ways: %s", async (path) => {
    const { open, upstream } = await start({
      answer(req, res) {
        const name = 'inline; filename="\u4e2d\u6587.txt"';
        const bytes = Buffer.from(name).toString("latin1");
        res.writeHead(200, {
          "content-disposition": bytes,
          location: Buffer.from("\u4e2d").toString("latin1"),
        });
        if (req.url === "/stream") res.write(Buffer.from("1"));
        res.end(req.url === "/empty" ? undefined : Buffer.from("2"));
      },
    });
    const sent = Buffer.from("\u4e2d\u6587").toString("latin1");
    const { headers } = await answerTo(open(`/api${path}`, { headers: { "idempotency-key": sent } }));
    const asText = (value: unknown) => Buffer.from(String(value), "latin1").toString();
    expect(asText(headers["content-disposition"])).toBe('inline; filename="\u4e2d\u6587.txt"');
    expect(headers.location).toBe("/api/%E4%B8%AD");
    expect(asText(upstream.got[0]?.headers["idempotency-key"])).toBe("\u4e2d\u6587");
  });

  test("says for whom it asks; what a stranger writes there does not arrive", async () => {
    const { browser, url, upstream } = await start();
    const lies = {
      "x-forwarded-for": "6.6.6.6",
      "x-forwarded-host": "evil.example",
      forwarded: "for=6.6.6.6",
    };
    await browser.fetch(`${url}/api/x`, {
      headers: { ...lies, x_forwarded_for: "6.6.6.6", "x-real-ip": "6.6.6.6" },
    });
    const { headers } = upstream.got[0] ?? {};
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": new URL(url).host,
      "x-forwarded-proto": "http",
    });
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|evil/);
  });

  test("says nothing of them with forwarded: false", async () => {
    const { browser, url, upstream } = await start({ proxy: { forwarded: false } });
    await browser.fetch(`${url}/api/x`, { headers: { "x-forwarded-for": "6.6.6.6" } });
    expect(Object.keys(upstream.got[0]?.headers ?? {}).filter((name) => name.includes("forwarded"))).toEqual(
      [],
    );
  });

  test("takes the headers of the option along, in place of the browser's, whatever Connection lists", async () => {
    const { open, upstream } = await start({ proxy: { headers: { "X-Api-Key": "key-of-the-app" } } });
    const headers = { "x-api-key": "forged", connection: "x-api-key, authorization, content-length" };
    await answerTo(open("/api/x", { method: "POST", headers: { ...headers, "content-length": "2" } }), "hi");
    expect(upstream.got[0]).toMatchObject({ body: "hi", headers: { "x-api-key": "key-of-the-app" } });
    expect(upstream.got[0]?.token).toBeDefined();
  });

  test("is answered with the upstream's status, headers and body, and without its cookies and CORS", async () => {
    const cookies = ["__Host-portal-session=evil; Path=/", "b=2"];
    const { browser, url } = await start({
      answer: (_req, res) => {
        const more = {
          "access-control-allow-origin": "*",
          "clear-site-data": '"cookies"',
          connection: "x-hop",
          "x-hop": "1",
        };
        res
          .writeHead(418, { "content-type": "text/tea", etag: '"1"', "set-cookie": cookies, ...more })
          .end("short");
      },
    });
    const { status, headers, body } = await browser.fetch(`${url}/api/tea`);
    expect([status, headers["content-type"], headers.etag, body]).toEqual([418, "text/tea", '"1"', "short"]);
    for (const name of ["set-cookie", "access-control-allow-origin", "clear-site-data", "x-hop"])
      expect(headers).not.toHaveProperty(name);
    expect([headers["cache-control"], headers.vary]).toEqual(["private, no-cache", "Cookie"]);
  });

  test("is kept apart from others' by caches, beside what the upstream and the app vary by", async () => {
    const { browser, url } = await start({
      before: (app) =>
        void app.use((_req, res, next) => {
          res.vary("Origin");
          next();
        }),
      answer: (_req, res) => void res.writeHead(200, { vary: "Accept, no name,, Authorization" }).end(),
    });
    expect((await browser.fetch(`${url}/api/x`)).headers.vary).toBe("Origin, Accept, Authorization, Cookie");
  });

  test("whose browser has left before it was asked is not asked", async () => {
    const [met, left] = [createGate(), createGate()];
    const { open, upstream, log } = await start({
      before: (app) =>
        void app.use("/api/x", (_req, res, next) => {
          met.open();
          res.once("close", () => {
            next();
            left.open();
          });
        }),
    });
    const asking = open("/api/x").on("error", () => {});
    asking.end();
    await met.opened;
    asking.destroy();
    await left.opened;
    await answerTo(open("/api/other"));
    expect(upstream.got.map(({ url }) => url)).toEqual(["/other"]);
    expect(log.filter((line) => line.includes("upstream"))).toEqual([]);
  });

  test("that is redirected below the upstream's path is led below the proxy's, and nobody follows with the token", async () => {
    const elsewhere = await startUpstream();
    const there = new Map([
      ["/v1/in", "/v1/there?x=1"],
      ["/v1/out", `${elsewhere.url}/there`],
      ["/v1/up", "/account"],
    ]);
    const { browser, url, upstream } = await start({
      base: "/v1",
      answer: (req, res) => void res.writeHead(302, { location: there.get(String(req.url)) }).end(),
    });
    expect((await browser.fetch(`${url}/api/in`)).headers.location).toBe("/api/there?x=1");
    expect((await browser.fetch(`${url}/api/out`)).headers.location).toBe(`${elsewhere.url}/there`);
    expect((await browser.fetch(`${url}/api/up`)).headers.location).toBe(`${upstream.url}/account`); // no route of the app
    expect(elsewhere.got).toEqual([]);
  });

  test("elsewhere is not the proxy's", async () => {
    const { browser, url, upstream } = await start();
    for (const path of ["/apis", "/", "/test/me"]) await browser.fetch(url + path);
    expect(upstream.got).toEqual([]);
  });

  test("needs the store only to read the session, and the portal not at all", async () => {
    const { browser, url, store, provider } = await start();
    const asked = provider.requests.length;
    store.calls();
    await browser.fetch(`${url}/api/x`);
    expect(store.calls()).toEqual(["readEntry"]);
    expect(provider.requests).toHaveLength(asked);
  });

  test("uses a connection again", async () => {
    const { browser, url, upstream } = await start({
      answer: (req, res) => void res.writeHead(req.url === "/none" ? 204 : 200).end(),
    });
    for (const path of ["a", "none", "none", "a"])
      expect((await browser.fetch(`${url}/api/${path}`)).status).toBeLessThan(300);
    await browser.fetch(`${url}/api/a`, { method: "POST", form: { a: "1" } });
    expect([upstream.got.length, upstream.connections.size]).toEqual([5, 1]);
  });
});

describe("a mount", () => {
  test.each([
    [
      "a router",
      "/shop/api/x",
      (app: Express, to: string, of: typeof express) => {
        const router = of.Router();
        router.use(portalProxy("/api", to));
        app.use("/shop", router);
      },
    ],
    [
      "app.use with a path",
      "/deep/er/x",
      (app: Express, to: string) => void app.use("/deep/er", portalProxy("/", to)),
    ],
    [
      "a path of several parts",
      "/a/b/x",
      (app: Express, to: string) => void app.use(portalProxy("/a/b/", to)),
    ],
    ["a route", "/all/x", (app: Express, to: string) => void app.get("/all/x", portalProxy("/all", to))],
  ] as const)("may be %s", async (_name, path, mount) => {
    for (const [version, of] of [
      [5, express],
      [4, express4],
    ] as const) {
      const upstream = await startUpstream((_req, res) => void res.writeHead(201, { location: "x/1" }).end());
      const { browser, url } = await startWorld({
        express: version,
        after: (app) => mount(app, `${upstream.url}/v1`, of as typeof express),
      });
      await browser.visit(`${url}/account`);
      const { status, headers } = await browser.fetch(`${url}${path}?q=1`);
      expect([status, headers.location]).toEqual([201, `${path}/1`]);
      expect(upstream.got[0]?.url).toBe("/v1/x?q=1");
    }
  });

  test("whose login has a name", async () => {
    const upstream = await startUpstream();
    const { browser, url } = await startWorld({
      options: { name: "staff" },
      after: (app) => void app.use(portalProxy("/api", upstream.url, { portal: "staff" })),
    });
    await browser.visit(`${url}/login`);
    expect((await browser.fetch(`${url}/api/x`)).body).toBe("data");
  });

  test("that no portalAuth() is before says so", async () => {
    const upstream = await startUpstream();
    const before = (app: Express) => void app.use(portalProxy("/api", upstream.url));
    const { browser, url } = await startWorld({ before, log: [/portal_auth_missing/] });
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, JSON.parse(body).code, upstream.got]).toEqual([500, "portal_auth_missing", []]);
  });
});

describe("who is not logged in", () => {
  test("is told so by a problem, or sent to the portal when they navigate; the upstream is not asked", async () => {
    const { url, upstream, provider } = await start();
    const stranger = new Browser();
    const refused = await stranger.fetch(`${url}/api/x`);
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
      401,
      { code: "login_required", login: "/login" },
    ]);
    const sent = await stranger.navigate(`${url}/api/x`);
    expect([sent.status, sent.headers.location?.startsWith(provider.issuer)]).toEqual([302, true]);
    expect(upstream.got).toEqual([]);
    expect((await stranger.visit(`${url}/api/x`)).body).toBe("data");
  });
});

describe("a request that another site may have sent", () => {
  test("is not passed on where telling so fails", async () => {
    const { open, upstream } = await start({
      before: (app) =>
        app.use("/api", (_req, res, next) => {
          const { setHeader } = res;
          res.setHeader = (name, value) => {
            res.setHeader = setHeader;
            throw new Error(`an extension of the application's fails at ${name}: ${value}`);
          };
          next();
        }),
      after: (app) =>
        app.use(((_error, _req, res, _next) => res.status(500).end("failed")) as ErrorRequestHandler),
      log: [/./],
    });
    const headers = { "x-csrf": "", "sec-fetch-site": "cross-site" };
    expect((await answerTo(open("/api/x", { method: "POST", headers }))).body).toBe("failed");
    expect(upstream.got).toEqual([]);
  });

  test("is refused, whoever is logged in", async () => {
    const { browser, url, upstream } = await start({ log: [/cross_site_refused/] });
    for (const site of ["same-site", "cross-site"] as const)
      expect((await browser.fetch(`${url}/api/x`, { method: "POST", site })).status).toBe(403);
    expect(upstream.got).toEqual([]);
    expect((await browser.fetch(`${url}/api/x`, { method: "POST" })).body).toBe("data");
  });

  test("passes with csrf: false, and with a header of your own", async () => {
    const free = await start({ proxy: { csrf: false } });
    expect((await free.browser.fetch(`${free.url}/api/x`, { method: "POST", site: "same-site" })).body).toBe(
      "data",
    );
    const { browser, url } = await start({
      proxy: { csrf: { header: "X-Mine" } },
      log: [/cross_site_refused/],
    });
    const post = async (headers: Record<string, string>) =>
      (await browser.fetch(`${url}/api/x`, { method: "POST", site: "same-site", headers })).status;
    expect([await post({ "x-mine": "1" }), await post({ "x-csrf": "1" })]).toEqual([200, 403]);
  });
});

describe("the token", () => {
  test("is refreshed first when it has ended, once for two requests at the same time", async () => {
    const { browser, url, upstream, access, later, refreshes } = await start();
    const before = await access();
    later(TOKEN_SECONDS);
    const both = await Promise.all([browser.fetch(`${url}/api/a`), browser.fetch(`${url}/api/b`)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    const token = await access();
    expect([token === before, refreshes().length]).toEqual([false, 1]);
    expect(upstream.got.map((got) => got.token)).toEqual([token, token]);
  });

  test("that the portal renews no more is a 401 for a script, and the login for who navigates", async () => {
    const { browser, url, upstream, provider, later } = await start({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS);
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, JSON.parse(body)]).toMatchObject([401, { code: "refresh_refused", login: "/login" }]);
    expect((await browser.navigate(`${url}/api/x`)).status).toBe(302);
    expect(upstream.got).toEqual([]);
  });

  test("that cannot be renewed as the portal is down is a 503", async () => {
    const { browser, url, upstream, provider, later } = await start({ log: [/portal_unreachable/] });
    provider.goDown();
    later(TOKEN_SECONDS);
    const { status, headers, body } = await browser.fetch(`${url}/api/x`, {
      method: "POST",
      form: { a: "1" },
    });
    expect([status, headers["retry-after"], JSON.parse(body).code]).toEqual([503, "5", "portal_unreachable"]);
    expect(upstream.got).toEqual([]);
  });
});

describe("a 401 of the upstream", () => {
  const startRefused = async (given: Parameters<typeof start>[0] = {}) => {
    const world = await start(given);
    const old = await world.access();
    world.upstream.refused.add(old);
    return { ...world, old };
  };
  const small = "x".repeat(64 * 1024);

  test.each<[string, string, string | undefined, Record<string, string>]>([
    ["no body", "GET", undefined, {}],
    ["no body, though a DELETE", "DELETE", undefined, {}],
    ["no body, though a POST", "POST", undefined, { "content-length": "0" }],
    ["a body", "POST", '{"tea":1}', { "content-length": "9", "content-type": "application/json" }],
    ["a body of unknown length", "PATCH", "tea", { "transfer-encoding": "chunked" }],
    ["the longest that is kept", "PUT", small, { "content-length": String(small.length) }],
  ])("causes one refresh, and the same request once more: %s", async (_name, method, body, headers) => {
    const { open, upstream, old, access, refreshes } = await startRefused();
    const answer = await answerTo(open("/api/things?x=1", { method, headers }), body);
    expect([answer.status, answer.body]).toEqual([200, "data"]); // and nothing of the first one
    expect(answer.headers).not.toHaveProperty("www-authenticate");
    const same = { method, url: "/things?x=1", body: body ?? "" };
    const length = body === undefined ? headers["content-length"] : String(body.length);
    expect(upstream.got[1]?.headers["content-length"] ?? "0").toBe(length ?? "0");
    expect(upstream.got).toMatchObject([
      { ...same, token: old },
      { ...same, token: await access() },
    ]);
    expect(upstream.got[1]?.headers["content-type"]).toBe(headers["content-type"]);
    expect(refreshes()).toHaveLength(1);
  });

  test("is handed on where the body is longer than what is kept, with no challenge that asks for a password", async () => {
    const { open, upstream, refreshes } = await startRefused();
    const headers = { "content-length": String(small.length + 1) };
    const answer = await answerTo(open("/api/things", { method: "POST", headers }), `${small}x`);
    expect([answer.status, answer.body]).toEqual([401, "the token has been revoked"]);
    expect(answer.headers["www-authenticate"]).toBe('Bearer realm="portal"');
    expect([upstream.got.length, refreshes().length]).toEqual([1, 0]);
  });

  test("waits for the rest of a small body, when the upstream did not", async () => {
    let isRefused = false;
    const refused = createGate();
    const bodies: string[] = [];
    const url = await startServer(async (req, res) => {
      if (isRefused) {
        bodies.push(await text(req));
        res.end("data");
      } else {
        isRefused = true;
        res.writeHead(401).end("no");
        refused.open();
      }
    });
    const { open } = await startBefore(url);
    const asking = open("/api/x", { method: "POST", headers: { "content-length": "6" } });
    asking.write("abc");
    await refused.opened;
    const answer = await answerTo(asking, "def");
    expect([answer.status, answer.body, bodies]).toEqual([200, "data", ["abcdef"]]);
  });

  test("to the new token as well is handed on, and for five minutes it costs no other refresh", async () => {
    const { browser, url, upstream, refreshes } = await start({
      portal: { accessTokenSeconds: 3600 },
      answer: (_req, res) => void res.writeHead(401, { "www-authenticate": "Basic" }).end("not you"),
    });
    for (let time = 0; time < 3; time += 1) {
      const { status, body, headers } = await browser.fetch(`${url}/api/x`);
      expect([status, body, headers["www-authenticate"]]).toEqual([401, "not you", 'Bearer realm="portal"']);
    }
    expect([upstream.got.length, refreshes().length]).toEqual([4, 1]);
  });

  test("to two requests at once costs one refresh", async () => {
    const { browser, url, refreshes } = await startRefused();
    const both = await Promise.all([browser.fetch(`${url}/api/a`), browser.fetch(`${url}/api/b`)]);
    expect([...both.map(({ body }) => body), refreshes().length]).toEqual(["data", "data", 1]);
  });

  test("is handed on while the portal is down: it says more than that", async () => {
    const { browser, url, provider } = await startRefused({ log: [/portal_unreachable/] });
    provider.goDown();
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, body]).toEqual([401, "the token has been revoked"]);
  });

  test("is ours, with the way to sign in, when the portal has ended the login", async () => {
    const { browser, url, provider } = await startRefused({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, JSON.parse(body)]).toMatchObject([401, { code: "refresh_refused", login: "/login" }]);
  });

  test("whose body never ends keeps nobody from the next answer, and is over when that begins", async () => {
    const isCut = createGate();
    let asked = 0;
    const url = await startServer((_req, res) => {
      asked += 1;
      if (asked === 1) res.on("close", isCut.open).writeHead(401).write("the first of many");
      else res.writeHead(200).write("event");
    });
    const { open } = await startBefore(url);
    const asking = open("/api/x").end();
    expect((await headOf(asking)).statusCode).toBe(200);
    await isCut.opened;
    asking.destroy();
  });

  test("whose browser leaves while the token is renewed is the last that the upstream hears of it", async () => {
    const gone = createGate();
    const { open, upstream, provider } = await startRefused({
      before: (app) =>
        void app.use("/api", (_req, res, next) => {
          res.once("close", gone.open);
          next();
        }),
    });
    const refresh = holdNext(provider, "/oauth2/token");
    const asking = open("/api/x").on("error", () => {});
    asking.end();
    await refresh.arrived;
    asking.destroy();
    await gone.opened;
    refresh.letGo();
    const other = await answerTo(open("/api/other"));
    expect([other.body, upstream.got.filter(({ url }) => url === "/x").length]).toEqual(["data", 1]);
  });
});

describe("what HTTP knows besides", () => {
  test("HEAD, 204, 304 and compressed answers come as they are", async () => {
    const packed = Buffer.from("1f8b08", "hex");
    const { browser, url, open } = await start({
      answer(req, res) {
        if (req.url === "/304") res.writeHead(304, { etag: '"1"' }).end();
        else if (req.url === "/204") res.writeHead(204).end();
        else res.writeHead(200, { "content-encoding": "gzip", "content-length": "3" }).end(packed);
      },
    });
    const head = await browser.fetch(`${url}/api/x`, { method: "HEAD" });
    expect([head.status, head.headers["content-length"], head.body]).toEqual([200, "3", ""]);
    expect((await browser.fetch(`${url}/api/204`, { method: "DELETE" })).status).toBe(204);
    const { status, headers } = await browser.fetch(`${url}/api/304`);
    expect([status, headers.etag]).toEqual([304, '"1"']);
    const asking = open("/api/x").end();
    const bytes = await new Promise<Buffer>((resolve) => {
      asking.once("response", async (answer) => resolve(Buffer.concat(await answer.toArray())));
    });
    expect(bytes).toEqual(packed);
  });

  test("Expect: 100-continue is met here, and the body goes on", async () => {
    const { open, upstream, cookie } = await start();
    const asking = open("/api/x", {
      method: "POST",
      headers: { expect: "100-continue", "content-length": "2" },
    });
    asking.flushHeaders();
    await new Promise((resolve) => asking.once("continue", resolve));
    expect((await answerTo(asking, "hi")).body).toBe("data");
    expect(upstream.got[0]).toMatchObject({ body: "hi" });
    expect(upstream.got[0]?.headers).not.toHaveProperty("expect");
    expect(JSON.stringify(upstream.got[0]?.headers)).not.toContain(cookie.split("=")[1]);
  });

  test.each(["DELETE", "GET", "OPTIONS", "POST"])(
    "a body in chunks stays one, by %s: it is no second request to the upstream",
    async (method) => {
      const { open, upstream } = await start();
      const smuggled = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
      const headers = { "transfer-encoding": "chunked", connection: "transfer-encoding, content-length" };
      await answerTo(open("/api/x", { method, headers }), smuggled);
      await answerTo(open("/api/y"));
      expect(upstream.got.map((got) => [got.url, got.body])).toEqual([
        ["/x", smuggled],
        ["/y", ""],
      ]);
    },
  );

  test.each<[string, { method?: string; headers?: Record<string, string> }, string]>([
    ["a TRACE, whose answer would show the token", { method: "TRACE" }, "/api/x"],
    ["a method of WebDAV", { method: "PROPFIND" }, "/api/x"],
    ["a method of caches", { method: "PURGE" }, "/api/x"],
    [
      "a body in two codings",
      { method: "POST", headers: { "transfer-encoding": "gzip, chunked" } },
      "/api/x",
    ],
    ["dots and a space", {}, "/api/..%20/admin"],
    ["an encoded question mark", {}, "/api/a%3fb"],
    ["an encoded hash", {}, "/api/a%23b"],
    ["a WebSocket", { headers: { connection: "Upgrade", upgrade: "websocket" } }, "/api/x"],
    ["a path that leaves the upstream's", {}, "/api/../admin"],
    ["an encoded slash", {}, "/api/a%2fb"],
    ["another host", {}, "/api//evil.example/"],
  ])("%s is refused", async (_name, options, path) => {
    const { open, upstream } = await start({ base: "/v1", log: [/proxy_request_refused/] });
    const { status, body } = await answerTo(open(path, options));
    expect([status, JSON.parse(body).code, upstream.got]).toEqual([400, "proxy_request_refused", []]);
  });

  test("methods are those of the option", async () => {
    const { open, upstream } = await start({
      proxy: { methods: ["GET", "PROPFIND"] },
      log: [/the method POST/],
    });
    expect((await answerTo(open("/api/x", { method: "PROPFIND" }))).status).toBe(200);
    expect((await answerTo(open("/api/x", { method: "POST" }))).status).toBe(400);
    expect(upstream.got.map(({ method }) => method)).toEqual(["PROPFIND"]);
  });

  test("an absolute address in the request line is not passed on", async () => {
    const { open, upstream } = await start();
    expect((await answerTo(open("http://evil.example/api/x"))).status).toBe(404);
    expect(upstream.got).toEqual([]);
  });

  test("another upgrade is not asked for: the request goes on without it, as it may", async () => {
    const { open, upstream } = await start();
    const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "x" };
    expect((await answerTo(open("/api/x", { headers }))).body).toBe("data");
    for (const name of ["upgrade", "http2-settings"])
      expect(upstream.got[0]?.headers).not.toHaveProperty(name);
  });

  test("an upstream that has an IPv6 address is asked", async (context) => {
    const server = createServer((_req, res) => void res.end("six"));
    const isThere = await new Promise((resolve) => {
      server.once("error", () => resolve(false)).listen(0, "::1", () => resolve(true));
    });
    context.skip(!isThere, "this machine has no IPv6");
    onTestFinished(() => close(server));
    const { browser, url } = await startBefore(`http://[::1]:${(server.address() as AddressInfo).port}`);
    expect((await browser.fetch(`${url}/api/x`)).body).toBe("six");
  });
});

describe("a body that somebody has read", () => {
  test.each([4, 5] as const)(
    "is told as that, and the upstream is not asked (Express %d)",
    async (version) => {
      const { open, upstream, log } = await start({
        express: version,
        before: (app) => void app.use(express.json()),
        log: [/proxy_body_consumed/],
      });
      const headers = { "content-type": "application/json", "content-length": "2" };
      const { status, body } = await answerTo(open("/api/x", { method: "POST", headers }), "{}");
      expect([status, JSON.parse(body).code, upstream.got]).toEqual([500, "proxy_body_consumed", []]);
      expect(log.join()).toContain("Mount portalProxy() before express.json()");
    },
  );

  test("is none where the parser had nothing to do with it", async () => {
    const { open, browser, url, upstream } = await start({ before: (app) => void app.use(express.json()) });
    const headers = { "content-type": "text/plain", "content-length": "2" };
    expect((await answerTo(open("/api/x", { method: "POST", headers }), "hi")).status).toBe(200);
    expect(
      (await browser.fetch(`${url}/api/x`, { headers: { "content-type": "application/json" } })).status,
    ).toBe(200);
    expect(upstream.got.map(({ body }) => body)).toEqual(["hi", ""]);
  });

  test("is whole where somebody listens only", async () => {
    const heard: Buffer[] = [];
    const after = (app: Express) =>
      void app.use(
        "/heard",
        (req, _res, next) => {
          req.on("data", (piece) => heard.push(piece));
          next();
        },
        portalProxy("/", to.url),
      );
    const to = await startUpstream();
    const { open } = await start({ after });
    await answerTo(open("/heard/x", { method: "POST", headers: { "content-length": "5" } }), "hello");
    expect([to.got[0]?.body, Buffer.concat(heard).toString()]).toEqual(["hello", "hello"]);
  });
});

describe("options", () => {
  test.each<[string, unknown[]]>([
    ["the path must begin with /", ["api", "https://x.example"]],
    ["the path must begin with /", ["/api/*rest", "https://x.example"]],
    ["the path must begin with /", ["/:id", "https://x.example"]],
    ["the path must begin with /", ["/a/../b", "https://x.example"]],
    ["the path must begin with /", [undefined, "https://x.example"]],
    ["the upstream must be an https URL", ["/api", undefined]],
    ["the upstream must be an https URL", ["/api", "http://x.example"]],
    ["the upstream must be an https URL", ["/api", "https://user:password@x.example"]],
    ["the upstream must be an https URL", ["/api", "https://x.example?a=1"]],
    ["the upstream must be an https URL", ["/api", "https://x.example#a"]],
    ["the upstream must be an https URL", ["/api", "//x.example"]],
    ["there is no option timeOut", ["/api", "https://x.example", { timeOut: 1 }]],
    ["timeout must be a number of seconds", ["/api", "https://x.example", { timeout: 0 }]],
    ["timeout must be a number of seconds", ["/api", "https://x.example", { timeout: "30" }]],
    [
      "idleTimeout must be a number of seconds",
      ["/api", "https://x.example", { idleTimeout: Number.POSITIVE_INFINITY }],
    ],
    ["csrf must be", ["/api", "https://x.example", { csrf: "no" }]],
    ["csrf.header must begin with X-", ["/api", "https://x.example", { csrf: { header: "Accept" } }]],
    ["portal must be a name", ["/api", "https://x.example", { portal: 7 }]],
    ["forwarded must be", ["/api", "https://x.example", { forwarded: "no" }]],
    [
      "the header authorization is set by portalProxy itself",
      ["/api", "https://x.example", { headers: { Authorization: "x" } }],
    ],
    [
      "the header host is set by portalProxy itself",
      ["/api", "https://x.example", { headers: { host: "x" } }],
    ],
    ['headers["a b"] is no header', ["/api", "https://x.example", { headers: { "a b": "x" } }]],
    ['headers["x-a"] is no header', ["/api", "https://x.example", { headers: { "x-a": "secret\r\nx: y" } }]],
    ['headers["x-a"] is no header', ["/api", "https://x.example", { headers: { "x-a": undefined } }]],
    ["headers.x-a must be a string", ["/api", "https://x.example", { headers: { "x-a": 7 } }]],
    ["headers must be", ["/api", "https://x.example", { headers: null }]],
    ["methods must be a list", ["/api", "https://x.example", { methods: "GET" }]],
    ["methods must be a list", ["/api", "https://x.example", { methods: [] }]],
    ["methods must be a list", ["/api", "https://x.example", { methods: ["get"] }]],
    ["methods must be a list", ["/api", "https://x.example", { methods: ["GET", "TRACE"] }]],
    ["methods must be a list", ["/api", "https://x.example", { methods: ["CONNECT"] }]],
    ["requestHeaders must be a list", ["/api", "https://x.example", { requestHeaders: "x-a" }]],
    ["requestHeaders must be a list", ["/api", "https://x.example", { requestHeaders: ["a b"] }]],
    ["requestHeaders must be a list", ["/api", "https://x.example", { requestHeaders: [7] }]],
    ["the header cookie cannot be in", ["/api", "https://x.example", { requestHeaders: ["Cookie"] }]],
    [
      "the header x-forwarded-user cannot be in",
      ["/api", "https://x.example", { requestHeaders: ["X-Forwarded-User"] }],
    ],
    [
      "the header set-cookie cannot be in",
      ["/api", "https://x.example", { responseHeaders: ["Set-Cookie"] }],
    ],
    ["the upstream must be an https URL", ["/api", "https:/x.example"]],
  ])("%s: refused when the app starts", (message, [path, upstream, options]) => {
    const make = () => portalProxy(path as string, upstream as string, options as PortalProxyOptions);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(`portalProxy: ${message}`);
    expect(make).not.toThrow(/secret|password@/);
  });

  test("parentheses that are missing are told", async () => {
    const before = (app: Express) => void app.use(portalProxy as never);
    const { browser, url } = await startWorld({ before, log: [/portalProxy/] });
    expect((await browser.fetch(url)).body).toContain("with parentheses");
  });
});
