import { describe, expect, test, vi } from "vitest";
import { type LoginContext, PortalAuthError } from "../../lib/index.js";
import { CLIENT_ID, CLIENT_SECRET, startWorld } from "../support/world.js";

declare module "express-session" {
  interface SessionData {
    user?: { id: number; name: string };
  }
}

describe("onTokens", () => {
  test("sees the tokens and the verified claims, and what it returns is kept", async () => {
    const onTokens = vi.fn(async (tokens, { grant, claims }) => ({
      access_token: `own token of ${claims.sub} by ${grant}`,
      token_type: tokens.token_type,
    }));
    const { browser, url, me } = await startWorld({ options: { hooks: { onTokens } } });
    await browser.visit(`${url}/account`);
    expect(onTokens).toHaveBeenCalledOnce();
    expect((await me()).tokens).toEqual({
      access_token: "own token of amara-okafor by authorization_code",
      token_type: "bearer",
      scope: "openid", // as the portal has granted it: a guard would take none for all that was asked for
    });
  });

  test("that returns nothing keeps the portal's, whatever it did to its copy", async () => {
    const { browser, url, me } = await startWorld({
      options: {
        hooks: {
          onTokens: (tokens) => {
            tokens.access_token = "scribbled over";
          },
        },
      },
    });
    await browser.visit(`${url}/account`);
    expect((await me()).tokens?.access_token).toMatch(/^eyJ/);
  });

  test("runs once for a login, however many callbacks share it", async () => {
    const onTokens = vi.fn();
    const onLogin = vi.fn();
    const { browser, url } = await startWorld({ options: { hooks: { onTokens, onLogin } } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    await Promise.all([1, 2, 3].map(() => browser.navigate(callback, { headers: { cookie } })));
    expect([onTokens.mock.calls.length, onLogin.mock.calls.length]).toEqual([1, 1]);
  });

  const good = { access_token: "a", token_type: "bearer" };
  test.each<[string, unknown, string]>([
    ["text", "a", "tokens is not an object"],
    ["a list", [good], "tokens is not an object"],
    ["nothing of what is needed", {}, "tokens.access_token is missing"],
    ["an empty access token", { access_token: "" }, "tokens.access_token is missing"],
    ["a number as access token", { access_token: 7 }, "tokens.access_token is not text"],
    ["a refresh token that is an object", { ...good, refresh_token: {} }, "tokens.refresh_token is not text"],
    ["no refresh token, as null", { ...good, refresh_token: null }, "tokens.refresh_token is not text"],
    ["an ID token that is a list", { ...good, id_token: ["x"] }, "tokens.id_token is not text"],
    ["a scope that is a list", { ...good, scope: ["openid", "email"] }, "tokens.scope is not text"],
    ["a type that is a number", { ...good, token_type: 1 }, "tokens.token_type is not text"],
    [
      "an end that is text",
      { ...good, expires_at: "3600" },
      "tokens.expires_at is not a number of epoch seconds",
    ],
    ["an end that is a BigInt", { ...good, expires_at: 1n }, "tokens.expires_at cannot be stored as JSON"],
    [
      "an end that is no number",
      { ...good, refresh_expires_at: Number.NaN },
      "tokens.refresh_expires_at is not a number",
    ],
    ["a member of its own that is a BigInt", { ...good, mine: 1n }, "tokens.mine cannot be stored as JSON"],
  ])(
    "that returns %s is reported by the name of the member, and nothing is stored",
    async (_what, answer, detail) => {
      const { browser, url, me, log } = await startWorld({
        options: { hooks: { onTokens: () => answer as never } },
        log: [/hook_failed/],
      });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect(log.join()).toContain(`[onTokens: ${detail}`);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("that leaves token_type out keeps that of the provider", async () => {
    const onTokens = () => ({ access_token: "mine" }) as never;
    const { browser, url, me } = await startWorld({ options: { hooks: { onTokens } } });
    await browser.visit(`${url}/account`);
    expect((await me()).tokens).toMatchObject({ access_token: "mine", token_type: "bearer" });
  });
});

describe("onLogin", () => {
  test("decides where the person goes, what else is in the session, and which claims are kept", async () => {
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
      after: (app) => app.get("/test/user", (req, res) => void res.json(req.session.user)),
    });
    const page = await browser.visit(`${url}/account`);
    expect(JSON.parse(page.body)).toEqual({ id: 7, name: "amara-okafor" });
    expect((await me()).claims).toEqual({ sub: "amara-okafor" });
  });

  test.each([
    ["another sub", { sub: "somebody-else" }],
    ["no sub", {}],
    ["a sub that is a number", { sub: 7 }],
  ])("cannot make the person somebody else: %s", async (_name, claims) => {
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
      "a circle",
      ({ claims }) => void Object.assign(claims, { row: circular }),
      "onLogin: claims.row cannot be stored",
    ],
    [
      "a method",
      ({ claims }) => void Object.assign(claims, { save() {} }),
      "onLogin: claims.save cannot be stored",
    ],
    [
      "a row that throws",
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
    "that leaves %s is reported by the name of the member, and nothing is stored",
    async (_what, onLogin, detail) => {
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

  test("runs before the session is begun: it sees the old one", async () => {
    const before: boolean[] = [];
    const { browser, url } = await startWorld({
      ownSession: true,
      options: { hooks: { onLogin: ({ req }) => void before.push(req.portal.isAuthenticated) } },
    });
    await browser.visit(`${url}/account`);
    expect(before).toEqual([false]);
  });
});

describe("onLogin that does what it must not do is told so, and no session begins:", () => {
  test.each(["id", "req", "cookie", "portal", "save", "regenerate", "__proto__", "constructor"])(
    "it puts %s into the session",
    async (name) => {
      const onLogin = ({ session }: LoginContext) =>
        void Object.defineProperty(session, name, { value: 1, enumerable: true });
      const { browser, url, me, log } = await startWorld({
        options: { hooks: { onLogin } },
        log: [/hook_failed/],
      });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect(log.join()).toContain(`onLogin put ${name} into the session: the name is reserved`);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("it answers the request", async () => {
    const onLogin = ({ req }: LoginContext) => void req.res?.send("come in");
    const { browser, url, me, log } = await startWorld({
      options: { hooks: { onLogin } },
      log: [/hook_failed/],
    });
    expect((await browser.visit(`${url}/account`)).body).toBe("come in");
    expect(log.join()).toContain("a hook answered the request. To reject a login, throw.");
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe.each(["onTokens", "onLogin"] as const)("%s that throws", (name) => {
  test("a PortalAuthError refuses the person with its own sentence, and leaves no session behind", async () => {
    const hook = () => {
      throw new PortalAuthError("login_refused", { sentence: "Only <members> of the club may come in." });
    };
    const { browser, url, me } = await startWorld({ options: { hooks: { [name]: hook } } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const page = await browser.navigate(callback);
    expect(page.status).toBe(403);
    expect(page.body).toContain("Only &lt;members&gt; of the club may come in.");
    expect(page.headers["set-cookie"]?.filter((line) => line.startsWith("portal-session"))).toEqual([]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("leaves no refresh token at the portal that nobody has", async () => {
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

  test("anything else is a failure of the app: told by name, without what it carries", async () => {
    const hook = async (): Promise<never> => {
      throw Object.assign(new Error("no such table eyJhbGciOiJSUzI1NiJ9eyJzdWIiOiJ4In0"), {
        token: "geheim",
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
    expect(log.join()).not.toContain("geheim");
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe("onLogout", () => {
  test("learns who logged out, after the session is gone", async () => {
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

  test("that throws keeps nobody logged in", async () => {
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
  test("may answer itself", async () => {
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

  test("that only looks leaves the usual answer, with the request id that it was given", async () => {
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

  test("hears of a 401 at a guard as well", async () => {
    const codes: string[] = [];
    const { browser, url } = await startWorld({
      options: { hooks: { onError: (error) => void codes.push(error.code) } },
    });
    await browser.fetch(`${url}/account`);
    expect(codes).toEqual(["login_required"]);
  });

  test("that throws does not stand in the way of the answer", async () => {
    const onError = () => {
      throw new Error("broken too");
    };
    const { browser, url, log } = await startWorld({
      options: { hooks: { onError } },
      log: [/login_not_found/, /hook_failed/],
    });
    expect((await browser.navigate(`${url}/callback?code=x&state=x`)).status).toBe(400);
    expect(log.join()).toContain("onError threw");
  });

  test("finds the cause of a failing hook, which is the app's own error", async () => {
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
