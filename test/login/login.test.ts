import { createHash } from "node:crypto";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { stripDiagnostics } from "../../lib/login-attempt/state-diagnostics.js";
import { leadTo, startWorld } from "../support/world.js";

describe("the authorization request", () => {
  test("has PKCE S256, state and nonce of 256 bits, and the configured parameters", async () => {
    const { browser, url } = await startWorld({ options: { scope: "openid email" } });
    const first = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    const second = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    const params = Object.fromEntries(first.searchParams);
    expect(params).toEqual({
      client_id: "demo-app",
      response_type: "code",
      redirect_uri: `${url}/callback`,
      scope: "openid email",
      state: expect.any(String),
      nonce: expect.any(String),
      code_challenge: expect.any(String),
      code_challenge_method: "S256",
    });
    for (const name of ["state", "nonce", "code_challenge"]) {
      expect(Buffer.from(stripDiagnostics(params[name] ?? ""), "base64url")).toHaveLength(32);
      expect(second.searchParams.get(name)).not.toBe(params[name]);
    }
  });

  test("is a redirect with 302 that caches must not store", async () => {
    const { browser, url } = await startWorld();
    const { status, headers } = await browser.navigate(`${url}/login`);
    expect(status).toBe(302);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["referrer-policy"]).toBe("no-referrer");
  });

  test("matches the verifier that the token endpoint gets", async () => {
    const { browser, url, asked } = await startWorld();
    const start = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    await browser.visit(start);
    const form = new URLSearchParams(asked("/oauth2/token")[0]?.body);
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    expect(challenge).toBe(start.searchParams.get("code_challenge"));
  });

  test("has no nonce if the option nonce is off", async () => {
    const { browser, url } = await startWorld({ options: { nonce: "off" } });
    const start = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    expect(start.searchParams.has("nonce")).toBe(false);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("authorizationParams", () => {
  test("are added if they are an object", async () => {
    const authorizationParams = {
      auth_source_id: "wechat",
      ui_locales: "zh-CN",
      max_age: 60,
      prompt: undefined,
    };
    const { browser, url } = await startWorld({ options: { authorizationParams } });
    const { searchParams } = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    expect(Object.fromEntries(searchParams)).toMatchObject({
      auth_source_id: "wechat",
      ui_locales: "zh-CN",
      max_age: "60",
    });
    expect(searchParams.has("prompt")).toBe(false);
  });

  test("are added if they are a function of the request", async () => {
    const { browser, url } = await startWorld({
      options: { authorizationParams: async (req) => ({ ui_locales: String(req.query["lang"]) }) },
    });
    const { searchParams } = new URL((await browser.navigate(`${url}/login?lang=fr`)).headers.location ?? "");
    expect(searchParams.get("ui_locales")).toBe("fr");
  });

  test("are added by a route of the app that starts the login itself", async () => {
    const { browser, url } = await startWorld({
      options: { authorizationParams: { prompt: "none", ui_locales: "de" } },
      after: (app) =>
        app.get("/sign-up", (req) =>
          req.portal.login({ returnTo: "/account", authorizationParams: { prompt: "create" } }),
        ),
    });
    const { searchParams } = new URL((await browser.navigate(`${url}/sign-up`)).headers.location ?? "");
    expect(Object.fromEntries(searchParams)).toMatchObject({ prompt: "create", ui_locales: "de" });
  });

  test.each([
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "client_id",
    "client_secret",
    "response_type",
    "request",
    "request_uri",
  ])("cannot overwrite %s", async (name) => {
    const { browser, url } = await startWorld({
      options: { authorizationParams: () => ({ [name]: "mine" }) },
      log: [/authorization_params_invalid/],
    });
    const answer = await browser.navigate(`${url}/login`);
    expect(answer.status).toBe(500);
    expect(answer.body).toContain("authorization_params_invalid");
    expect(answer.headers["set-cookie"]).toBeUndefined();
  });

  test.each([{ response_mode: "fragment" }, { scope: "email" }, { max_age: "soon" }])(
    "are rejected if the callback could not read the response: %j",
    async (authorizationParams) => {
      const { browser, url } = await startWorld({
        options: { authorizationParams: () => authorizationParams },
        log: [/authorization_params_invalid/],
      });
      expect((await browser.navigate(`${url}/login`)).status).toBe(500);
    },
  );
});

test("lists and objects are omitted, so an application can pass a query on", async () => {
  const { browser, url } = await startWorld({
    options: {
      authorizationParams: (req) => ({ auth_source_id: req.query["source"], ui_locales: req.query["lang"] }),
    },
  });
  const { headers } = await browser.navigate(`${url}/login?source=a&source=b&lang=fr`);
  const { searchParams } = new URL(headers.location ?? "");
  expect([searchParams.has("auth_source_id"), searchParams.get("ui_locales")]).toEqual([false, "fr"]);
});

test.each([
  ["an image", { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" }],
  ["a script", { "sec-fetch-mode": "cors" }],
])(
  "%s is rejected at /login, because it would only set a cookie, and not lead the user anywhere",
  async (_name, headers) => {
    const { browser, url } = await startWorld({ log: [/navigation_required/] });
    const answer = await browser.request(`${url}/login`, { headers });
    expect([answer.status, answer.headers["set-cookie"]]).toEqual([400, undefined]);
  },
);

test("a browser without Fetch Metadata gets a login", async () => {
  const { browser, url } = await startWorld();
  expect((await browser.navigate(`${url}/login`, { old: true })).status).toBe(302);
});

test("authorizationParams that throw are reported by their name", async () => {
  const { browser, url, log } = await startWorld({
    options: {
      authorizationParams: () => {
        throw new Error("no such tenant");
      },
    },
    log: [/hook_failed/],
  });
  expect((await browser.navigate(`${url}/login`)).status).toBe(500);
  expect(log.join()).toContain("authorizationParams threw");
});

test.each(["/login", "/login/?a", "/callback?code=x#y", "/logout"])(
  "a login that would return to the route %s returns to the start page",
  async (wish) => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(
      `${url}/login?${new URLSearchParams({ returnTo: wish })}`,
    );
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  },
);

describe("a pending login", () => {
  test("is in a cookie that scripts cannot read, and writes nothing to the session store", async () => {
    const set = vi.spyOn(session.MemoryStore.prototype, "set");
    const { browser, url } = await startWorld({ ownSession: true });
    const { headers } = await browser.navigate(`${url}/login?returnTo=/account`);
    expect(headers["set-cookie"]).toEqual([
      expect.stringMatching(
        /^portal-login\.[\w-]{8}\d=[\w-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/,
      ),
    ]);
    await browser.navigate(`${url}/account`);
    expect(set).not.toHaveBeenCalled();
  });

  test("is encrypted in its cookie", async () => {
    const { browser, url } = await startWorld();
    const { headers } = await browser.navigate(`${url}/login?returnTo=/account`);
    const { searchParams } = new URL(headers.location ?? "");
    const [cookie = ""] = headers["set-cookie"] ?? [];
    const value = /=([^;]+)/.exec(cookie)?.[1] ?? "";
    const readable = cookie + Buffer.from(value, "base64url").toString("latin1");
    for (const secret of ["/account", searchParams.get("state"), searchParams.get("nonce")])
      expect(readable).not.toContain(secret);
  });

  test("does not affect others: six tabs sign in at once, and each returns to its own page", async () => {
    const { browser, url } = await startWorld();
    const pages = [
      "/account?tab=1",
      "/account?tab=2",
      "/account?tab=3",
      "/account?tab=4",
      "/account?tab=5",
      "/account?tab=6",
    ];
    const callbacks: URL[] = [];
    for (const page of pages) callbacks.push(await browser.loginUntilCallback(`${url}${page}`));
    for (const index of [3, 0, 5, 1, 4, 2])
      expect((await browser.navigate(callbacks[index] ?? "")).headers.location).toBe(pages[index]);
  });

  test("starts fast although the request has hundreds of other or invalid cookies", async () => {
    const { browser, url } = await startWorld();
    const name = (n: number) => `portal-login.${String(n).padStart(16, "x")}`;
    const cookies = Array.from({ length: 150 }, (_, n) => `${name(n)}=eyJhbGciOiJkaXIi.${n}.a.b.c`);
    const strange = ["portal-login.a b=1", "portal-login.\u00e9=1", "portal-login.=1", "__proto__=1"];
    const { status, headers } = await browser.navigate(`${url}/login`, {
      headers: { cookie: [...cookies, ...strange].join("; ") },
    });
    expect(status).toBe(302);
    expect(headers["set-cookie"]?.every((line) => /^portal-login\.[\w-]{8}\d=/.test(line))).toBe(true);
  });

  test("is not overwritten as long as there are finished logins to overwrite", async () => {
    const { browser, url } = await startWorld();
    const waiting = await browser.loginUntilCallback(`${url}/account?tab=waiting`);
    for (let tab = 1; tab <= 12; tab += 1) await browser.visit(`${url}/login?returnTo=/account?tab=${tab}`);
    expect((await browser.navigate(waiting)).headers.location).toBe("/account?tab=waiting");
  });

  test("has a Secure cookie with the __Host- prefix if the app is reached over https", async () => {
    const { browser, url } = await startWorld({ publicOrigin: "https://app.example" });
    const { headers } = await browser.navigate(`${url}/login`, { headers: { "x-forwarded-proto": "https" } });
    expect(headers["set-cookie"]).toEqual([
      expect.stringMatching(/^__Host-portal-login\..*; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/),
    ]);
    expect(headers["set-cookie"]?.[0]).not.toContain("Domain");
  });
});

describe("the page after the login", () => {
  test.each([
    "https://evil.example",
    "//evil.example",
    "blob:http://here.invalid/phish",
    "/\\evil.example",
    "/.//evil.example",
    "javascript:alert(1)",
  ])("is the start page for returnTo=%s, which is on another site", async (wish) => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/login?returnTo=${encodeURIComponent(wish)}`);
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  });

  test.each(["/login", "/login/", "/login?returnTo=/login", "/logout", "/logout/", "/callback?code=1"])(
    "is the start page for returnTo=%s, which would cause a redirect loop or a logout",
    async (wish) => {
      const { browser, url } = await startWorld();
      const callback = await browser.loginUntilCallback(`${url}/login?returnTo=${encodeURIComponent(wish)}`);
      expect((await browser.navigate(callback)).headers.location).toBe("/");
    },
  );

  test("is the start page for a route that is configured with a slash at its end", async () => {
    const { browser, url } = await startWorld({ options: { routes: { login: "/in/" } } });
    const callback = await browser.loginUntilCallback(`${url}/in?returnTo=/in`);
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  });

  test("is checked in the same way if a hook has chosen it", async () => {
    const { browser, url } = await startWorld({
      options: { hooks: { onLogin: leadTo("//evil.example") } },
    });
    const callback = await browser.loginUntilCallback(`${url}/login?returnTo=/account`);
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  });
});

test("a prefetch or a HEAD request starts no login", async () => {
  const { browser, url, asked } = await startWorld();
  for (const headers of [
    { "sec-purpose": "prefetch;prerender" },
    { purpose: "prefetch" },
    { "x-moz": "prefetch" },
  ] as const) {
    const answer = await browser.navigate(`${url}/login`, { headers: { ...headers } });
    expect([answer.status, answer.headers["set-cookie"], answer.headers.location]).toEqual([
      503,
      undefined,
      undefined,
    ]);
    expect([answer.headers["cache-control"], answer.headers["retry-after"]]).toEqual(["no-store", undefined]);
  }
  expect((await browser.navigate(`${url}/login`, { method: "HEAD" })).status).toBe(204);
  expect(asked("/.well-known/openid-configuration")).toEqual([]);
});

test("a method that the router does not handle is passed to the app", async () => {
  const { browser, url } = await startWorld({
    after: (app) => app.post("/login", (_req, res) => void res.send("the app's")),
  });
  expect((await browser.navigate(`${url}/login`, { method: "POST" })).body).toBe("the app's");
});
