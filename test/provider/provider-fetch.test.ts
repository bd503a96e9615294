import type { RequestListener } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { createProviderFetch } from "../../lib/provider/provider-fetch.js";
import { serve, unreachableUrl } from "../support/serve.js";
import { startWorld } from "../support/world.js";

const failure = (promise: Promise<unknown>): Promise<PortalAuthError> =>
  promise.then(
    () => expect.unreachable("it should have failed"),
    (error) => error,
  );

describe("a request to the portal", () => {
  test("is never sent a second time, not even after 421, which fetch would repeat", async () => {
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

  test("says how long its body is: not every gateway takes chunks", async () => {
    const url = await serve((req, res) => void res.end(JSON.stringify(req.headers)));
    const response = await createProviderFetch(5)(url, { method: "POST", body: "grant_type=ä" });
    expect(await response.json()).toMatchObject({
      "content-length": String(Buffer.byteLength("grant_type=ä")),
    });
  });

  test("follows no redirect", async () => {
    let followed = false;
    const url = await serve((req, res) => {
      followed ||= req.url === "/next";
      res.writeHead(307, { location: "/next" }).end();
    });
    expect((await createProviderFetch(5)(url, { method: "POST", body: "code=1" })).status).toBe(307);
    expect(followed).toBe(false);
  });

  test("goes to https, or to this machine, and nowhere else", async () => {
    for (const url of ["http://portal.example/", "ftp://127.0.0.1/", "http://user:pass@127.0.0.1/"])
      expect(await failure(createProviderFetch(5)(url, {}))).toMatchObject({
        code: "discovery_invalid",
        detail: `${new URL(url).origin} is neither https nor http on loopback`,
      });
  });

  test.each([
    ["announced", { "content-length": String(2 ** 20 + 1) }],
    ["unannounced", {}],
  ])("reads no answer over 1 MiB (%s), and hangs up", async (_name, headers) => {
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
    const error = await failure(createProviderFetch(5)(url, {}));
    expect([error.code, error.detail]).toEqual(["portal_answer_invalid", `${url} sent over 1 MiB`]);
    await closed;
  });

  test("reads 1 MiB", async () => {
    const url = await serve((_req, res) => void res.end("x".repeat(2 ** 20)));
    expect((await (await createProviderFetch(5)(url, {})).text()).length).toBe(2 ** 20);
  });

  test.each<[string, RequestListener]>([
    ["says nothing", () => {}],
    ["stops in the middle of its headers", (_req, res) => void res.socket?.write("HTTP/1.1 200 OK\r\nX-")],
    ["stops in the middle of its body", (_req, res) => void res.writeHead(200).write("{")],
  ])("is given up when the portal %s", async (_name, listener) => {
    const url = await serve(listener);
    const error = await failure(createProviderFetch(0.05)(url, {}));
    expect([error.code, error.status, error.detail]).toEqual([
      "portal_timeout",
      503,
      `${url}: no response in time`,
    ]);
  });

  test.each<[string, RequestListener]>([
    ["hangs up before it answers", (req) => void req.socket.destroy()],
    [
      "hangs up in the middle of its body",
      (_req, res) => void res.writeHead(200).write("x", () => res.destroy()),
    ],
    ["speaks another language", (req) => void req.socket.end("SSH-2.0-OpenSSH\r\n")],
  ])("that the portal %s is told as unreachable, by the system's name for it", async (_name, listener) => {
    const url = await serve(listener);
    const error = await failure(createProviderFetch(5)(url, { method: "POST", body: "code=geheim" }));
    expect(error.code).toBe("portal_unreachable");
    expect(error.message).toMatch(/: ([A-Z_0-9]+|HTTPParserError)\]$/);
    expect(error.message + String(error.cause)).not.toContain("geheim");
  });

  test("keeps no cause: the errors of fetch may repeat what was sent", async () => {
    const url = await unreachableUrl();
    const error = await failure(createProviderFetch(5)(url, { method: "POST", body: "code=geheim" }));
    expect(error).toBeInstanceOf(PortalAuthError);
    expect([error.code, error.cause, error.message.includes(`${url}: ECONNREFUSED`)]).toEqual([
      "portal_unreachable",
      undefined,
      true,
    ]);
  });
});

describe("a connection that is reset before the answer", () => {
  const RESETS: [string, RequestListener][] = [
    ["reset", (req) => void req.socket.resetAndDestroy()],
    ["closed", (req) => void req.socket.destroy()],
    [
      "reset in the headers",
      (req) => void req.socket.write("HTTP/1.1 200 OK\r\nX-", () => req.socket.resetAndDestroy()),
    ],
  ];
  /** A server that does this to the first requests; those that it has got. */
  async function failing(lie: RequestListener, times = 1) {
    const methods: unknown[] = [];
    const url = await serve((req, res) => {
      methods.push(req.method);
      if (methods.length <= times) lie(req, res);
      else res.end("well");
    });
    return { url, methods };
  }

  test.each(RESETS)("(%s) is no failure of a GET: it is sent once more", async (_name, lie) => {
    const { url, methods } = await failing(lie);
    const headers = { authorization: "Bearer one" };
    expect(await (await createProviderFetch(5)(url, { headers })).text()).toBe("well");
    expect(methods).toEqual(["GET", "GET"]);
  });

  test.each(RESETS)("(%s) is a failure of a POST, whose code may have been used", async (_name, lie) => {
    const { url, methods } = await failing(lie);
    expect(await failure(createProviderFetch(5)(url, { method: "POST", body: "code=1" }))).toMatchObject({
      code: "portal_unreachable",
    });
    expect(methods).toEqual(["POST"]);
  });

  test.each(RESETS)("(%s) twice is a failure of a GET", async (_name, lie) => {
    const { url, methods } = await failing(lie, 2);
    expect(await failure(createProviderFetch(5)(url, {}))).toMatchObject({ code: "portal_unreachable" });
    expect(methods).toEqual(["GET", "GET"]);
  });

  test("is no reason to repeat a GET whose answer has begun", async () => {
    const { url, methods } = await failing(
      (_req, res) => void res.writeHead(200).write("x", () => res.destroy()),
    );
    expect(await failure(createProviderFetch(5)(url, {}))).toMatchObject({ code: "portal_unreachable" });
    expect(methods).toEqual(["GET"]);
  });

  test("gets no time of its own: one timeout covers both tries", async () => {
    const timeout = vi.spyOn(AbortSignal, "timeout");
    const { url, methods } = await failing((req) => void req.socket.destroy());
    expect(await (await createProviderFetch(5)(url, {})).text()).toBe("well");
    expect(methods).toEqual(["GET", "GET"]);
    expect(timeout.mock.calls).toEqual([[5000]]);
  });

  test("as an idle one is that the provider closes at that moment, is no failure", async () => {
    const sockets: unknown[] = [];
    const url = await serve((req, res) => {
      if (sockets.includes(req.socket))
        req.socket.resetAndDestroy(); // it was kept alive, and has ended just now
      else res.end("well");
      sockets.push(req.socket);
    });
    const fetch = createProviderFetch(5);
    for (let time = 0; time < 3; time += 1) expect(await (await fetch(url, {})).text()).toBe("well");
  });

  test("does not end a login where it is a GET's, and sends a code once", async () => {
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

test("a portal that is silent at the token endpoint is cut off, and the person gets a 503 page", async () => {
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

describe("an answer that stops in the middle, although its length was announced", () => {
  const cut: RequestListener = (_req, res) =>
    void res
      .writeHead(200, { "content-length": "99", "content-type": "application/json" })
      .write('{"', () => res.destroy());
  const stall: RequestListener = (_req, res) =>
    void res.writeHead(200, { "content-length": "99", "content-type": "application/json" }).write('{"');

  test.each([
    ["/.well-known/openid-configuration", cut, "portal_unreachable"],
    ["/.well-known/openid-configuration", stall, "portal_timeout"],
    ["/oauth2/token", cut, "portal_unreachable"],
    ["/oauth2/token", stall, "portal_timeout"],
    ["/oauth2/jwks", cut, "portal_unreachable"],
    ["/oauth2/jwks", stall, "portal_timeout"],
  ])("%s", async (path, answer, code) => {
    const { browser, url, provider, me } = await startWorld({
      options: { httpTimeout: 1 },
      log: [new RegExp(code)],
    });
    provider.answerNext(path, answer);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([503, code]);
    expect((await me()).isAuthenticated).toBe(false);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

test("a token request that was answered with 421 is not sent again", async () => {
  const { browser, url, provider, asked } = await startWorld({ log: [/portal_answer_invalid/] });
  const callback = await browser.loginUntilCallback(`${url}/account`);
  provider.answerNext("/oauth2/token", (_req, res) => res.writeHead(421).end());
  expect((await browser.navigate(callback)).status).toBe(502);
  expect(asked("/oauth2/token")).toHaveLength(1);
});
