import { createHash } from "node:crypto";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { stripDiagnostics } from "../../lib/login-attempt/state-diagnostics.js";
import { leadTo, startWorld } from "../support/world.js";

describe("the authorization request", () => {
  test("carries PKCE S256, state and nonce of 256 bits, and what is configured", async () => {
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

  test("is answered with 302 by an answer that nobody may cache", async () => {
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

  test("sends no nonce where none is wanted", async () => {
    const { browser, url } = await startWorld({ options: { nonce: "off" } });
    const start = new URL((await browser.navigate(`${url}/login`)).headers.location ?? "");
    expect(start.searchParams.has("nonce")).toBe(false);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("authorizationParams", () => {
  test("are added, fixed", async () => {
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

  test("are added by request", async () => {
    const { browser, url } = await startWorld({
      options: { authorizationParams: async (req) => ({ ui_locales: String(req.query["lang"]) }) },
    });
    const { searchParams } = new URL((await browser.navigate(`${url}/login?lang=fr`)).headers.location ?? "");
    expect(searchParams.get("ui_locales")).toBe("fr");
  });

  test("are added by a route of the app that begins the login itself", async () => {
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
    "cannot ask for what the callback could not read: %j",
    async (authorizationParams) => {
      const { browser, url } = await startWorld({
        options: { authorizationParams: () => authorizationParams },
        log: [/authorization_params_invalid/],
      });
      expect((await browser.navigate(`${url}/login`)).status).toBe(500);
    },
  );
});

test("what a query holds can be handed on as it is: lists and objects of a stranger are left out", async () => {
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
  "%s that asks for /login is refused: it would leave a cookie behind each time, and lead nobody anywhere",
  async (_name, headers) => {
    const { browser, url } = await startWorld({ log: [/navigation_required/] });
    const answer = await browser.request(`${url}/login`, { headers });
    expect([answer.status, answer.headers["set-cookie"]]).toEqual([400, undefined]);
  },
);

test("a browser from before Fetch Metadata is believed to navigate", async () => {
  const { browser, url } = await startWorld();
  expect((await browser.navigate(`${url}/login`, { old: true })).status).toBe(302);
});

test("authorizationParams that throw are told by their name", async () => {
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
  "a login that would return to %s, a route of ours, returns to the start page",
  async (wish) => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(
      `${url}/login?${new URLSearchParams({ returnTo: wish })}`,
    );
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  },
);

describe("a login that waits", () => {
  test("is in a cookie of its own that scripts cannot read, and nothing is written to the session store", async () => {
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

  test("tells nothing to somebody who reads the cookie", async () => {
    const { browser, url } = await startWorld();
    const { headers } = await browser.navigate(`${url}/login?returnTo=/account`);
    const { searchParams } = new URL(headers.location ?? "");
    const [cookie = ""] = headers["set-cookie"] ?? [];
    const value = /=([^;]+)/.exec(cookie)?.[1] ?? "";
    const readable = cookie + Buffer.from(value, "base64url").toString("latin1");
    for (const secret of ["/account", searchParams.get("state"), searchParams.get("nonce")])
      expect(readable).not.toContain(secret);
  });

  test("waits beside others: six tabs log in side by side, finish in any order, and each ends at its own page", async () => {
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

  test("costs little to begin beside hundreds of cookies that are garbage, or none of ours", async () => {
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

  test("is not pushed out by logins that are finished: those are dropped first", async () => {
    const { browser, url } = await startWorld();
    const waiting = await browser.loginUntilCallback(`${url}/account?tab=waiting`);
    for (let tab = 1; tab <= 12; tab += 1) await browser.visit(`${url}/login?returnTo=/account?tab=${tab}`);
    expect((await browser.navigate(waiting)).headers.location).toBe("/account?tab=waiting");
  });

  test("is Secure, and bound to the host by its name, where the app is reached over https", async () => {
    const { browser, url } = await startWorld({ publicOrigin: "https://app.example" });
    const { headers } = await browser.navigate(`${url}/login`, { headers: { "x-forwarded-proto": "https" } });
    expect(headers["set-cookie"]).toEqual([
      expect.stringMatching(/^__Host-portal-login\..*; Path=\/; .*HttpOnly; Secure; SameSite=Lax$/),
    ]);
    expect(headers["set-cookie"]?.[0]).not.toContain("Domain");
  });
});

describe("where the login leads", () => {
  test.each([
    "https://evil.example",
    "//evil.example",
    "blob:http://here.invalid/phish",
    "/\\evil.example",
    "/.//evil.example",
    "javascript:alert(1)",
  ])("returnTo=%s cannot lead off the site", async (wish) => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/login?returnTo=${encodeURIComponent(wish)}`);
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  });

  test.each(["/login", "/login/", "/login?returnTo=/login", "/logout", "/logout/", "/callback?code=1"])(
    "returnTo=%s would go round in circles, or log out again, and leads to the start page",
    async (wish) => {
      const { browser, url } = await startWorld();
      const callback = await browser.loginUntilCallback(`${url}/login?returnTo=${encodeURIComponent(wish)}`);
      expect((await browser.navigate(callback)).headers.location).toBe("/");
    },
  );

  test("a route that is written with a slash at its end is known for one of ours as well", async () => {
    const { browser, url } = await startWorld({ options: { routes: { login: "/in/" } } });
    const callback = await browser.loginUntilCallback(`${url}/in?returnTo=/in`);
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  });

  test("a hook's wish goes through the same gate", async () => {
    const { browser, url } = await startWorld({
      options: { hooks: { onLogin: leadTo("//evil.example") } },
    });
    const callback = await browser.loginUntilCallback(`${url}/login?returnTo=/account`);
    expect((await browser.navigate(callback)).headers.location).toBe("/");
  });
});

test("a browser that loads ahead, and a HEAD, begin nothing", async () => {
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

test("a method that is not ours is left to the app", async () => {
  const { browser, url } = await startWorld({
    after: (app) => app.post("/login", (_req, res) => void res.send("the app's")),
  });
  expect((await browser.navigate(`${url}/login`, { method: "POST" })).body).toBe("the app's");
});
