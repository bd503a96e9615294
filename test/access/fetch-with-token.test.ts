import type { RequestListener } from "node:http";
import { describe, expect, test, vi } from "vitest";
import type { TokenSet } from "../../lib/index.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { serve, unreachableUrl } from "../support/serve.js";
import { json, logIn, TOKEN_SECONDS } from "./signed-in-request.js";

interface Got {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly token: string | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

interface Api {
  readonly url: string;
  /** Every request, in order. */
  readonly got: Got[];
  /** Access tokens that are refused from now on. */
  readonly refused: Set<string>;
}

/** An API that takes every token that it does not refuse. */
async function startApi(answer: RequestListener = (_req, res) => void res.end("data")): Promise<Api> {
  const got: Got[] = [];
  const refused = new Set<string>();
  const url = await serve(async (req, res) => {
    const { method, url: path, headers } = req;
    const token = headers.authorization?.replace("Bearer ", "");
    got.push({ method, path, token, headers, body: Buffer.concat(await req.toArray()).toString() });
    if (refused.has(token ?? ""))
      res.writeHead(401, { "www-authenticate": "Bearer" }).end("the token has been revoked");
    else answer(req, res);
  });
  return { url, got, refused };
}

/** An application whose person has a token, and an API that it may be sent to. */
async function start({
  answer,
  options,
  ...given
}: Parameters<typeof logIn>[0] & { answer?: RequestListener } = {}) {
  const api = await startApi(answer);
  return { ...(await logInFor([api.url], { ...given, ...(options && { options }) })), api };
}

async function logInFor(apiOrigins: string[], { options, ...given }: Parameters<typeof logIn>[0] = {}) {
  const world = await logIn({ ...given, options: { apiOrigins, ...options } });
  return { ...world, access: async () => (await world.tokens()).access_token };
}

describe("the token", () => {
  test.each<[string, (url: string) => string | URL | Request]>([
    ["text", (url) => `${url}/things?q=1`],
    ["a URL", (url) => new URL("/things?q=1", url)],
    ["a Request", (url) => new Request(`${url}/things?q=1`)],
  ])("is sent as Bearer to an address that is %s", async (_name, input) => {
    const { api, inRequest, access } = await start();
    const answer = await inRequest(async ({ portal }) => (await portal.fetch(input(api.url))).text());
    expect(answer).toBe("data");
    expect(api.got).toMatchObject([{ method: "GET", path: "/things?q=1", token: await access() }]);
  });

  test("goes along with the method, headers and body of the request, in place of another authorization", async () => {
    const { api, inRequest, access } = await start();
    const init = {
      method: "PUT",
      headers: { "x-colour": "green", authorization: "Basic abc" },
      body: "a thing",
    };
    await inRequest(({ portal }) => portal.fetch(`${api.url}/things`, init));
    const [got] = api.got;
    expect(got).toMatchObject({ method: "PUT", token: await access(), body: "a thing" });
    expect(got?.headers["x-colour"]).toBe("green");
  });

  test("goes along with the headers and the body of a Request", async () => {
    const { api, inRequest, access } = await start();
    const request = new Request(`${api.url}/things`, {
      method: "POST",
      headers: { "x-colour": "green" },
      body: "a thing",
    });
    await inRequest(({ portal }) => portal.fetch(request));
    const [got] = api.got;
    expect(got).toMatchObject({ method: "POST", token: await access(), body: "a thing" });
    expect(got?.headers).toMatchObject({ "x-colour": "green", "content-type": "text/plain;charset=UTF-8" });
  });

  test("is refreshed first when it has ended", async () => {
    const { api, inRequest, access, later } = await start();
    const before = await access();
    later(TOKEN_SECONDS);
    await inRequest(({ portal }) => portal.fetch(api.url));
    expect(api.got.map(({ token }) => token)).toEqual([await access()]);
    expect(await access()).not.toBe(before);
  });

  test("is nobody's when nobody is logged in: the API is not asked", async () => {
    const { api, inRequest } = await start();
    await expect(inRequest(({ portal }) => portal.fetch(api.url), new Browser())).rejects.toMatchObject({
      code: "login_required",
    });
    expect(api.got).toEqual([]);
  });
});

describe("an origin that is not allowed gets no request and no token", () => {
  test.each<[string, (api: string, evil: string) => string]>([
    ["another port", (_api, evil) => evil],
    ["another scheme", (api) => api.replace("http:", "https:")],
    ["another name of the same machine", (api) => api.replace("127.0.0.1", "localhost")],
    ["a domain below", (api) => api.replace("127.0.0.1", "x.localhost")],
    ["a domain that begins like it", (api) => api.replace("127.0.0.1", "127.0.0.1.evil.example")],
    ["its name as the user of another", (api, evil) => `${api}@${new URL(evil).host}/`],
    [
      "its name as user and password of another",
      (api, evil) => `${api.replace("://", "://x:y")}@${new URL(evil).host}/`,
    ],
    ["its name in the path of another", (api, evil) => `${evil}/${api}`],
    ["its name behind a fragment", (api, evil) => `${evil}#${api}`],
    ["its name behind a backslash", (api, evil) => `${evil}\\@${new URL(api).host}`],
    ["a tab in the middle", (_api, evil) => `ht\ttp://${new URL(evil).host}`],
    ["backslashes for slashes", (_api, evil) => evil.replace("//", "\\\\")],
    ["no scheme", (_api, evil) => `//${new URL(evil).host}/`],
    ["a path alone", () => "/things"],
    ["nothing", () => ""],
    ["what is no address", () => "http://"],
    ["a file", () => "file:///etc/passwd"],
    ["data", () => "data:text/plain,x"],
    ["a blob, whose origin is that of the address in it", (api) => `blob:${api}x`],
  ])("%s", async (_name, address) => {
    const evil = await startApi();
    const { api, inRequest } = await start();
    await expect(inRequest(({ portal }) => portal.fetch(address(api.url, evil.url)))).rejects.toMatchObject({
      code: "origin_not_allowed",
      status: 500,
    });
    expect([...evil.got, ...api.got]).toEqual([]);
  });

  test("named by a URL or a Request", async () => {
    const evil = await startApi();
    const { inRequest } = await start();
    for (const input of [new URL(evil.url), new Request(evil.url)])
      await expect(inRequest(({ portal }) => portal.fetch(input))).rejects.toMatchObject({
        code: "origin_not_allowed",
      });
    expect(evil.got).toEqual([]);
  });

  test("not even by an address that says one thing when it is checked, and another when it is used", async () => {
    const evil = await startApi();
    const { api, inRequest } = await start();
    const changing = new URL(api.url);
    const answer = inRequest(async ({ portal }) => {
      const fetching = portal.fetch(changing);
      changing.port = new URL(evil.url).port;
      return (await fetching).status;
    });
    await answer.catch(() => {});
    expect(evil.got).toEqual([]);
  });

  test("an allowed one behind a backslash is asked, and nobody else", async () => {
    const evil = await startApi();
    const { api, inRequest } = await start();
    await inRequest(({ portal }) => portal.fetch(`${api.url}\\@${new URL(evil.url).host}/`));
    expect([evil.got.length, api.got.length]).toEqual([0, 1]);
  });

  test("an allowed one with a password in its address is refused by fetch itself", async () => {
    const { api, inRequest } = await start();
    const address = api.url.replace("://", "://user:password@");
    await expect(inRequest(({ portal }) => portal.fetch(address))).rejects.toThrow(TypeError);
    expect(api.got).toEqual([]);
  });

  test("without the option, that is every one; the failure names the origin, and no more of the address", async () => {
    const api = await startApi();
    const { inRequest } = await logIn();
    const failure = await inRequest(({ portal }) => portal.fetch(`${api.url}/people?key=geheim`)).catch(
      (error) => error,
    );
    expect(failure.message).toContain(`[${api.url}]`);
    expect(failure.message).not.toMatch(/people|geheim/);
    expect(api.got).toEqual([]);
  });

  test("several may be allowed", async () => {
    const [one, two] = [await startApi(), await startApi()];
    const { inRequest } = await logIn({ options: { apiOrigins: [one.url, `${two.url}/`] } });
    for (const { url } of [one, two]) await inRequest(({ portal }) => portal.fetch(url));
    expect([one.got.length, two.got.length]).toEqual([1, 1]);
  });
});

const formData = () => {
  const form = new FormData();
  form.set("name", "Lin Xiaoyu 林小雨");
  form.set("file", new Blob(["content"]), "file.txt");
  return form;
};

describe("a 401 of the API", () => {
  /** The person's token is refused; it has not ended. */
  const startRefused = async (given: Parameters<typeof start>[0] = {}) => {
    const world = await start(given);
    const old = await world.access();
    world.api.refused.add(old);
    return { ...world, old };
  };

  test.each<[string, () => RequestInit, string | RegExp]>([
    ["no body", () => ({}), ""],
    ["no body, though a DELETE", () => ({ method: "DELETE", body: null }), ""],
    ["text", () => ({ method: "POST", body: "some text" }), "some text"],
    ["a form", () => ({ method: "POST", body: new URLSearchParams({ a: "1", b: "ü" }) }), "a=1&b=%C3%BC"],
    ["bytes", () => ({ method: "POST", body: Buffer.from("bytes") }), "bytes"],
    ["an ArrayBuffer", () => ({ method: "POST", body: new TextEncoder().encode("bytes").buffer }), "bytes"],
    ["a Blob", () => ({ method: "POST", body: new Blob(["blob"], { type: "text/x-blob" }) }), "blob"],
    ["a form with a file", () => ({ method: "POST", body: formData() }), /林小雨.*content/s],
  ])("causes one refresh and one repeat with the new token: %s", async (_name, init, body) => {
    const { api, inRequest, old, access, refreshes } = await startRefused();
    const answer = await inRequest(async ({ portal }) =>
      (await portal.fetch(`${api.url}/things`, init())).text(),
    );
    expect(answer).toBe("data");
    const matching = body instanceof RegExp ? expect.stringMatching(body) : body;
    const method = init().method ?? "GET";
    expect(api.got).toMatchObject([
      { path: "/things", method, token: old, body: matching },
      { path: "/things", method, token: await access(), body: matching },
    ]);
    const [first, second] = api.got.map(({ headers }) =>
      String(headers["content-type"]).replace(/boundary=.*/, ""),
    );
    expect(second).toBe(first);
    expect(refreshes()).toHaveLength(1);
    expect(await access()).not.toBe(old);
  });

  test("is repeated for a Request without a body, with its headers", async () => {
    const { api, inRequest, refreshes } = await startRefused();
    const request = new Request(api.url, { headers: { "x-colour": "green" } });
    expect((await inRequest(({ portal }) => portal.fetch(request))).status).toBe(200);
    expect(api.got.map(({ headers }) => headers["x-colour"])).toEqual(["green", "green"]);
    expect(refreshes()).toHaveLength(1);
  });

  test.each<[string, (url: string) => [string | Request, RequestInit?]]>([
    [
      "a stream",
      (url) => [url, { method: "POST", body: new Blob(["x"]).stream(), duplex: "half" } as RequestInit],
    ],
    [
      "an iterator",
      (url) => [url, { method: "POST", body: pieces(), duplex: "half" } as unknown as RequestInit],
    ],
    ["the body of a Request", (url) => [new Request(url, { method: "POST", body: "x" })]],
  ])(
    "comes back as it is, without a refresh, when what was sent can be read only once: %s",
    async (_name, args) => {
      const { api, inRequest, refreshes } = await startRefused();
      const [status, body] = await inRequest(async ({ portal }) => {
        const answer = await portal.fetch(...args(api.url));
        return [answer.status, await answer.text()];
      });
      expect([status, body]).toEqual([401, "the token has been revoked"]);
      expect(api.got.map((got) => got.body)).toEqual(["x"]);
      expect(refreshes()).toEqual([]);
    },
  );

  test("that comes again with the new token comes back as it is", async () => {
    const { api, inRequest, refreshes } = await start({
      answer: (_req, res) => void res.writeHead(401).end("not you"),
    });
    const [status, body] = await inRequest(async ({ portal }) => {
      const answer = await portal.fetch(api.url);
      return [answer.status, await answer.text()];
    });
    expect([status, body]).toEqual([401, "not you"]);
    expect(api.got).toHaveLength(2);
    expect(refreshes()).toHaveLength(1);
  });

  describe("to a token that came after another 401", () => {
    const refuseAll: RequestListener = (_req, res) => void res.writeHead(401).end("not you");
    const MINUTES = 60;

    test("is handed on for five minutes, whichever API says so: it costs no refresh", async () => {
      const [hostile, other] = [await startApi(refuseAll), await startApi(refuseAll)];
      const { inRequest, refreshes, later } = await logInFor([hostile.url, other.url], {
        portal: { accessTokenSeconds: 3600 },
      });
      const call = (url: string) => inRequest(async ({ portal }) => (await portal.fetch(url)).status);
      for (let time = 0; time < 3; time += 1)
        for (const { url } of [hostile, other]) expect(await call(url)).toBe(401);
      expect([hostile.got.length + other.got.length, refreshes().length]).toEqual([7, 1]);
      later(5 * MINUTES - 1);
      expect([await call(hostile.url), refreshes().length]).toEqual([401, 1]);
      later(1);
      expect([await call(hostile.url), refreshes().length]).toEqual([401, 2]);
    });

    test("is not meant by one to a token that came because its predecessor had ended", async () => {
      const hostile = await startApi(refuseAll);
      const { inRequest, refreshes, later } = await logInFor([hostile.url]);
      const call = () => inRequest(async ({ portal }) => (await portal.fetch(hostile.url)).status);
      expect([await call(), refreshes().length]).toEqual([401, 1]);
      later(TOKEN_SECONDS);
      expect([await call(), refreshes().length]).toEqual([401, 3]); // the one before the call, and the one after it
    });

    test("is told apart from a hook that has failed meanwhile: the next call works", async () => {
      let isBroken = false;
      const onTokens = () => {
        if (isBroken) throw new Error("the database is away");
      };
      const { api, inRequest, later } = await startRefused({
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
    "is meant, and no other status: %i comes back at once",
    async (status) => {
      const { api, inRequest, refreshes } = await start({
        answer: (_req, res) => void res.writeHead(status).end(),
      });
      expect((await inRequest(({ portal }) => portal.fetch(api.url))).status).toBe(status);
      expect([api.got.length, refreshes().length]).toEqual([1, 0]);
    },
  );

  test.each([1, 10])("to calls at once, in %i requests, causes one refresh", async (requests) => {
    const { api, inRequest, refreshes, access } = await startRefused();
    const asking = Array.from({ length: requests }, () =>
      inRequest(async ({ portal }) => {
        const answers = await Promise.all([portal.fetch(api.url), portal.fetch(api.url)]);
        return answers.map(({ status }) => status);
      }),
    );
    expect(new Set((await Promise.all(asking)).flat())).toEqual(new Set([200]));
    expect(refreshes()).toHaveLength(1);
    expect(api.got.at(-1)?.token).toBe(await access());
  });

  test("to a request that holds an old token, when another has refreshed meanwhile, causes no second refresh", async () => {
    const { api, inRequest, refreshes, access } = await start();
    await inRequest(async ({ portal }) => {
      api.refused.add((await portal.tokens())?.access_token ?? "");
      await inRequest((other) => other.portal.fetch(api.url)); // refreshes, in a request of its own
      expect((await portal.fetch(api.url)).status).toBe(200);
    });
    expect(refreshes()).toHaveLength(1);
    expect(api.got.at(-1)?.token).toBe(await access());
  });

  test("while the portal is down comes back as it is, and can be read", async () => {
    const { api, inRequest, provider, me } = await startRefused({ log: [/portal_unreachable/] });
    provider.goDown();
    const [status, body] = await inRequest(async (req) => {
      const answer = await req.portal.fetch(api.url);
      return [answer.status, await answer.text()];
    });
    expect([status, body]).toEqual([401, "the token has been revoked"]);
    expect((await me()).isAuthenticated).toBe(true);
    expect(api.got).toHaveLength(1);
  });

  test("comes back as it is when there is no refresh token", async () => {
    const { api, inRequest, provider, browser, url, access } = await start();
    provider.nextTokenResponse({ refresh_token: undefined });
    await browser.visit(`${url}/login`, { site: "same-origin" });
    api.refused.add(await access());
    expect((await inRequest((req) => req.portal.fetch(api.url))).status).toBe(401);
    expect(api.got).toHaveLength(1);
  });

  test("when the portal refuses the refresh token is told as that, and the session has ended", async () => {
    const { api, inRequest, provider, me } = await startRefused({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await expect(inRequest((req) => req.portal.fetch(api.url))).rejects.toMatchObject({
      code: "refresh_refused",
    });
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("when a hook fails is told as that: the application's own trouble is not the API's", async () => {
    const onTokens = vi.fn(async (_tokens: TokenSet) => {});
    const { api, inRequest, me } = await startRefused({
      options: { hooks: { onTokens } },
      log: [/hook_failed/],
    });
    onTokens.mockRejectedValueOnce(new Error("the database is away"));
    await expect(inRequest((req) => req.portal.fetch(api.url))).rejects.toMatchObject({
      code: "hook_failed",
    });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("that nobody will read, as the refresh has failed, gives its connection back", async () => {
    const isCut = createGate();
    const { inRequest, provider, api } = await start({
      answer(_req, res) {
        res.writeHead(401).write("the first of many");
        res.on("close", isCut.open);
      },
      log: [/refresh_refused/],
    });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await expect(inRequest((req) => req.portal.fetch(api.url))).rejects.toMatchObject({
      code: "refresh_refused",
    });
    await isCut.opened;
  });
});

describe("a redirect", () => {
  test("to another origin is followed without the token", async () => {
    const elsewhere = await startApi();
    const { api, inRequest } = await start({
      answer: (_req, res) => void res.writeHead(302, { location: `${elsewhere.url}/there` }).end(),
    });
    await inRequest(({ portal }) => portal.fetch(api.url));
    expect(elsewhere.got).toMatchObject([{ path: "/there", token: undefined }]);
  });

  test("within the origin is followed with it", async () => {
    const { api, inRequest, access } = await start({
      answer: (req, res) =>
        void (req.url === "/" ? res.writeHead(302, { location: "/there" }).end() : res.end("data")),
    });
    await inRequest(({ portal }) => portal.fetch(api.url));
    expect(api.got.map(({ path, token }) => [path, token])).toEqual([
      ["/", await access()],
      ["/there", await access()],
    ]);
  });

  test("is left to the caller who wants it so", async () => {
    const elsewhere = await startApi();
    const { api, inRequest } = await start({
      answer: (_req, res) => void res.writeHead(302, { location: elsewhere.url }).end(),
    });
    const { status } = await inRequest(({ portal }) => portal.fetch(api.url, { redirect: "manual" }));
    expect([status, elsewhere.got.length]).toEqual([302, 0]);
  });
});

test("an API that cannot be reached is told as fetch tells it", async () => {
  const url = await unreachableUrl();
  const { inRequest } = await logIn({ options: { apiOrigins: [url] } });
  await expect(inRequest(({ portal }) => portal.fetch(url))).rejects.toThrow(TypeError);
});

test("a call that is given up is given up", async () => {
  const giving = new AbortController();
  const { api, inRequest } = await start({ answer: () => giving.abort() });
  await expect(
    inRequest(({ portal }) => portal.fetch(api.url, { signal: giving.signal })),
  ).rejects.toMatchObject({
    name: "AbortError",
  });
});

async function* pieces() {
  yield Buffer.from("x");
}
