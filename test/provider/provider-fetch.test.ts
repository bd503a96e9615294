import type { RequestListener } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { createProviderFetch } from "../../lib/provider/provider-fetch.js";
import { serve, unreachableUrl } from "../support/serve.js";
import { startWorld } from "../support/world.js";

const findFailure = (promise: Promise<unknown>): Promise<PortalAuthError> =>
  promise.then(
    () => expect.unreachable("the request must fail"),
    (error) => error,
  );

describe("a request to the provider", () => {
  test("is sent once, even after a 421, after which fetch would repeat it", async () => {
    const bodies: string[] = [];
    const url = await serve(async (req, res) => {
      bodies.push(Buffer.concat(await req.toArray()).toString());
      res.writeHead(421).end();
    });
    const response = await createProviderFetch(5)(url, {
      method: "POST",
      body: new URLSearchParams({ code: "one" }),
    });
    expect(response.status).toBe(421);
    expect(bodies).toEqual(["code=one"]);
  });

  test("has a Content-Length, because some gateways reject chunked bodies", async () => {
    const url = await serve((req, res) => void res.end(JSON.stringify(req.headers)));
    const response = await createProviderFetch(5)(url, { method: "POST", body: "grant_type=ä" });
    expect(await response.json()).toMatchObject({
      "content-length": String(Buffer.byteLength("grant_type=ä")),
    });
  });

  test("does not follow a redirect", async () => {
    let followed = false;
    const url = await serve((req, res) => {
      followed ||= req.url === "/next";
      res.writeHead(307, { location: "/next" }).end();
    });
    expect((await createProviderFetch(5)(url, { method: "POST", body: "code=1" })).status).toBe(307);
    expect(followed).toBe(false);
  });

  test("goes only to https or to loopback", async () => {
    for (const url of ["http://portal.example/", "ftp://127.0.0.1/", "http://user:pass@127.0.0.1/"])
      expect(await findFailure(createProviderFetch(5)(url, {}))).toMatchObject({
        code: "discovery_invalid",
        detail: `${new URL(url).origin} is neither https nor http on loopback`,
      });
  });

  test.each([
    ["announced", { "content-length": String(2 ** 20 + 1) }],
    ["unannounced", {}],
  ])("fails after 1 MiB of a longer response (%s), and closes the connection", async (_name, headers) => {
    let hungUp: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      hungUp = resolve;
    });
    const url = await serve((_req, res) => {
      res.on("close", hungUp);
      res.writeHead(200, headers);
      res.write("x".repeat(2 ** 20));
      res.write("x");
    });
    const error = await findFailure(createProviderFetch(5)(url, {}));
    expect([error.code, error.detail]).toEqual(["portal_answer_invalid", `${url} sent over 1 MiB`]);
    await closed;
  });

  test("accepts a response of 1 MiB", async () => {
    const url = await serve((_req, res) => void res.end("x".repeat(2 ** 20)));
    expect((await (await createProviderFetch(5)(url, {})).text()).length).toBe(2 ** 20);
  });

  test.each<[string, RequestListener]>([
    ["does not respond", () => {}],
    ["stops within its headers", (_req, res) => void res.socket?.write("HTTP/1.1 200 OK\r\nX-")],
    ["stops within its body", (_req, res) => void res.writeHead(200).write("{")],
  ])("is aborted at the timeout if the provider %s", async (_name, listener) => {
    const url = await serve(listener);
    const error = await findFailure(createProviderFetch(0.05)(url, {}));
    expect([error.code, error.status, error.detail]).toEqual([
      "portal_timeout",
      503,
      `${url}: no response in time`,
    ]);
  });

  test.each<[string, RequestListener]>([
    ["closes the connection before the response", (req) => void req.socket.destroy()],
    [
      "closes the connection within the body",
      (_req, res) => void res.writeHead(200).write("x", () => res.destroy()),
    ],
    ["uses another protocol", (req) => void req.socket.end("SSH-2.0-OpenSSH\r\n")],
  ])(
    "fails with portal_unreachable and the system's error code if the provider %s",
    async (_name, listener) => {
      const url = await serve(listener);
      const error = await findFailure(createProviderFetch(5)(url, { method: "POST", body: "code=geheim" }));
      expect(error.code).toBe("portal_unreachable");
      expect(error.message).toMatch(/: ([A-Z_0-9]+|HTTPParserError)\]$/);
      expect(error.message + String(error.cause)).not.toContain("geheim");
    },
  );

  test("fails without a cause, because the errors of fetch may repeat what was sent", async () => {
    const url = await unreachableUrl();
    const error = await findFailure(createProviderFetch(5)(url, { method: "POST", body: "code=geheim" }));
    expect(error).toBeInstanceOf(PortalAuthError);
    expect([error.code, error.cause, error.message.includes(`${url}: ECONNREFUSED`)]).toEqual([
      "portal_unreachable",
      undefined,
      true,
    ]);
  });
});

describe("a connection that is reset before the response", () => {
  const RESETS: [string, RequestListener][] = [
    ["reset", (req) => void req.socket.resetAndDestroy()],
    ["closed", (req) => void req.socket.destroy()],
    [
      "reset in the headers",
      (req) => void req.socket.write("HTTP/1.1 200 OK\r\nX-", () => req.socket.resetAndDestroy()),
    ],
  ];
  /** Starts a server that fails for the first requests. */
  async function startFailingServer(fail: RequestListener, times = 1) {
    const methods: unknown[] = [];
    const url = await serve((req, res) => {
      methods.push(req.method);
      if (methods.length <= times) fail(req, res);
      else res.end("ok");
    });
    return { url, methods };
  }

  test.each(RESETS)("(%s) does not fail a GET, which is sent once more", async (_name, reset) => {
    const { url, methods } = await startFailingServer(reset);
    const headers = { authorization: "Bearer one" };
    expect(await (await createProviderFetch(5)(url, { headers })).text()).toBe("ok");
    expect(methods).toEqual(["GET", "GET"]);
  });

  test.each(RESETS)("(%s) fails a POST, because its code may have been used", async (_name, reset) => {
    const { url, methods } = await startFailingServer(reset);
    expect(await findFailure(createProviderFetch(5)(url, { method: "POST", body: "code=1" }))).toMatchObject({
      code: "portal_unreachable",
    });
    expect(methods).toEqual(["POST"]);
  });

  test.each(RESETS)("(%s) twice fails a GET", async (_name, reset) => {
    const { url, methods } = await startFailingServer(reset, 2);
    expect(await findFailure(createProviderFetch(5)(url, {}))).toMatchObject({ code: "portal_unreachable" });
    expect(methods).toEqual(["GET", "GET"]);
  });

  test("after the start of the response fails a GET", async () => {
    const { url, methods } = await startFailingServer(
      (_req, res) => void res.writeHead(200).write("x", () => res.destroy()),
    );
    expect(await findFailure(createProviderFetch(5)(url, {}))).toMatchObject({ code: "portal_unreachable" });
    expect(methods).toEqual(["GET"]);
  });

  test("does not restart the timeout", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout");
    const { url, methods } = await startFailingServer((req) => void req.socket.destroy());
    expect(await (await createProviderFetch(5)(url, {})).text()).toBe("ok");
    expect(methods).toEqual(["GET", "GET"]);
    expect(timeout.mock.calls).toEqual([[5000]]);
  });

  test("because it was idle does not fail a GET", async () => {
    const sockets: unknown[] = [];
    const url = await serve((req, res) => {
      if (sockets.includes(req.socket))
        req.socket.resetAndDestroy(); // the connection was kept alive, and the server closes it now
      else res.end("ok");
      sockets.push(req.socket);
    });
    const fetch = createProviderFetch(5);
    for (let count = 0; count < 3; count += 1) expect(await (await fetch(url, {})).text()).toBe("ok");
  });

  test("of a GET does not fail a login, and of a POST does, which is not repeated", async () => {
    const { browser, url, provider, asked, me } = await startWorld({ log: [/portal_unreachable/] });
    const reset: RequestListener = (req) => void req.socket.resetAndDestroy();
    provider.answerNext("/.well-known/openid-configuration", reset);
    provider.answerNext("/oauth2/jwks", reset);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect((await me()).isAuthenticated).toBe(true);
    expect(asked("/oauth2/jwks")).toHaveLength(2);
    provider.answerNext("/oauth2/token", reset);
    expect((await browser.visit(`${url}/login`)).status).toBe(503);
    expect(asked("/oauth2/token")).toHaveLength(2); // of two logins
  });
});

test("if the token endpoint does not respond, the user sees a 503 page", async () => {
  const { browser, url, provider, asked } = await startWorld({
    options: { httpTimeout: 1 },
    log: [/portal_timeout/],
  });
  const callback = await browser.loginUntilCallback(`${url}/account`);
  provider.answerNext("/oauth2/token", () => {});
  const page = await browser.navigate(callback);
  expect([page.status, page.body.includes("portal_timeout")]).toEqual([503, true]);
  expect(asked("/oauth2/token")).toHaveLength(1);
});

describe("a response that stops before its announced length fails the login", () => {
  const cutOff: RequestListener = (_req, res) =>
    void res
      .writeHead(200, { "content-length": "99", "content-type": "application/json" })
      .write('{"', () => res.destroy());
  const stall: RequestListener = (_req, res) =>
    void res.writeHead(200, { "content-length": "99", "content-type": "application/json" }).write('{"');

  test.each([
    ["/.well-known/openid-configuration", cutOff, "portal_unreachable"],
    ["/.well-known/openid-configuration", stall, "portal_timeout"],
    ["/oauth2/token", cutOff, "portal_unreachable"],
    ["/oauth2/token", stall, "portal_timeout"],
    ["/oauth2/jwks", cutOff, "portal_unreachable"],
    ["/oauth2/jwks", stall, "portal_timeout"],
  ])("%s", async (path, respond, code) => {
    const { browser, url, provider, me } = await startWorld({
      options: { httpTimeout: 1 },
      log: [new RegExp(code)],
    });
    provider.answerNext(path, respond);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([503, code]);
    expect((await me()).isAuthenticated).toBe(false);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

test("a token request is not repeated after a 421", async () => {
  const { browser, url, provider, asked } = await startWorld({ log: [/portal_answer_invalid/] });
  const callback = await browser.loginUntilCallback(`${url}/account`);
  provider.answerNext("/oauth2/token", (_req, res) => res.writeHead(421).end());
  expect((await browser.navigate(callback)).status).toBe(502);
  expect(asked("/oauth2/token")).toHaveLength(1);
});
