import type { RequestListener } from "node:http";
import { describe, expect, test, vi } from "vitest";
import type { TokenSet } from "../../lib/index.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { serve, unreachableUrl } from "../support/serve.js";
import { json, logIn, TOKEN_SECONDS } from "./signed-in-request.js";

interface ApiRequest {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly token: string | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

interface Api {
  readonly url: string;
  /** All requests, in order. */
  readonly requests: ApiRequest[];
  /** Access tokens that the API rejects from now on. */
  readonly rejected: Set<string>;
}

/** Starts an API that accepts every token that is not in `rejected`. */
async function startApi(respond: RequestListener = (_req, res) => void res.end("data")): Promise<Api> {
  const requests: ApiRequest[] = [];
  const rejected = new Set<string>();
  const url = await serve(async (req, res) => {
    const { method, url: path, headers } = req;
    const token = headers.authorization?.replace("Bearer ", "");
    requests.push({ method, path, token, headers, body: Buffer.concat(await req.toArray()).toString() });
    if (rejected.has(token ?? ""))
      res.writeHead(401, { "www-authenticate": "Bearer" }).end("the token has been revoked");
    else respond(req, res);
  });
  return { url, requests, rejected };
}

/** Signs a user in at an application that may send the token to an API. */
async function start({
  respond,
  options,
  ...others
}: Parameters<typeof logIn>[0] & { respond?: RequestListener } = {}) {
  const api = await startApi(respond);
  return { ...(await logInFor([api.url], { ...others, ...(options && { options }) })), api };
}

async function logInFor(apiOrigins: string[], { options, ...others }: Parameters<typeof logIn>[0] = {}) {
  const world = await logIn({ ...others, options: { apiOrigins, ...options } });
  return { ...world, readAccessToken: async () => (await world.tokens()).access_token };
}

describe("the access token", () => {
  test.each<[string, (url: string) => string | URL | Request]>([
    ["a string", (url) => `${url}/things?q=1`],
    ["a URL", (url) => new URL("/things?q=1", url)],
    ["a Request", (url) => new Request(`${url}/things?q=1`)],
  ])("is sent as a Bearer token to a URL that is %s", async (_name, input) => {
    const { api, inRequest, readAccessToken } = await start();
    const body = await inRequest(async ({ portal }) => (await portal.fetch(input(api.url))).text());
    expect(body).toBe("data");
    expect(api.requests).toMatchObject([
      { method: "GET", path: "/things?q=1", token: await readAccessToken() },
    ]);
  });

  test("replaces another authorization, and the method, headers and body stay", async () => {
    const { api, inRequest, readAccessToken } = await start();
    const init = {
      method: "PUT",
      headers: { "x-colour": "green", authorization: "Basic abc" },
      body: "a thing",
    };
    await inRequest(({ portal }) => portal.fetch(`${api.url}/things`, init));
    const [received] = api.requests;
    expect(received).toMatchObject({ method: "PUT", token: await readAccessToken(), body: "a thing" });
    expect(received?.headers["x-colour"]).toBe("green");
  });

  test("is added to the headers and the body of a Request", async () => {
    const { api, inRequest, readAccessToken } = await start();
    const request = new Request(`${api.url}/things`, {
      method: "POST",
      headers: { "x-colour": "green" },
      body: "a thing",
    });
    await inRequest(({ portal }) => portal.fetch(request));
    const [received] = api.requests;
    expect(received).toMatchObject({ method: "POST", token: await readAccessToken(), body: "a thing" });
    expect(received?.headers).toMatchObject({
      "x-colour": "green",
      "content-type": "text/plain;charset=UTF-8",
    });
  });

  test("is refreshed first if it has expired", async () => {
    const { api, inRequest, readAccessToken, later } = await start();
    const before = await readAccessToken();
    later(TOKEN_SECONDS);
    await inRequest(({ portal }) => portal.fetch(api.url));
    expect(api.requests.map(({ token }) => token)).toEqual([await readAccessToken()]);
    expect(await readAccessToken()).not.toBe(before);
  });

  test("is required: without a signed-in user, no request is sent", async () => {
    const { api, inRequest } = await start();
    await expect(inRequest(({ portal }) => portal.fetch(api.url), new Browser())).rejects.toMatchObject({
      code: "login_required",
    });
    expect(api.requests).toEqual([]);
  });
});

describe("an origin that is not allowed gets no request and no token", () => {
  test.each<[string, (api: string, evil: string) => string]>([
    ["another port", (_api, evil) => evil],
    ["another scheme", (api) => api.replace("http:", "https:")],
    ["another name of the same machine", (api) => api.replace("127.0.0.1", "localhost")],
    ["a subdomain", (api) => api.replace("127.0.0.1", "x.localhost")],
    ["a domain with the same beginning", (api) => api.replace("127.0.0.1", "127.0.0.1.evil.example")],
    ["its name as the user name in the URL of another host", (api, evil) => `${api}@${new URL(evil).host}/`],
    [
      "its name as user name and password in the URL of another host",
      (api, evil) => `${api.replace("://", "://x:y")}@${new URL(evil).host}/`,
    ],
    ["its name in the path of another host", (api, evil) => `${evil}/${api}`],
    ["its name in a fragment", (api, evil) => `${evil}#${api}`],
    ["its name after a backslash", (api, evil) => `${evil}\\@${new URL(api).host}`],
    ["a tab in the scheme", (_api, evil) => `ht\ttp://${new URL(evil).host}`],
    ["backslashes instead of slashes", (_api, evil) => evil.replace("//", "\\\\")],
    ["no scheme", (_api, evil) => `//${new URL(evil).host}/`],
    ["only a path", () => "/things"],
    ["an empty string", () => ""],
    ["an invalid URL", () => "http://"],
    ["a file: URL", () => "file:///etc/passwd"],
    ["a data: URL", () => "data:text/plain,x"],
    ["a blob: URL, whose origin is that of the URL inside it", (api) => `blob:${api}x`],
  ])("%s", async (_name, getUrl) => {
    const evil = await startApi();
    const { api, inRequest } = await start();
    await expect(inRequest(({ portal }) => portal.fetch(getUrl(api.url, evil.url)))).rejects.toMatchObject({
      code: "origin_not_allowed",
      status: 500,
    });
    expect([...evil.requests, ...api.requests]).toEqual([]);
  });

  test("as a URL object or a Request", async () => {
    const evil = await startApi();
    const { inRequest } = await start();
    for (const input of [new URL(evil.url), new Request(evil.url)])
      await expect(inRequest(({ portal }) => portal.fetch(input))).rejects.toMatchObject({
        code: "origin_not_allowed",
      });
    expect(evil.requests).toEqual([]);
  });

  test("as a URL object that changes after the check", async () => {
    const evil = await startApi();
    const { api, inRequest } = await start();
    const url = new URL(api.url);
    const status = inRequest(async ({ portal }) => {
      const response = portal.fetch(url);
      url.port = new URL(evil.url).port;
      return (await response).status;
    });
    await status.catch(() => {});
    expect(evil.requests).toEqual([]);
  });

  test("after an allowed origin and a backslash: only the allowed origin gets the request", async () => {
    const evil = await startApi();
    const { api, inRequest } = await start();
    await inRequest(({ portal }) => portal.fetch(`${api.url}\\@${new URL(evil.url).host}/`));
    expect([evil.requests.length, api.requests.length]).toEqual([0, 1]);
  });

  test("with a password in the URL of an allowed origin: fetch rejects it", async () => {
    const { api, inRequest } = await start();
    const url = api.url.replace("://", "://user:password@");
    await expect(inRequest(({ portal }) => portal.fetch(url))).rejects.toThrow(TypeError);
    expect(api.requests).toEqual([]);
  });

  test("without the option every origin, and the error names only the origin of the URL", async () => {
    const api = await startApi();
    const { inRequest } = await logIn();
    const failure = await inRequest(({ portal }) => portal.fetch(`${api.url}/people?key=geheim`)).catch(
      (error) => error,
    );
    expect(failure.message).toContain(`[${api.url}]`);
    expect(failure.message).not.toMatch(/people|geheim/);
    expect(api.requests).toEqual([]);
  });

  test("with several allowed origins, each gets requests", async () => {
    const firstApi = await startApi();
    const secondApi = await startApi();
    const { inRequest } = await logIn({ options: { apiOrigins: [firstApi.url, `${secondApi.url}/`] } });
    for (const { url } of [firstApi, secondApi]) await inRequest(({ portal }) => portal.fetch(url));
    expect([firstApi.requests.length, secondApi.requests.length]).toEqual([1, 1]);
  });
});

const createForm = () => {
  const form = new FormData();
  form.set("name", "Lin Xiaoyu 林小雨");
  form.set("file", new Blob(["content"]), "file.txt");
  return form;
};

describe("a 401 of the API", () => {
  /** Signs a user in whose token the API rejects before it has expired. */
  const startRejected = async (options: Parameters<typeof start>[0] = {}) => {
    const world = await start(options);
    const old = await world.readAccessToken();
    world.api.rejected.add(old);
    return { ...world, old };
  };

  test.each<[string, () => RequestInit, string | RegExp]>([
    ["no body", () => ({}), ""],
    ["no body, with DELETE", () => ({ method: "DELETE", body: null }), ""],
    ["a string", () => ({ method: "POST", body: "some text" }), "some text"],
    ["a form", () => ({ method: "POST", body: new URLSearchParams({ a: "1", b: "ü" }) }), "a=1&b=%C3%BC"],
    ["bytes", () => ({ method: "POST", body: Buffer.from("bytes") }), "bytes"],
    ["an ArrayBuffer", () => ({ method: "POST", body: new TextEncoder().encode("bytes").buffer }), "bytes"],
    ["a Blob", () => ({ method: "POST", body: new Blob(["blob"], { type: "text/x-blob" }) }), "blob"],
    ["a form with a file", () => ({ method: "POST", body: createForm() }), /林小雨.*content/s],
  ])("causes one refresh and one repeated request with the new token: %s", async (_name, init, body) => {
    const { api, inRequest, old, readAccessToken, refreshes } = await startRejected();
    const responseBody = await inRequest(async ({ portal }) =>
      (await portal.fetch(`${api.url}/things`, init())).text(),
    );
    expect(responseBody).toBe("data");
    const expectedBody = body instanceof RegExp ? expect.stringMatching(body) : body;
    const method = init().method ?? "GET";
    expect(api.requests).toMatchObject([
      { path: "/things", method, token: old, body: expectedBody },
      { path: "/things", method, token: await readAccessToken(), body: expectedBody },
    ]);
    const [first, second] = api.requests.map(({ headers }) =>
      String(headers["content-type"]).replace(/boundary=.*/, ""),
    );
    expect(second).toBe(first);
    expect(refreshes()).toHaveLength(1);
    expect(await readAccessToken()).not.toBe(old);
  });

  test("causes a repeated request for a Request without a body, with its headers", async () => {
    const { api, inRequest, refreshes } = await startRejected();
    const request = new Request(api.url, { headers: { "x-colour": "green" } });
    expect((await inRequest(({ portal }) => portal.fetch(request))).status).toBe(200);
    expect(api.requests.map(({ headers }) => headers["x-colour"])).toEqual(["green", "green"]);
    expect(refreshes()).toHaveLength(1);
  });

  test.each<[string, (url: string) => [string | Request, RequestInit?]]>([
    [
      "a stream",
      (url) => [url, { method: "POST", body: new Blob(["x"]).stream(), duplex: "half" } as RequestInit],
    ],
    [
      "an iterator",
      (url) => [url, { method: "POST", body: createChunks(), duplex: "half" } as unknown as RequestInit],
    ],
    ["the body of a Request", (url) => [new Request(url, { method: "POST", body: "x" })]],
  ])("is returned without a refresh if the body can be read only once: %s", async (_name, args) => {
    const { api, inRequest, refreshes } = await startRejected();
    const [status, body] = await inRequest(async ({ portal }) => {
      const response = await portal.fetch(...args(api.url));
      return [response.status, await response.text()];
    });
    expect([status, body]).toEqual([401, "the token has been revoked"]);
    expect(api.requests.map((request) => request.body)).toEqual(["x"]);
    expect(refreshes()).toEqual([]);
  });

  test("is returned if the API rejects the new token as well", async () => {
    const { api, inRequest, refreshes } = await start({
      respond: (_req, res) => void res.writeHead(401).end("not you"),
    });
    const [status, body] = await inRequest(async ({ portal }) => {
      const response = await portal.fetch(api.url);
      return [response.status, await response.text()];
    });
    expect([status, body]).toEqual([401, "not you"]);
    expect(api.requests).toHaveLength(2);
    expect(refreshes()).toHaveLength(1);
  });

  describe("to a token that was refreshed after another 401", () => {
    const rejectAll: RequestListener = (_req, res) => void res.writeHead(401).end("not you");
    const MINUTES = 60;

    test("is returned without a refresh for five minutes, from any API", async () => {
      const hostile = await startApi(rejectAll);
      const other = await startApi(rejectAll);
      const { inRequest, refreshes, later } = await logInFor([hostile.url, other.url], {
        provider: { accessTokenSeconds: 3600 },
      });
      const call = (url: string) => inRequest(async ({ portal }) => (await portal.fetch(url)).status);
      for (let count = 0; count < 3; count += 1)
        for (const { url } of [hostile, other]) expect(await call(url)).toBe(401);
      expect([hostile.requests.length + other.requests.length, refreshes().length]).toEqual([7, 1]);
      later(5 * MINUTES - 1);
      expect([await call(hostile.url), refreshes().length]).toEqual([401, 1]);
      later(1);
      expect([await call(hostile.url), refreshes().length]).toEqual([401, 2]);
    });

    test("causes a refresh if the token was refreshed meanwhile because it had expired", async () => {
      const hostile = await startApi(rejectAll);
      const { inRequest, refreshes, later } = await logInFor([hostile.url]);
      const call = () => inRequest(async ({ portal }) => (await portal.fetch(hostile.url)).status);
      expect([await call(), refreshes().length]).toEqual([401, 1]);
      later(TOKEN_SECONDS);
      // One refresh comes before the request, and one after it.
      expect([await call(), refreshes().length]).toEqual([401, 3]);
    });

    test("after a failed hook causes a refresh at the next call", async () => {
      let isBroken = false;
      const onTokens = () => {
        if (isBroken) throw new Error("the database is away");
      };
      const { api, inRequest, later } = await startRejected({
        options: { hooks: { onTokens } },
        log: [/hook_failed/],
      });
      const call = () => inRequest(async (req) => (await req.portal.fetch(api.url)).status);
      isBroken = true;
      await expect(call()).rejects.toMatchObject({ code: "hook_failed" });
      isBroken = false;
      later(1);
      expect(await call()).toBe(200);
    });
  });

  test.each([400, 403, 404, 500, 503])(
    "is the only status that causes a refresh: %i is returned at once",
    async (status) => {
      const { api, inRequest, refreshes } = await start({
        respond: (_req, res) => void res.writeHead(status).end(),
      });
      expect((await inRequest(({ portal }) => portal.fetch(api.url))).status).toBe(status);
      expect([api.requests.length, refreshes().length]).toEqual([1, 0]);
    },
  );

  test.each([1, 10])("to concurrent calls in %i requests causes one refresh", async (requests) => {
    const { api, inRequest, refreshes, readAccessToken } = await startRejected();
    const calls = Array.from({ length: requests }, () =>
      inRequest(async ({ portal }) => {
        const responses = await Promise.all([portal.fetch(api.url), portal.fetch(api.url)]);
        return responses.map(({ status }) => status);
      }),
    );
    expect(new Set((await Promise.all(calls)).flat())).toEqual(new Set([200]));
    expect(refreshes()).toHaveLength(1);
    expect(api.requests.at(-1)?.token).toBe(await readAccessToken());
  });

  test("to an old token causes no refresh if another request has refreshed it meanwhile", async () => {
    const { api, inRequest, refreshes, readAccessToken } = await start();
    await inRequest(async ({ portal }) => {
      api.rejected.add((await portal.tokens())?.access_token ?? "");
      await inRequest((other) => other.portal.fetch(api.url)); // refreshes, in another request
      expect((await portal.fetch(api.url)).status).toBe(200);
    });
    expect(refreshes()).toHaveLength(1);
    expect(api.requests.at(-1)?.token).toBe(await readAccessToken());
  });

  test("is returned while the provider is down, and its body can be read", async () => {
    const { api, inRequest, provider, me } = await startRejected({ log: [/portal_unreachable/] });
    provider.goDown();
    const [status, body] = await inRequest(async (req) => {
      const response = await req.portal.fetch(api.url);
      return [response.status, await response.text()];
    });
    expect([status, body]).toEqual([401, "the token has been revoked"]);
    expect((await me()).isAuthenticated).toBe(true);
    expect(api.requests).toHaveLength(1);
  });

  test("is returned without a refresh token", async () => {
    const { api, inRequest, provider, browser, url, readAccessToken } = await start();
    provider.nextTokenResponse({ refresh_token: undefined });
    await browser.visit(`${url}/login`, { site: "same-origin" });
    api.rejected.add(await readAccessToken());
    expect((await inRequest((req) => req.portal.fetch(api.url))).status).toBe(401);
    expect(api.requests).toHaveLength(1);
  });

  test("causes refresh_refused if the provider refuses the refresh token, and the session ends", async () => {
    const { api, inRequest, provider, me } = await startRejected({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await expect(inRequest((req) => req.portal.fetch(api.url))).rejects.toMatchObject({
      code: "refresh_refused",
    });
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("causes hook_failed if a hook fails", async () => {
    const onTokens = vi.fn(async (_tokens: TokenSet) => {});
    const { api, inRequest, me } = await startRejected({
      options: { hooks: { onTokens } },
      log: [/hook_failed/],
    });
    onTokens.mockRejectedValueOnce(new Error("the database is away"));
    await expect(inRequest((req) => req.portal.fetch(api.url))).rejects.toMatchObject({
      code: "hook_failed",
    });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("releases its connection if the refresh fails", async () => {
    const isClosed = createGate();
    const { inRequest, provider, api } = await start({
      respond(_req, res) {
        res.writeHead(401).write("the first of many");
        res.on("close", isClosed.open);
      },
      log: [/refresh_refused/],
    });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await expect(inRequest((req) => req.portal.fetch(api.url))).rejects.toMatchObject({
      code: "refresh_refused",
    });
    await isClosed.opened;
  });
});

describe("a redirect", () => {
  test("to another origin is followed without the token", async () => {
    const otherApi = await startApi();
    const { api, inRequest } = await start({
      respond: (_req, res) => void res.writeHead(302, { location: `${otherApi.url}/there` }).end(),
    });
    await inRequest(({ portal }) => portal.fetch(api.url));
    expect(otherApi.requests).toMatchObject([{ path: "/there", token: undefined }]);
  });

  test("within the origin is followed with the token", async () => {
    const { api, inRequest, readAccessToken } = await start({
      respond: (req, res) =>
        void (req.url === "/" ? res.writeHead(302, { location: "/there" }).end() : res.end("data")),
    });
    await inRequest(({ portal }) => portal.fetch(api.url));
    expect(api.requests.map(({ path, token }) => [path, token])).toEqual([
      ["/", await readAccessToken()],
      ["/there", await readAccessToken()],
    ]);
  });

  test("is returned with redirect: manual", async () => {
    const otherApi = await startApi();
    const { api, inRequest } = await start({
      respond: (_req, res) => void res.writeHead(302, { location: otherApi.url }).end(),
    });
    const { status } = await inRequest(({ portal }) => portal.fetch(api.url, { redirect: "manual" }));
    expect([status, otherApi.requests.length]).toEqual([302, 0]);
  });
});

test("an unreachable API causes the TypeError of fetch", async () => {
  const url = await unreachableUrl();
  const { inRequest } = await logIn({ options: { apiOrigins: [url] } });
  await expect(inRequest(({ portal }) => portal.fetch(url))).rejects.toThrow(TypeError);
});

test("a call can be aborted", async () => {
  const controller = new AbortController();
  const { api, inRequest } = await start({ respond: () => controller.abort() });
  await expect(
    inRequest(({ portal }) => portal.fetch(api.url, { signal: controller.signal })),
  ).rejects.toMatchObject({
    name: "AbortError",
  });
});

async function* createChunks() {
  yield Buffer.from("x");
}
