import { describe, expect, test, vi } from "vitest";
import { type LoginContext, PortalAuthError } from "../lib/index.js";
import { CLIENT_ID, CLIENT_SECRET, startWorld } from "./support/world.js";

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

  test.each([{}, { access_token: "" }, { access_token: 7 }])(
    "that returns %j, which is no token set, is told so",
    async (answer) => {
      const { browser, url, me } = await startWorld({
        options: { hooks: { onTokens: () => answer as never } },
        log: [/onTokens returned something without an access_token/],
      });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );
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
    ["no claims", undefined],
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
      const { browser, url, me, log } = await startWorld({ options: { hooks: { onLogin } }, log: [/hook_failed/] });
      expect((await browser.visit(`${url}/account`)).status).toBe(500);
      expect(log.join()).toContain(`onLogin put ${name} into the session: the name is taken`);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("it answers the request", async () => {
    const onLogin = ({ req }: LoginContext) => void req.res?.send("come in");
    const { browser, url, me, log } = await startWorld({ options: { hooks: { onLogin } }, log: [/hook_failed/] });
    expect((await browser.visit(`${url}/account`)).body).toBe("come in");
    expect(log.join()).toContain("a hook answered the request: to refuse, throw");
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
    const { browser, url, portal, asked } = await startWorld({ options: { hooks: { [name]: hook } } });
    await browser.visit(`${url}/account`);
    await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
    const revoked = new URLSearchParams(asked("/oauth2/revoke")[0]?.body).get("token");
    expect(portal.issued).toContain(revoked);
    const form = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, grant_type: "refresh_token" };
    const refreshed = await fetch(`${portal.issuer}/oauth2/token`, {
      method: "POST",
      body: new URLSearchParams({ ...form, refresh_token: revoked ?? "" }),
    });
    expect(refreshed.status).toBe(400);
  });

  test("anything else is a failure of the app: told by name, without what it carries", async () => {
    const hook = async (): Promise<never> => {
      throw Object.assign(new Error("no such table eyJhbGciOiJSUzI1NiJ9eyJzdWIiOiJ4In0"), { token: "geheim" });
    };
    const { browser, url, me, log } = await startWorld({ options: { hooks: { [name]: hook } }, log: [/hook_failed/] });
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
          onLogout: ({ claims, tokens, req }) => void seen.push([claims.sub, Object.keys(tokens).length, req.session]),
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
    const { browser, url, me, log } = await startWorld({ options: { hooks: { onLogout } }, log: [/hook_failed/] });
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
          onError: (error, { res, requestId }) => void res.status(418).send(`${error.code} ${requestId.length}`),
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
