import express, { type Express } from "express";
import session from "express-session";
import request from "supertest";
import { beforeEach, describe, expect, test, vi } from "vitest";
import * as library from "../../lib/index.js";
import * as testing from "../../lib/testing/index.js";
import { serve } from "../support/serve.js";
import { SESSION_SECRET } from "../support/world.js";
import { readBlocks, runBlock } from "./blocks.js";

// Runs the script blocks of the guide's pages about providers, pages of the app, migration and questions.

const SETTINGS: library.PortalAuthOptions = {
  issuer: "https://login.example",
  clientId: "app",
  clientSecret: "the-client-secret-of-the-app",
  redirectUri: "http://127.0.0.1:3000/callback",
  authorizationUrl: "https://login.example/authorize",
  tokenUrl: "https://login.example/token",
  jwksUrl: "https://login.example/keys",
  secret: SESSION_SECRET,
};

const blocks = (await readBlocks()).filter(({ language }) => language === "js");

/** Runs the block of a page that contains `text`. SETTINGS are the defaults of its portalAuth(). */
async function runIn(
  app: Express,
  page: string,
  text: string,
  scope: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const found = blocks.filter(
    (block) => block.page === `example-app/guide/${page}.md` && block.code.includes(text),
  );
  if (found.length !== 1) throw new Error(`${page} has ${found.length} blocks with ${text}`);
  const portalAuth = (options: library.PortalAuthOptions = {}) =>
    library.portalAuth({ ...SETTINGS, ...options });
  return runBlock(found[0] as (typeof found)[0], { ...library, portalAuth, express, app, ...scope });
}

/** Requests an error page, as a browser does. */
const requestErrorPage = (app: Express) =>
  request(app)
    .get("/callback?code=x&state=y")
    .set({ "Accept-Language": "de", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document" });

beforeEach(() => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  vi.spyOn(console, "error").mockImplementation(() => {});
});

describe("providers", () => {
  test.each([
    ["access_type", { access_type: "offline", prompt: "consent" }],
    ["audience", { audience: "https://api.example" }],
  ])("the block with %s adds parameters to the authorization request", async (text, parameters) => {
    const app = express();
    await runIn(app, "providers", text);
    const { headers } = await request(app).get("/login").set({ "Sec-Fetch-Mode": "navigate" });
    const query = new URL(headers["location"] ?? "").searchParams;
    expect(Object.fromEntries(query)).toMatchObject(parameters);
  });

  test("the block for Apple has valid options", async () => {
    vi.stubEnv("APPLE_CLIENT_ID", "app");
    vi.stubEnv("APPLE_CLIENT_SECRET", "a-secret-for-apple");
    await runIn(express(), "providers", "form_post");
    vi.unstubAllEnvs();
  });
});

describe("customising pages", () => {
  test("languages replace titles and labels", async () => {
    const app = express();
    await runIn(app, "customising-pages", "languages: {");
    const { text } = await requestErrorPage(app);
    expect(text).toContain("Anmeldung fehlgeschlagen");
    expect(text).toContain("Erneut anmelden");
  });

  test("renderPage escapes texts and makes forms of actions that post", async () => {
    const app = express();
    const { actionHtml } = await runInWith(app, ["actionHtml"]);
    const form = { label: "<Send>", post: "/form", fields: [["a", '"1"']] };
    expect((actionHtml as (action: object) => string)(form)).toMatch(/value="&#34;1&#34;".*&#60;Send&#62;/s);
    expect((await requestErrorPage(app)).text).toMatch(/<a href="\/login">.*<small>login_not_found/s);
  });

  async function runInWith(app: Express, requested: string[]) {
    const block = blocks.find(({ code }) => code.includes("function actionHtml"));
    const portalAuth = (options: object) => library.portalAuth({ ...SETTINGS, ...options });
    return runBlock(block as (typeof blocks)[0], { portalAuth, app }, requested);
  }

  test("renderPage can set its own Content-Security-Policy", async () => {
    const app = express();
    const templates = { render: (name: string, page: library.Page) => `${name}: ${page.title}` };
    await runIn(app, "customising-pages", "templates.render", { templates });
    const { text, headers } = await requestErrorPage(app);
    expect(text).toMatch(/^sign-in: /);
    expect(headers["content-security-policy"]).toContain("style-src 'self'");
  });

  test("onError sends its own response for one failure", async () => {
    const app = express();
    const down = { authorizationUrl: undefined, tokenUrl: undefined, jwksUrl: undefined };
    const portalAuth = (options: object) =>
      library.portalAuth({ ...SETTINGS, ...down, issuer: "http://127.0.0.1:9", ...options });
    await runIn(app, "customising-pages", "Sign-in is not available", { portalAuth });
    const { status, text } = await request(app).get("/login").set({ "Sec-Fetch-Mode": "navigate" });
    expect([status, text]).toEqual([503, expect.stringContaining("Sign-in is not available")]);
  });

  test("a hook rejects a user with a message", async () => {
    const given: library.PortalAuthOptions[] = [];
    const portalAuth = (options: library.PortalAuthOptions) => {
      given.push(options);
      return () => {};
    };
    await runIn(express(), "customising-pages", "This account is blocked", { portalAuth });
    const context = { claims: { sub: "amara", blocked: true } } as unknown as library.LoginContext;
    const rejection = expect.objectContaining({
      code: "login_refused",
      sentence: "This account is blocked.",
    });
    expect(() => given[0]?.hooks?.onLogin?.(context)).toThrow(rejection);
  });

  test("a sign-in page of the app comes before the provider's", async () => {
    const app = express();
    app.use(library.portalAuth(SETTINGS));
    await runIn(app, "customising-pages", "app.get('/welcome'");
    await runIn(app, "customising-pages", "res.redirect('/welcome')");
    app.get("/orders", (_req, res) => {
      res.send("orders");
    });
    expect((await request(app).get("/orders")).headers["location"]).toBe("/welcome");
    expect((await request(app).get("/welcome")).text).toContain('href="/login?returnTo=/orders"');
    const cookie = await testing.loginAs(app, { sub: "amara" });
    expect((await request(app).get("/orders").set("Cookie", cookie)).text).toBe("orders");
  });
});

describe("migration", () => {
  test.each([
    ["migrating/express-openid-connect", "/reports", ["a", "b"]],
    ["faq", "/audit", ["audit", "finance"]],
  ])("%s: a function requires all values of a claim", async (page, path, groups) => {
    const app = express();
    app.use(library.portalAuth(SETTINGS));
    await runIn(app, page, "hasAll");
    const readStatus = async (userGroups: string[]) => {
      const cookie = await testing.loginAs(app, { sub: "amara", groups: userGroups });
      return (await request(app).get(path).set("Cookie", cookie)).status;
    };
    expect([await readStatus(groups), await readStatus(groups.slice(1))]).toEqual([200, 403]);
  });

  test("passport-openidconnect: req.user still works", async () => {
    const app = express();
    app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false }));
    app.use(library.portalAuth(SETTINGS));
    await runIn(app, "migrating/passport-openidconnect", "Object.assign(req");
    app.get("/me", (req, res) => {
      res.json((req as unknown as { user?: object }).user ?? null);
    });
    const data = { session: { userId: "7" } as object };
    const cookie = await testing.loginAs(app, { sub: "amara" }, {}, data);
    expect((await request(app).get("/me").set("Cookie", cookie)).body).toEqual({ id: "7", sub: "amara" });
    expect((await request(app).get("/me")).body).toBeNull();
  });

  test("portal-sdk: the old cookies are deleted", async () => {
    const app = express();
    await runIn(app, "migrating/portal-sdk", "clearCookie");
    const { headers } = await request(app).get("/");
    expect(String(headers["set-cookie"])).toMatch(/access_token=;.*user=;/);
  });

  test("hand-written: the app calls an API with the user's token", async () => {
    const seen: unknown[] = [];
    const origin = await serve((req, res) => {
      seen.push(req.headers.authorization);
      res.writeHead(200, { "content-type": "application/json" }).end('["tea"]');
    });
    const app = express();
    const block = blocks.find(({ page }) => page === "example-app/guide/migrating/hand-written.md");
    const code = (block as (typeof blocks)[0]).code
      .replaceAll("https://api.example", origin)
      .replace("const app = express();", "");
    const portalAuth = (options: object) => library.portalAuth({ ...SETTINGS, ...options });
    await runBlock({ code: code.replace(/^import .*$/gm, "") }, { ...library, portalAuth, app });
    const cookie = await testing.loginAs(app, { sub: "amara" }, { access_token: "the-token" });
    expect((await request(app).get("/orders").set("Cookie", cookie)).body).toEqual(["tea"]);
    expect(seen).toEqual(["Bearer the-token"]);
  });
});
