import { describe, expect, test, vi } from "vitest";
import { type LoginContext, PortalAuthError } from "../../lib/index.js";
import { CLIENT_ID, CLIENT_SECRET, startWorld } from "../support/world.js";

declare module "express-session" {
  interface SessionData {
    user?: { id: number; name: string };
  }
}

describe("onTokens", () => {
  test("gets the tokens and the verified claims, and its result is saved", async () => {
    const onTokens = vi.fn(async (tokens, { grant, claims }) => ({
      access_token: `token for ${claims.sub} with ${grant}`,
      token_type: tokens.token_type,
    }));
    const { browser, url, me } = await startWorld({ options: { hooks: { onTokens } } });
    await browser.visit(`${url}/account`);
    expect(onTokens).toHaveBeenCalledOnce();
    expect((await me()).tokens).toEqual({
      access_token: "token for amara-okafor with authorization_code",
      token_type: "bearer",
      // As the provider granted it: without a scope, a guard assumes that all requested scopes are granted.
      scope: "openid",
    });
  });

  test("without a result the tokens of the provider are saved, also after a change of the copy", async () => {
    const { browser, url, me } = await startWorld({
      options: {
        hooks: {
          onTokens: (tokens) => {
            tokens.access_token = "changed";
          },
        },
      },
    });
    await browser.visit(`${url}/account`);
    expect((await me()).tokens?.access_token).toMatch(/^eyJ/);
  });

  test("runs once for a login with several identical callbacks", async () => {
    const onTokens = vi.fn();
    const onLogin = vi.fn();
    const { browser, url } = await startWorld({ options: { hooks: { onTokens, onLogin } } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    await Promise.all([1, 2, 3].map(() => browser.navigate(callback, { headers: { cookie } })));
    expect([onTokens.mock.calls.length, onLogin.mock.calls.length]).toEqual([1, 1]);
  });

  const valid = { access_token: "a", token_type: "bearer" };
  test.each<[string, unknown, string]>([
    ["text", "a", "tokens is not an object"],
    ["a list", [valid], "tokens is not an object"],
    ["an empty object", {}, "tokens.access_token is missing"],
    ["an empty access token", { access_token: "" }, "tokens.access_token is missing"],
    ["a number as access token", { access_token: 7 }, "tokens.access_token is not text"],
    [
      "a refresh token that is an object",
      { ...valid, refresh_token: {} },
      "tokens.refresh_token is not text",
    ],
    ["null as refresh token", { ...valid, refresh_token: null }, "tokens.refresh_token is not text"],
    ["an ID token that is a list", { ...valid, id_token: ["x"] }, "tokens.id_token is not text"],
    ["a scope that is a list", { ...valid, scope: ["openid", "email"] }, "tokens.scope is not text"],
    ["a type that is a number", { ...valid, token_type: 1 }, "tokens.token_type is not text"],
    [
      "an expiry that is text",
      { ...valid, expires_at: "3600" },
      "tokens.expires_at is not a number of epoch seconds",
    ],
    [
      "an expiry that is a BigInt",
      { ...valid, expires_at: 1n },
      "tokens.expires_at cannot be stored as JSON",
    ],
    [
      "an expiry that is NaN",
      { ...valid, refresh_expires_at: Number.NaN },
      "tokens.refresh_expires_at is not a number",
    ],
    ["an additional member that is a BigInt", { ...valid, mine: 1n }, "tokens.mine cannot be stored as JSON"],
  ])(
    "that returns %s is reported with the name of the member, and nothing is saved",
    async (_case, result, detail) => {
      const { browser, url, me, log } = await startWorld({
        options: { hooks: { onTokens: () => result as never } },
        log: [/hook_failed/],
      });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect(log.join()).toContain(`[onTokens: ${detail}`);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("without token_type in the result, the token_type of the provider is saved", async () => {
    const onTokens = () => ({ access_token: "mine" }) as never;
    const { browser, url, me } = await startWorld({ options: { hooks: { onTokens } } });
    await browser.visit(`${url}/account`);
    expect((await me()).tokens).toMatchObject({ access_token: "mine", token_type: "bearer" });
  });
});

describe("onLogin", () => {
  test("sets returnTo, data of the session, and the saved claims", async () => {
    const { browser, url, me } = await startWorld({
      options: {
        hooks: {
          async onLogin(context) {
            context.session.user = { id: 7, name: String(context.claims.sub) };
            context.claims = { sub: context.claims.sub };
            context.returnTo = "/test/user";
          },
        },
      },
      after: (app) =>
        app.get("/test/user", (req, res) => {
          res.json(req.session.user);
        }),
    });
    const page = await browser.visit(`${url}/account`);
    expect(JSON.parse(page.body)).toEqual({ id: 7, name: "amara-okafor" });
    expect((await me()).claims).toEqual({ sub: "amara-okafor" });
  });

  test.each([
    ["another sub", { sub: "another-user" }],
    ["no sub", {}],
    ["a sub that is a number", { sub: 7 }],
  ])("cannot change the user: %s", async (_case, claims) => {
    const { browser, url, me } = await startWorld({
      options: {
        hooks: {
          onLogin: (context) => {
            context.claims = claims as never;
          },
        },
      },
      log: [/claims\.sub/],
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(500);
    expect((await me()).isAuthenticated).toBe(false);
  });

  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const throwing = {
    get name() {
      throw new Error("no such column");
    },
  };
  test.each<[string, (context: LoginContext) => void, string]>([
    [
      "no claims",
      (context) => void Object.assign(context, { claims: undefined }),
      "onLogin: claims is not an object",
    ],
    [
      "claims as text",
      (context) => void Object.assign(context, { claims: "x" }),
      "onLogin: claims is not an object",
    ],
    [
      "claims as a list",
      (context) => void Object.assign(context, { claims: [] }),
      "onLogin: claims is not an object",
    ],
    [
      "a BigInt",
      ({ claims }) => void Object.assign(claims, { id: 7n }),
      "onLogin: claims.id cannot be stored as JSON",
    ],
    [
      "a circular object",
      ({ claims }) => void Object.assign(claims, { row: circular }),
      "onLogin: claims.row cannot be stored",
    ],
    [
      "a method",
      ({ claims }) => void Object.assign(claims, { save() {} }),
      "onLogin: claims.save cannot be stored",
    ],
    [
      "a getter that throws",
      ({ claims }) => void Object.assign(claims, { row: throwing }),
      "onLogin: claims.row cannot",
    ],
    [
      "a BigInt in the session",
      ({ session }) => void Object.assign(session, { user: { id: 7n } }),
      "onLogin: session.user cannot be stored as JSON",
    ],
    [
      "no session",
      (context) => void Object.assign(context, { session: null }),
      "onLogin: session is not an object",
    ],
  ])(
    "that sets %s is reported with the name of the member, and nothing is saved",
    async (_case, onLogin, detail) => {
      const { browser, url, me, log, asked } = await startWorld({
        options: { hooks: { onLogin } },
        log: [/hook_failed/],
      });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect(log.join()).toContain(`[${detail}`);
      expect((await me()).isAuthenticated).toBe(false);
      await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
    },
  );

  test("runs before the new session is created, with the old session", async () => {
    const before: boolean[] = [];
    const { browser, url } = await startWorld({
      ownSession: true,
      options: { hooks: { onLogin: ({ req }) => void before.push(req.portal.isAuthenticated) } },
    });
    await browser.visit(`${url}/account`);
    expect(before).toEqual([false]);
  });
});

describe("onLogin is reported, and no session is created, if it", () => {
  test.each(["id", "req", "cookie", "portal", "save", "regenerate", "__proto__", "constructor"])(
    "puts %s into the session",
    async (name) => {
      const onLogin = ({ session }: LoginContext) => {
        Object.defineProperty(session, name, { value: 1, enumerable: true });
      };
      const { browser, url, me, log } = await startWorld({
        options: { hooks: { onLogin } },
        log: [/hook_failed/],
      });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect(log.join()).toContain(`onLogin put ${name} into the session: the name is reserved`);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("responds to the request", async () => {
    const onLogin = ({ req }: LoginContext) => {
      req.res?.send("welcome");
    };
    const { browser, url, me, log } = await startWorld({
      options: { hooks: { onLogin } },
      log: [/hook_failed/],
    });
    expect((await browser.visit(`${url}/account`)).body).toBe("welcome");
    expect(log.join()).toContain("a hook answered the request. To reject a login, throw.");
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe.each(["onTokens", "onLogin"] as const)("%s that throws", (name) => {
  test("a PortalAuthError rejects the login with its sentence, and creates no session", async () => {
    const hook = () => {
      throw new PortalAuthError("login_refused", { sentence: "Only <members> may sign in." });
    };
    const { browser, url, me } = await startWorld({ options: { hooks: { [name]: hook } } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const page = await browser.navigate(callback);
    expect(page.status).toBe(403);
    expect(page.body).toContain("Only &lt;members&gt; may sign in.");
    expect(page.headers["set-cookie"]?.filter((line) => line.startsWith("portal-session"))).toEqual([]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("the refresh token is revoked", async () => {
    const hook = () => {
      throw new PortalAuthError("login_refused");
    };
    const { browser, url, provider, asked } = await startWorld({ options: { hooks: { [name]: hook } } });
    await browser.visit(`${url}/account`);
    await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
    const revoked = new URLSearchParams(asked("/oauth2/revoke")[0]?.body).get("token");
    expect(provider.issued).toContain(revoked);
    const form = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, grant_type: "refresh_token" };
    const refreshed = await fetch(`${provider.issuer}/oauth2/token`, {
      method: "POST",
      body: new URLSearchParams({ ...form, refresh_token: revoked ?? "" }),
    });
    expect(refreshed.status).toBe(400);
  });

  test("another error is reported with the name of the hook, without its members", async () => {
    const hook = async (): Promise<never> => {
      throw Object.assign(new Error("no such table eyJhbGciOiJSUzI1NiJ9eyJzdWIiOiJ4In0"), {
        token: "secret-value",
      });
    };
    const { browser, url, me, log } = await startWorld({
      options: { hooks: { [name]: hook } },
      log: [/hook_failed/],
    });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("hook_failed")]).toEqual([500, true]);
    expect(page.body).not.toContain("no such table");
    expect(log.join()).toContain(`${name} threw`);
    expect(log.join()).toContain("no such table […]");
    expect(log.join()).not.toContain("secret-value");
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe("onLogout", () => {
  test("gets the user after the session has ended", async () => {
    const seen: unknown[] = [];
    const { browser, url } = await startWorld({
      options: {
        hooks: {
          onLogout: ({ claims, tokens, req }) =>
            void seen.push([claims.sub, Object.keys(tokens).length, req.session]),
        },
      },
    });
    await browser.visit(`${url}/account`);
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect(seen).toEqual([["amara-okafor", 6, undefined]]);
  });

  test("is not called for a visitor", async () => {
    const onLogout = vi.fn();
    const { browser, url } = await startWorld({ options: { hooks: { onLogout } } });
    await browser.visit(`${url}/logout`);
    expect(onLogout).not.toHaveBeenCalled();
  });

  test("that throws does not prevent the logout", async () => {
    const onLogout = () => {
      throw new Error("the audit log is full");
    };
    const { browser, url, me, log } = await startWorld({
      options: { hooks: { onLogout } },
      log: [/hook_failed/],
    });
    await browser.visit(`${url}/account`);
    expect((await browser.visit(`${url}/logout`, { site: "same-origin" })).status).toBe(200);
    expect((await me()).isAuthenticated).toBe(false);
    expect(log.join()).toContain("the audit log is full");
  });
});

describe("onError", () => {
  test("can respond itself", async () => {
    const { browser, url } = await startWorld({
      options: {
        hooks: {
          onError: (error, { res, requestId }) =>
            void res.status(418).send(`${error.code} ${requestId.length}`),
        },
      },
      log: [/login_not_found/],
    });
    const page = await browser.navigate(`${url}/callback?code=x&state=x`);
    expect([page.status, page.body]).toEqual([418, "login_not_found 12"]);
  });

  test("without a response of the hook, the error page is sent with the same request id", async () => {
    const ids: string[] = [];
    const { browser, url } = await startWorld({
      options: { hooks: { onError: async (_error, { requestId }) => void ids.push(requestId) } },
      log: [/login_not_found/],
    });
    const page = await browser.navigate(`${url}/callback?code=x&state=x`);
    expect(page.status).toBe(400);
    expect(ids).toHaveLength(1);
    expect(page.body).toContain(`request ${ids[0]}`);
  });

  test("also gets a 401 of a guard", async () => {
    const codes: string[] = [];
    const { browser, url } = await startWorld({
      options: { hooks: { onError: (error) => void codes.push(error.code) } },
    });
    await browser.fetch(`${url}/account`);
    expect(codes).toEqual(["login_required"]);
  });

  test("that throws does not prevent the error page", async () => {
    const onError = () => {
      throw new Error("broken");
    };
    const { browser, url, log } = await startWorld({
      options: { hooks: { onError } },
      log: [/login_not_found/, /hook_failed/],
    });
    expect((await browser.navigate(`${url}/callback?code=x&state=x`)).status).toBe(400);
    expect(log.join()).toContain("onError threw");
  });

  test("gets the error of a failed hook as cause", async () => {
    const cause = new Error("mine");
    const causes: unknown[] = [];
    const { browser, url } = await startWorld({
      options: {
        hooks: {
          onLogin: () => {
            throw cause;
          },
          onError: (error) => void causes.push(error.cause),
        },
      },
      log: [/hook_failed/],
    });
    await browser.visit(`${url}/account`);
    expect(causes).toEqual([cause]);
  });
});
