import { text } from "node:stream/consumers";
import express, { type ErrorRequestHandler, type Express } from "express";
import express4 from "express4";
import { describe, expect, test } from "vitest";
import { type PortalProxyOptions, portalProxy } from "../../lib/index.js";
import { holdNext, json, TOKEN_SECONDS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { serve } from "../support/serve.js";
import { startWorld } from "../support/world.js";
import { headOf, responseTo, start, startProxy, startServer, startUpstream } from "./proxy-setup.js";

describe("a request below the path", () => {
  test.each([4, 5] as const)(
    "is forwarded with the user's token, and without the user's cookie (Express %d)",
    async (version) => {
      const { browser, url, upstream, accessToken, cookie } = await start({ base: "/v1", express: version });
      const response = await browser.fetch(`${url}/api/orders?page=2`, {
        headers: { authorization: "Basic mine" },
      });
      expect([response.status, response.body]).toEqual([200, "data"]);
      const [received] = upstream.received;
      expect(received).toMatchObject({
        method: "GET",
        url: "/v1/orders?page=2",
        token: await accessToken(),
        body: "",
      });
      expect(received?.headers.host).toBe(new URL(upstream.url).host);
      expect(cookie).not.toBe("");
      expect(JSON.stringify(received?.headers)).not.toContain(cookie.split("=")[1]);
    },
  );

  test("is forwarded with its method, headers and body", async () => {
    const { browser, url, upstream } = await start();
    const headers = { "x-request-id": "green", "if-match": '"1"' };
    await browser.fetch(`${url}/api/orders`, { method: "PUT", form: { tea: "1" }, headers });
    expect(upstream.received).toMatchObject([{ method: "PUT", url: "/orders", body: "tea=1", headers }]);
    expect(upstream.received[0]?.headers).toMatchObject({
      "content-length": "5",
      "content-type": /form-urlencoded/,
    });
  });

  test("is forwarded with the further headers that the options name, and no others", async () => {
    const { browser, url, upstream } = await start({
      proxy: { requestHeaders: ["X-Api-Version"], responseHeaders: ["X-Quota"] },
      respond: (_req, res) => void res.writeHead(200, { "x-quota": "7", "x-internal": "8" }).end(),
    });
    const identity = { "cf-access-authenticated-user-email": "root", "x-webauth-user": "root", via: "1.1 x" };
    const { headers } = await browser.fetch(`${url}/api/x`, {
      headers: { "x-api-version": "2", ...identity },
    });
    expect([headers["x-quota"], headers["x-internal"]]).toEqual(["7", undefined]);
    expect(upstream.received[0]?.headers).toMatchObject({ "x-api-version": "2" });
    for (const name of Object.keys(identity)) expect(upstream.received[0]?.headers).not.toHaveProperty(name);
  });

  test("gets the security headers of the application, or of the upstream if it sets none", async () => {
    const upstreamHeaders = {
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
      respond: (_req, res) => void res.writeHead(200, upstreamHeaders).end(),
    });
    expect((await browser.fetch(`${url}/api/x`)).headers).toMatchObject({
      "content-security-policy": "default-src 'none'",
      "x-frame-options": "SAMEORIGIN",
      "cross-origin-resource-policy": "same-origin",
      "x-content-type-options": "nosniff",
    });
  });

  test.each(["/text", "/empty", "/stream"])(
    "keeps UTF-8 bytes of headers in both directions: %s",
    async (path) => {
      const { open, upstream } = await start({
        respond(req, res) {
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
      const { headers } = await responseTo(open(`/api${path}`, { headers: { "idempotency-key": sent } }));
      const asText = (value: unknown) => Buffer.from(String(value), "latin1").toString();
      expect(asText(headers["content-disposition"])).toBe('inline; filename="\u4e2d\u6587.txt"');
      expect(headers.location).toBe("/api/%E4%B8%AD");
      expect(asText(upstream.received[0]?.headers["idempotency-key"])).toBe("\u4e2d\u6587");
    },
  );

  test("gets X-Forwarded headers of the application, and forged ones are not forwarded", async () => {
    const { browser, url, upstream } = await start();
    const forged = {
      "x-forwarded-for": "6.6.6.6",
      "x-forwarded-host": "evil.example",
      forwarded: "for=6.6.6.6",
    };
    await browser.fetch(`${url}/api/x`, {
      headers: { ...forged, x_forwarded_for: "6.6.6.6", "x-real-ip": "6.6.6.6" },
    });
    const { headers } = upstream.received[0] ?? {};
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": new URL(url).host,
      "x-forwarded-proto": "http",
    });
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|evil/);
  });

  test("gets no X-Forwarded headers with forwarded: false", async () => {
    const { browser, url, upstream } = await start({ proxy: { forwarded: false } });
    await browser.fetch(`${url}/api/x`, { headers: { "x-forwarded-for": "6.6.6.6" } });
    expect(
      Object.keys(upstream.received[0]?.headers ?? {}).filter((name) => name.includes("forwarded")),
    ).toEqual([]);
  });

  test("gets the headers of the option instead of the browser's, even if Connection lists them", async () => {
    const { open, upstream } = await start({ proxy: { headers: { "X-Api-Key": "key-of-the-app" } } });
    const headers = { "x-api-key": "forged", connection: "x-api-key, authorization, content-length" };
    await responseTo(
      open("/api/x", { method: "POST", headers: { ...headers, "content-length": "2" } }),
      "hi",
    );
    expect(upstream.received[0]).toMatchObject({ body: "hi", headers: { "x-api-key": "key-of-the-app" } });
    expect(upstream.received[0]?.token).toBeDefined();
  });

  test("gets the upstream's status, headers and body, without its cookies and CORS headers", async () => {
    const cookies = ["__Host-portal-session=evil; Path=/", "b=2"];
    const { browser, url } = await start({
      respond: (_req, res) => {
        const withheld = {
          "access-control-allow-origin": "*",
          "clear-site-data": '"cookies"',
          connection: "x-hop",
          "x-hop": "1",
        };
        res
          .writeHead(418, { "content-type": "text/tea", etag: '"1"', "set-cookie": cookies, ...withheld })
          .end("short");
      },
    });
    const { status, headers, body } = await browser.fetch(`${url}/api/tea`);
    expect([status, headers["content-type"], headers.etag, body]).toEqual([418, "text/tea", '"1"', "short"]);
    for (const name of ["set-cookie", "access-control-allow-origin", "clear-site-data", "x-hop"])
      expect(headers).not.toHaveProperty(name);
    expect([headers["cache-control"], headers.vary]).toEqual(["private, no-cache", "Cookie"]);
  });

  test("gets a Vary header with Cookie, besides the names of the upstream and the application", async () => {
    const { browser, url } = await start({
      before: (app) =>
        void app.use((_req, res, next) => {
          res.vary("Origin");
          next();
        }),
      respond: (_req, res) => void res.writeHead(200, { vary: "Accept, no name,, Authorization" }).end(),
    });
    expect((await browser.fetch(`${url}/api/x`)).headers.vary).toBe("Origin, Accept, Authorization, Cookie");
  });

  test("is not forwarded if the browser has closed the connection before", async () => {
    const arrived = createGate();
    const closed = createGate();
    const { open, upstream, log } = await start({
      before: (app) =>
        void app.use("/api/x", (_req, res, next) => {
          arrived.open();
          res.once("close", () => {
            next();
            closed.open();
          });
        }),
    });
    const request = open("/api/x").on("error", () => {});
    request.end();
    await arrived.opened;
    request.destroy();
    await closed.opened;
    await responseTo(open("/api/other"));
    expect(upstream.received.map(({ url }) => url)).toEqual(["/other"]);
    expect(log.filter((line) => line.includes("upstream"))).toEqual([]);
  });

  test("gets redirects rewritten from the upstream's path to the proxy's, and none is followed", async () => {
    const elsewhere = await startUpstream();
    const locations = new Map([
      ["/v1/in", "/v1/there?x=1"],
      ["/v1/out", `${elsewhere.url}/there`],
      ["/v1/up", "/account"],
    ]);
    const { browser, url, upstream } = await start({
      base: "/v1",
      respond: (req, res) => void res.writeHead(302, { location: locations.get(String(req.url)) }).end(),
    });
    expect((await browser.fetch(`${url}/api/in`)).headers.location).toBe("/api/there?x=1");
    expect((await browser.fetch(`${url}/api/out`)).headers.location).toBe(`${elsewhere.url}/there`);
    // Outside the upstream's path, a Location stays absolute: it must not become a route of the application.
    expect((await browser.fetch(`${url}/api/up`)).headers.location).toBe(`${upstream.url}/account`);
    expect(elsewhere.received).toEqual([]);
  });

  test("is not forwarded if its path is outside the proxy's", async () => {
    const { browser, url, upstream } = await start();
    for (const path of ["/apis", "/", "/test/me"]) await browser.fetch(url + path);
    expect(upstream.received).toEqual([]);
  });

  test("causes one read of the store and no request to the provider", async () => {
    const { browser, url, store, provider } = await start();
    const before = provider.requests.length;
    store.calls();
    await browser.fetch(`${url}/api/x`);
    expect(store.calls()).toEqual(["readEntry"]);
    expect(provider.requests).toHaveLength(before);
  });

  test("reuses a connection", async () => {
    const { browser, url, upstream } = await start({
      respond: (req, res) => void res.writeHead(req.url === "/none" ? 204 : 200).end(),
    });
    for (const path of ["a", "none", "none", "a"])
      expect((await browser.fetch(`${url}/api/${path}`)).status).toBeLessThan(300);
    await browser.fetch(`${url}/api/a`, { method: "POST", form: { a: "1" } });
    expect([upstream.received.length, upstream.connections.size]).toEqual([5, 1]);
  });
});

describe("the proxy can be mounted", () => {
  test.each([
    [
      "on a router",
      "/shop/api/x",
      (app: Express, to: string, of: typeof express) => {
        const router = of.Router();
        router.use(portalProxy("/api", to));
        app.use("/shop", router);
      },
    ],
    [
      "by app.use with a path",
      "/deep/er/x",
      (app: Express, to: string) => void app.use("/deep/er", portalProxy("/", to)),
    ],
    [
      "at a path of several segments",
      "/a/b/x",
      (app: Express, to: string) => void app.use(portalProxy("/a/b/", to)),
    ],
    ["as a route", "/all/x", (app: Express, to: string) => void app.get("/all/x", portalProxy("/all", to))],
  ] as const)("%s", async (_name, path, mount) => {
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
      expect(upstream.received[0]?.url).toBe("/v1/x?q=1");
    }
  });

  test("for a portalAuth() with a name", async () => {
    const upstream = await startUpstream();
    const { browser, url } = await startWorld({
      options: { name: "staff" },
      after: (app) => void app.use(portalProxy("/api", upstream.url, { portal: "staff" })),
    });
    await browser.visit(`${url}/login`);
    expect((await browser.fetch(`${url}/api/x`)).body).toBe("data");
  });

  test("without portalAuth() before it, but then gives portal_auth_missing", async () => {
    const upstream = await startUpstream();
    const before = (app: Express) => void app.use(portalProxy("/api", upstream.url));
    const { browser, url } = await startWorld({ before, log: [/portal_auth_missing/] });
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, JSON.parse(body).code, upstream.received]).toEqual([500, "portal_auth_missing", []]);
  });
});

describe("a user who is not signed in", () => {
  test("gets a problem for a script, or is redirected to the provider in a navigation", async () => {
    const { url, upstream, provider } = await start();
    const visitor = new Browser();
    const problem = await visitor.fetch(`${url}/api/x`);
    expect([problem.status, JSON.parse(problem.body)]).toMatchObject([
      401,
      { code: "login_required", login: "/login" },
    ]);
    const redirect = await visitor.navigate(`${url}/api/x`);
    expect([redirect.status, redirect.headers.location?.startsWith(provider.issuer)]).toEqual([302, true]);
    expect(upstream.received).toEqual([]);
    expect((await visitor.visit(`${url}/api/x`)).body).toBe("data");
  });
});

describe("a request that another site may have sent", () => {
  test("is not forwarded if its error response fails", async () => {
    const { open, upstream } = await start({
      before: (app) =>
        app.use("/api", (_req, res, next) => {
          const { setHeader } = res;
          res.setHeader = (name, value) => {
            res.setHeader = setHeader;
            throw new Error(`the application's setHeader fails at ${name}: ${value}`);
          };
          next();
        }),
      after: (app) =>
        app.use(((_error, _req, res, _next) => res.status(500).end("failed")) as ErrorRequestHandler),
      log: [/./],
    });
    const headers = { "x-csrf": "", "sec-fetch-site": "cross-site" };
    expect((await responseTo(open("/api/x", { method: "POST", headers }))).body).toBe("failed");
    expect(upstream.received).toEqual([]);
  });

  test("is rejected, although the user is signed in", async () => {
    const { browser, url, upstream } = await start({ log: [/cross_site_refused/] });
    for (const site of ["same-site", "cross-site"] as const)
      expect((await browser.fetch(`${url}/api/x`, { method: "POST", site })).status).toBe(403);
    expect(upstream.received).toEqual([]);
    expect((await browser.fetch(`${url}/api/x`, { method: "POST" })).body).toBe("data");
  });

  test("is forwarded with csrf: false, or with the header that the option names", async () => {
    const unchecked = await start({ proxy: { csrf: false } });
    const unproven = { method: "POST", site: "same-site" } as const;
    expect((await unchecked.browser.fetch(`${unchecked.url}/api/x`, unproven)).body).toBe("data");
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
  test("is refreshed if it has expired, once for two requests at the same time", async () => {
    const { browser, url, upstream, accessToken, later, refreshes } = await start();
    const before = await accessToken();
    later(TOKEN_SECONDS);
    const both = await Promise.all([browser.fetch(`${url}/api/a`), browser.fetch(`${url}/api/b`)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    const token = await accessToken();
    expect([token === before, refreshes().length]).toEqual([false, 1]);
    expect(upstream.received.map(({ token }) => token)).toEqual([token, token]);
  });

  test("gives a script a 401, and a navigation a login, if the provider rejects the refresh", async () => {
    const { browser, url, upstream, provider, later } = await start({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(TOKEN_SECONDS);
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, JSON.parse(body)]).toMatchObject([401, { code: "refresh_refused", login: "/login" }]);
    expect((await browser.navigate(`${url}/api/x`)).status).toBe(302);
    expect(upstream.received).toEqual([]);
  });

  test("gives a 503 if it cannot be refreshed because the provider is down", async () => {
    const { browser, url, upstream, provider, later } = await start({ log: [/portal_unreachable/] });
    provider.goDown();
    later(TOKEN_SECONDS);
    const { status, headers, body } = await browser.fetch(`${url}/api/x`, {
      method: "POST",
      form: { a: "1" },
    });
    expect([status, headers["retry-after"], JSON.parse(body).code]).toEqual([503, "5", "portal_unreachable"]);
    expect(upstream.received).toEqual([]);
  });
});

describe("a 401 of the upstream", () => {
  const startWithRejectedToken = async (options: Parameters<typeof start>[0] = {}) => {
    const world = await start(options);
    const rejectedToken = await world.accessToken();
    world.upstream.rejectedTokens.add(rejectedToken);
    return { ...world, rejectedToken };
  };
  const longestBuffered = "x".repeat(64 * 1024);

  test.each<[string, string, string | undefined, Record<string, string>]>([
    ["no body", "GET", undefined, {}],
    ["a DELETE without a body", "DELETE", undefined, {}],
    ["a POST without a body", "POST", undefined, { "content-length": "0" }],
    ["a body", "POST", '{"tea":1}', { "content-length": "9", "content-type": "application/json" }],
    ["a body of unknown length", "PATCH", "tea", { "transfer-encoding": "chunked" }],
    [
      "the longest buffered body",
      "PUT",
      longestBuffered,
      { "content-length": String(longestBuffered.length) },
    ],
  ])("causes one refresh and one repeated request: %s", async (_name, method, body, headers) => {
    const { open, upstream, rejectedToken, accessToken, refreshes } = await startWithRejectedToken();
    const response = await responseTo(open("/api/things?x=1", { method, headers }), body);
    expect([response.status, response.body]).toEqual([200, "data"]); // no part of the first response
    expect(response.headers).not.toHaveProperty("www-authenticate");
    const same = { method, url: "/things?x=1", body: body ?? "" };
    const length = body === undefined ? headers["content-length"] : String(body.length);
    expect(upstream.received[1]?.headers["content-length"] ?? "0").toBe(length ?? "0");
    expect(upstream.received).toMatchObject([
      { ...same, token: rejectedToken },
      { ...same, token: await accessToken() },
    ]);
    expect(upstream.received[1]?.headers["content-type"]).toBe(headers["content-type"]);
    expect(refreshes()).toHaveLength(1);
  });

  test("is relayed for a body that is too long to be buffered, without a password challenge", async () => {
    const { open, upstream, refreshes } = await startWithRejectedToken();
    const headers = { "content-length": String(longestBuffered.length + 1) };
    const response = await responseTo(
      open("/api/things", { method: "POST", headers }),
      `${longestBuffered}x`,
    );
    expect([response.status, response.body]).toEqual([401, "the token has been revoked"]);
    expect(response.headers["www-authenticate"]).toBe('Bearer realm="portal"');
    expect([upstream.received.length, refreshes().length]).toEqual([1, 0]);
  });

  test("before the end of a small body makes the proxy wait for the rest", async () => {
    let hasRejected = false;
    const rejected = createGate();
    const bodies: string[] = [];
    const url = await startServer(async (req, res) => {
      if (hasRejected) {
        bodies.push(await text(req));
        res.end("data");
      } else {
        hasRejected = true;
        res.writeHead(401).end("no");
        rejected.open();
      }
    });
    const { open } = await startProxy(url);
    const request = open("/api/x", { method: "POST", headers: { "content-length": "6" } });
    request.write("abc");
    await rejected.opened;
    const response = await responseTo(request, "def");
    expect([response.status, response.body, bodies]).toEqual([200, "data", ["abcdef"]]);
  });

  test("for the new token is relayed, and causes no further refresh for five minutes", async () => {
    const { browser, url, upstream, refreshes } = await start({
      provider: { accessTokenSeconds: 3600 },
      respond: (_req, res) => void res.writeHead(401, { "www-authenticate": "Basic" }).end("not you"),
    });
    for (let time = 0; time < 3; time += 1) {
      const { status, body, headers } = await browser.fetch(`${url}/api/x`);
      expect([status, body, headers["www-authenticate"]]).toEqual([401, "not you", 'Bearer realm="portal"']);
    }
    expect([upstream.received.length, refreshes().length]).toEqual([4, 1]);
  });

  test("for two requests at the same time causes one refresh", async () => {
    const { browser, url, refreshes } = await startWithRejectedToken();
    const both = await Promise.all([browser.fetch(`${url}/api/a`), browser.fetch(`${url}/api/b`)]);
    expect([...both.map(({ body }) => body), refreshes().length]).toEqual(["data", "data", 1]);
  });

  test("is relayed while the provider is down, because it says more than a 503", async () => {
    const { browser, url, provider } = await startWithRejectedToken({ log: [/portal_unreachable/] });
    provider.goDown();
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, body]).toEqual([401, "the token has been revoked"]);
  });

  test("is replaced by refresh_refused if the provider rejects the refresh", async () => {
    const { browser, url, provider } = await startWithRejectedToken({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    const { status, body } = await browser.fetch(`${url}/api/x`);
    expect([status, JSON.parse(body)]).toMatchObject([401, { code: "refresh_refused", login: "/login" }]);
  });

  test("with an endless body does not delay the repeated request, and is aborted before it", async () => {
    const aborted = createGate();
    let requests = 0;
    const url = await startServer((_req, res) => {
      requests += 1;
      if (requests === 1) res.on("close", aborted.open).writeHead(401).write("the first of many");
      else res.writeHead(200).write("event");
    });
    const { open } = await startProxy(url);
    const request = open("/api/x").end();
    expect((await headOf(request)).statusCode).toBe(200);
    await aborted.opened;
    request.destroy();
  });

  test("causes no repeated request if the browser closes the connection during the refresh", async () => {
    const closed = createGate();
    const { open, upstream, provider } = await startWithRejectedToken({
      before: (app) =>
        void app.use("/api", (_req, res, next) => {
          res.once("close", closed.open);
          next();
        }),
    });
    const refresh = holdNext(provider, "/oauth2/token");
    const request = open("/api/x").on("error", () => {});
    request.end();
    await refresh.arrived;
    request.destroy();
    await closed.opened;
    refresh.letGo();
    const other = await responseTo(open("/api/other"));
    expect([other.body, upstream.received.filter(({ url }) => url === "/x").length]).toEqual(["data", 1]);
  });
});

describe("HTTP:", () => {
  test("responses to HEAD, with 204 or 304, and compressed ones are relayed unchanged", async () => {
    const compressed = Buffer.from("1f8b08", "hex");
    const { browser, url, open } = await start({
      respond(req, res) {
        if (req.url === "/304") res.writeHead(304, { etag: '"1"' }).end();
        else if (req.url === "/204") res.writeHead(204).end();
        else res.writeHead(200, { "content-encoding": "gzip", "content-length": "3" }).end(compressed);
      },
    });
    const head = await browser.fetch(`${url}/api/x`, { method: "HEAD" });
    expect([head.status, head.headers["content-length"], head.body]).toEqual([200, "3", ""]);
    expect((await browser.fetch(`${url}/api/204`, { method: "DELETE" })).status).toBe(204);
    const { status, headers } = await browser.fetch(`${url}/api/304`);
    expect([status, headers.etag]).toEqual([304, '"1"']);
    const request = open("/api/x").end();
    const bytes = await new Promise<Buffer>((resolve) => {
      request.once("response", async (response) => resolve(Buffer.concat(await response.toArray())));
    });
    expect(bytes).toEqual(compressed);
  });

  test("the application responds to Expect: 100-continue, and the body is forwarded", async () => {
    const { open, upstream, cookie } = await start();
    const request = open("/api/x", {
      method: "POST",
      headers: { expect: "100-continue", "content-length": "2" },
    });
    request.flushHeaders();
    await new Promise((resolve) => request.once("continue", resolve));
    expect((await responseTo(request, "hi")).body).toBe("data");
    expect(upstream.received[0]).toMatchObject({ body: "hi" });
    expect(upstream.received[0]?.headers).not.toHaveProperty("expect");
    expect(JSON.stringify(upstream.received[0]?.headers)).not.toContain(cookie.split("=")[1]);
  });

  test.each(["DELETE", "GET", "OPTIONS", "POST"])(
    "a chunked body of a %s stays chunked, so that it cannot smuggle a second request",
    async (method) => {
      const { open, upstream } = await start();
      const smuggled = "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
      const headers = { "transfer-encoding": "chunked", connection: "transfer-encoding, content-length" };
      await responseTo(open("/api/x", { method, headers }), smuggled);
      await responseTo(open("/api/y"));
      expect(upstream.received.map(({ url, body }) => [url, body])).toEqual([
        ["/x", smuggled],
        ["/y", ""],
      ]);
    },
  );

  test.each<[string, { method?: string; headers?: Record<string, string> }, string]>([
    ["TRACE, whose response would show the token,", { method: "TRACE" }, "/api/x"],
    ["a WebDAV method", { method: "PROPFIND" }, "/api/x"],
    ["a method of caches", { method: "PURGE" }, "/api/x"],
    [
      "a body in two codings",
      { method: "POST", headers: { "transfer-encoding": "gzip, chunked" } },
      "/api/x",
    ],
    ["a segment of dots and a space", {}, "/api/..%20/admin"],
    ["an encoded question mark", {}, "/api/a%3fb"],
    ["an encoded hash", {}, "/api/a%23b"],
    ["a WebSocket", { headers: { connection: "Upgrade", upgrade: "websocket" } }, "/api/x"],
    ["a path that leaves the upstream's", {}, "/api/../admin"],
    ["an encoded slash", {}, "/api/a%2fb"],
    ["another host", {}, "/api//evil.example/"],
  ])("%s is rejected", async (_name, options, path) => {
    const { open, upstream } = await start({ base: "/v1", log: [/proxy_request_refused/] });
    const { status, body } = await responseTo(open(path, options));
    expect([status, JSON.parse(body).code, upstream.received]).toEqual([400, "proxy_request_refused", []]);
  });

  test("only the methods of the option are forwarded", async () => {
    const { open, upstream } = await start({
      proxy: { methods: ["GET", "PROPFIND"] },
      log: [/the method POST/],
    });
    expect((await responseTo(open("/api/x", { method: "PROPFIND" }))).status).toBe(200);
    expect((await responseTo(open("/api/x", { method: "POST" }))).status).toBe(400);
    expect(upstream.received.map(({ method }) => method)).toEqual(["PROPFIND"]);
  });

  test("a request target in absolute form is not forwarded", async () => {
    const { open, upstream } = await start();
    expect((await responseTo(open("http://evil.example/api/x"))).status).toBe(404);
    expect(upstream.received).toEqual([]);
  });

  test("an upgrade other than WebSocket is omitted, and the request is forwarded without it", async () => {
    const { open, upstream } = await start();
    const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "x" };
    expect((await responseTo(open("/api/x", { headers }))).body).toBe("data");
    for (const name of ["upgrade", "http2-settings"])
      expect(upstream.received[0]?.headers).not.toHaveProperty(name);
  });

  test("an upstream can have an IPv6 address", async (context) => {
    const upstreamUrl = await serve((_req, res) => void res.end("six"), "::1").catch(() => "");
    context.skip(upstreamUrl === "", "this machine has no IPv6");
    const { browser, url } = await startProxy(upstreamUrl);
    expect((await browser.fetch(`${url}/api/x`)).body).toBe("six");
  });
});

describe("a body that other middleware", () => {
  test.each([4, 5] as const)(
    "has read causes proxy_body_consumed, and no request to the upstream (Express %d)",
    async (version) => {
      const { open, upstream, log } = await start({
        express: version,
        before: (app) => void app.use(express.json()),
        log: [/proxy_body_consumed/],
      });
      const headers = { "content-type": "application/json", "content-length": "2" };
      const { status, body } = await responseTo(open("/api/x", { method: "POST", headers }), "{}");
      expect([status, JSON.parse(body).code, upstream.received]).toEqual([500, "proxy_body_consumed", []]);
      expect(log.join()).toContain("Mount portalProxy() before express.json()");
    },
  );

  test("has ignored is forwarded", async () => {
    const { open, browser, url, upstream } = await start({ before: (app) => void app.use(express.json()) });
    const headers = { "content-type": "text/plain", "content-length": "2" };
    expect((await responseTo(open("/api/x", { method: "POST", headers }), "hi")).status).toBe(200);
    expect(
      (await browser.fetch(`${url}/api/x`, { headers: { "content-type": "application/json" } })).status,
    ).toBe(200);
    expect(upstream.received.map(({ body }) => body)).toEqual(["hi", ""]);
  });

  test("only listens to is forwarded completely", async () => {
    const heard: Buffer[] = [];
    const after = (app: Express) =>
      void app.use(
        "/heard",
        (req, _res, next) => {
          req.on("data", (piece) => heard.push(piece));
          next();
        },
        portalProxy("/", other.url),
      );
    const other = await startUpstream();
    const { open } = await start({ after });
    await responseTo(open("/heard/x", { method: "POST", headers: { "content-length": "5" } }), "hello");
    expect([other.received[0]?.body, Buffer.concat(heard).toString()]).toEqual(["hello", "hello"]);
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
    ['headers["a b"] is not a valid header', ["/api", "https://x.example", { headers: { "a b": "x" } }]],
    [
      'headers["x-a"] is not a valid header',
      ["/api", "https://x.example", { headers: { "x-a": "secret\r\nx: y" } }],
    ],
    [
      'headers["x-a"] is not a valid header',
      ["/api", "https://x.example", { headers: { "x-a": undefined } }],
    ],
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
  ])("an invalid value is rejected at start-up: %s", (message, [path, upstream, options]) => {
    const create = () => portalProxy(path as string, upstream as string, options as PortalProxyOptions);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(`portalProxy: ${message}`);
    expect(create).not.toThrow(/secret|password@/);
  });

  test("portalProxy without parentheses gives an error that says so", async () => {
    const before = (app: Express) => void app.use(portalProxy as never);
    const { browser, url } = await startWorld({ before, log: [/portalProxy/] });
    expect((await browser.fetch(url)).body).toContain("with parentheses");
  });
});
