import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import { createServer, request as httpRequest, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import express, { type Express, type Request, type RequestHandler } from "express";
import session from "express-session";
import helmet from "helmet";
import { Server as SocketServer } from "socket.io";
import { io as connect } from "socket.io-client";
import request from "supertest";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import * as library from "../../lib/index.js";
import { inspector } from "../../lib/inspector/index.js";
import { instrumentPortalAuth } from "../../lib/opentelemetry/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import * as testing from "../../lib/testing/index.js";
import { json } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { serve } from "../support/serve.js";
import { observedStore } from "../support/stored-sessions.js";
import { SESSION_SECRET, startWorld, type World, type WorldOptions } from "../support/world.js";
import { type Block, readBlocks, runBlock } from "./blocks.js";

// Runs the blocks of the README and of the guide. A test finds its block by the start of the first line, and
// fails if there is no such block. types.test.ts checks the blocks that no test runs.

const blocks = await readBlocks();

/** Finds a block by the start of its first line, and by its page if several pages have such a block. */
function findBlock(key: string, page?: string): Block {
  const found = blocks.find(
    (candidate) => candidate.key.startsWith(key) && (page === undefined || candidate.page === page),
  );
  if (!found) throw new Error(`no page has a block that starts with ${key}`);
  return found;
}

const GUIDE = "example-app/guide";
const { startTestProvider } = testing;

/**
 * Returns the options that the `nth` block of users-and-hooks.md with this first line passes to portalAuth().
 */
async function readOptions(
  key: string,
  scope: Record<string, unknown> = {},
  nth = 0,
): Promise<library.PortalAuthOptions> {
  const given: library.PortalAuthOptions[] = [];
  const portalAuth = (options: library.PortalAuthOptions) => {
    given.push(options);
  };
  const page = `${GUIDE}/users-and-hooks.md`;
  const block = blocks.filter((candidate) => candidate.key === key && candidate.page === page)[nth];
  if (!block) throw new Error(`users-and-hooks.md has no block ${nth} that starts with ${key}`);
  await runBlock(block, { ...library, ...scope, portalAuth });
  return given[0] ?? {};
}

/** Returns a function that runs a block with an app. */
function inApp(block: Block, scope: Record<string, unknown> = {}): (app: Express) => void {
  return (app) => {
    void runBlock(block, { ...library, ...scope, app });
  };
}

test("the quick start is a recipe", async () => {
  const recipe = await readFile(
    new URL("../../example-app/recipes/new-app/app.mjs", import.meta.url),
    "utf8",
  );
  expect(findBlock("import express from 'express';", "README.md").code).toBe(recipe);
});

test.each(["README.md", `${GUIDE}/getting-started.md`])(
  "the test provider of %s is a recipe",
  async (page) => {
    const recipe = await readFile(new URL("../../example-app/recipes/portal.mjs", import.meta.url), "utf8");
    const key = "// Starts a test provider on this machine. It needs: npm install --save-dev oidc-provider";
    expect(findBlock(key, page).code).toBe(recipe);
  },
);

test.each(["README.md", `${GUIDE}/getting-started.md`])(
  "%s shows the settings of the test provider",
  async (page) => {
    const provider = await startTestProvider();
    onTestFinished(() => provider.close());
    const lines = Object.entries({ ...provider.env, PORTAL_ISSUER: "http://127.0.0.1:4000" });
    const { code } = findBlock("PORTAL_ISSUER=http://127.0.0.1:4000", page);
    expect(code).toContain(lines.map((pair) => pair.join("=")).join("\n"));
  },
);

test("shell commands name scripts and programs that exist", async () => {
  const shell = blocks.filter(({ language }) => language === "sh");
  const all = shell.map(({ code }) => code).join("\n");
  const { scripts, bin } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  for (const [, name = ""] of all.matchAll(/^npm (start|test)\b/gm)) expect(scripts).toHaveProperty(name);
  for (const [, name = ""] of all.matchAll(/^npx (express-\S+)/gm)) expect(bin).toHaveProperty(name);
});

test("the problem in the README is the response of the guard", async () => {
  const { code } = findBlock(
    '{ "type": "urn:express-portal-auth:login_required", "title": "Please sign in to continue."',
  );
  const { url, browser } = await startWorld();
  const problem = JSON.parse((await browser.fetch(`${url}/account`)).body);
  expect({ ...JSON.parse(code), request_id: problem.request_id }).toEqual(problem);
});

test("the example of the route /session has the members of its response", async () => {
  const { code } = findBlock('{ "isAuthenticated": true, "claims": { "name": "Amara" },');
  const { url, browser } = await startWorld({ options: { routes: { session: "/session" } } });
  await browser.visit(`${url}/account`);
  const status = JSON.parse((await browser.fetch(`${url}/session`)).body);
  const example = JSON.parse(code);
  expect(Object.keys(status).sort()).toEqual(Object.keys(example).sort());
  expect(Object.keys(status.expires_in).sort()).toEqual(Object.keys(example.expires_in).sort());
});

describe("tokens", () => {
  const ORDERS = "app.get('/orders', requireAuth(), async (req, res) => {";
  const ORDERS_4 = "app.get('/orders', requireAuth(), async (req, res, next) => {";
  const TOKENS = `${GUIDE}/tokens-and-apis.md`;

  async function startApi(status = 200) {
    const seen: (string | undefined)[] = [];
    const server = createServer((req, res) => {
      seen.push(req.headers.authorization);
      res.writeHead(status, { "content-type": "application/json" }).end('["tea"]');
    });
    return { origin: await serve(server), seen };
  }

  /** Replaces the URL of the API in the block, which does not exist. */
  const withOrigin = (block: Block, origin: string): Block => ({
    ...block,
    code: block.code.replaceAll("https://api.example", origin),
  });

  test.each([
    [ORDERS, 5],
    [ORDERS_4, 4],
  ] as const)("%s sends the user's token", async (key, version) => {
    const { origin, seen } = await startApi();
    const after = inApp(withOrigin(findBlock(key, TOKENS), origin));
    const { url, browser, me } = await startWorld({
      express: version,
      after,
      options: { apiOrigins: [origin] },
    });
    await browser.visit(`${url}/account`);
    expect((await browser.fetch(`${url}/orders`)).body).toBe('["tea"]');
    expect(seen).toEqual([`Bearer ${(await me()).tokens?.access_token}`]);
  });

  test("portalErrors() responds to the rejections of both handlers", async () => {
    for (const [key, version] of [
      [ORDERS, 5],
      [ORDERS_4, 4],
    ] as const) {
      const after: WorldOptions["after"] = (app) => {
        inApp(findBlock(key, TOKENS))(app);
        inApp(findBlock("import { portalErrors } from 'express-portal-auth';", TOKENS))(app);
      };
      const { url, browser } = await startWorld({ express: version, after, log: [/origin_not_allowed/] });
      await browser.visit(`${url}/account`);
      const { status, body } = await browser.fetch(`${url}/orders`);
      expect([status, JSON.parse(body).code]).toEqual([500, "origin_not_allowed"]);
    }
  });
});

test("the README's routes need a role, call an API, and sign the user out on all devices", async () => {
  const key =
    "app.get('/admin', requireAuth({ roles: 'admin' }), (req, res) => res.send(req.portal.claims.sub));";
  const origin = await serve((_req, res) => {
    res.writeHead(200, { "content-type": "application/json" }).end("[]");
  });
  const block = findBlock(key, "README.md");
  const { url, browser, provider, me } = await startWorld({
    after: inApp({ ...block, code: block.code.replaceAll("https://api.example", origin) }),
    options: { apiOrigins: [origin] },
    log: [/not_permitted/],
  });
  await browser.visit(`${url}/account`);
  expect((await browser.fetch(`${url}/admin`)).status).toBe(403);
  expect((await browser.fetch(`${url}/orders`)).body).toBe("[]");
  provider.nextIdToken({ claims: { roles: ["admin"] } });
  await browser.visit(`${url}/login`, { site: "same-origin" });
  expect((await browser.fetch(`${url}/admin`)).body).toBe("amara-okafor");
  const phone = new Browser();
  await phone.visit(`${url}/account`);
  await browser.fetch(`${url}/sign-out-everywhere`, { method: "POST" });
  for (const device of [browser, phone]) expect((await me(device)).isAuthenticated).toBe(false);
});

test("the README's test signs in without a provider", async () => {
  const app = express();
  app.use(
    library.portalAuth({
      issuer: "https://login.example",
      clientId: "app",
      clientSecret: "s",
      redirectUri: "http://127.0.0.1/callback",
      secret: SESSION_SECRET,
    }),
  );
  app.get("/admin", library.requireAuth({ roles: "admin" }), (_req, res) => {
    res.send("in");
  });
  await runBlock(findBlock("import { loginAs } from 'express-portal-auth/testing';", "README.md"), {
    ...testing,
    app,
    request,
  });
});

test("name and email are requested from userinfo, and saved at sign-in", async () => {
  const page = `${GUIDE}/users-and-hooks.md`;
  const given: library.PortalAuthOptions[] = [];
  const portalAuth = (options: library.PortalAuthOptions) => {
    given.push(options);
  };
  const userinfo = vi.fn(fetch);
  await runBlock(findBlock("const auth = portalAuth({", page), {
    portalAuth,
    fetch: (_url: string, init: RequestInit) => userinfo(`${world.provider.issuer}/userinfo`, init),
  });
  const world = await startWorld({
    options: given[0] ?? {},
    after: inApp(findBlock("app.get('/profile', requireAuth(), async (req, res) => {", page)),
  });
  await world.browser.visit(`${world.url}/account`);
  const expected = { name: "Amara Okafor", email: "amara@lighthouse.example" };
  expect((await world.me()).claims).toMatchObject(expected);
  expect(userinfo).toHaveBeenCalledOnce();
  expect(JSON.parse((await world.browser.fetch(`${world.url}/profile`)).body)).toEqual(expected);
});

test("the guards require a role and a scope, and a stronger sign-in", async () => {
  const block = findBlock(
    "app.get('/reports', requireAuth({ roles: ['manager', 'auditor'], scope: 'reports' })",
  );
  const scope = { reports: { all: () => ["r1"] }, bank: { transfer: () => "done" } };
  const { url, browser, provider } = await startWorld({
    after: inApp(block, scope),
    provider: { document: "full", acrValues: ["pwd", "mfa"] },
    options: { profile: "openid" },
    log: [/insufficient_scope|not_permitted/],
  });
  await browser.visit(`${url}/account`);
  expect((await browser.fetch(`${url}/reports`)).status).toBe(403);
  provider.nextIdToken({ claims: { roles: ["auditor"] } });
  provider.nextTokenResponse({ scope: "openid reports" });
  await browser.visit(`${url}/login`, { site: "same-origin" });
  expect((await browser.fetch(`${url}/reports`)).body).toBe('["r1"]');
  const transfer = async () => (await browser.fetch(`${url}/transfer`, { method: "POST" })).status;
  expect(await transfer()).toBe(401);
  await browser.visit(`${url}/login?acr_values=mfa`, { site: "same-origin" });
  expect(await transfer()).toBe(200);
});

test("the sessions of a user are listed, one is ended, and then all of them", async () => {
  const block = findBlock(
    "app.get('/api/sessions', requireAuth(), async (req, res) => res.json(await req.portal.sessions()));",
  );
  const { url, browser, me } = await startWorld({ after: inApp(block) });
  const phone = new Browser();
  const tablet = new Browser();
  for (const device of [browser, phone, tablet]) await device.visit(`${url}/account`);
  const listSessions = async () =>
    JSON.parse((await browser.fetch(`${url}/api/sessions`)).body) as library.SessionInfo[];
  const id = (await listSessions()).find(({ is_current }) => !is_current)?.id;
  expect((await browser.fetch(`${url}/api/sessions/${id}`, { method: "DELETE" })).body).toBe(
    '{"ended":true}',
  );
  expect(await listSessions()).toHaveLength(2);
  const response = await browser.fetch(`${url}/leave-everywhere`, { method: "POST" });
  expect(JSON.parse(response.body).logout_url).toContain("/logout?");
  for (const device of [browser, phone, tablet]) expect((await me(device)).isAuthenticated).toBe(false);
});

describe("a single-page app", () => {
  test("accepts changes only from its own pages", async () => {
    const after: WorldOptions["after"] = (app) => {
      inApp(findBlock("app.use('/api', requireAuth({ csrf: true }));", `${GUIDE}/single-page-apps.md`))(app);
      app.post("/api/things", (_req, res) => {
        res.send("done");
      });
    };
    const { url, browser } = await startWorld({ after, log: [/cross_site_refused/] });
    await browser.visit(`${url}/account`);
    const post = async (site: "same-origin" | "same-site") =>
      (await browser.fetch(`${url}/api/things`, { method: "POST", site })).status;
    expect([await post("same-origin"), await post("same-site")]).toEqual([200, 403]);
  });
});

test("a page's script sends the user to sign in after a 401", async () => {
  const { url, browser } = await startWorld();
  const fetch = async (path: string) => {
    const { status, body } = await browser.fetch(url + path);
    return { status, json: async () => JSON.parse(body) };
  };
  const location = { pathname: "/orders", search: "?page=2", href: "" };
  const block = findBlock("// in the page: calls the API, and signs in if necessary");
  const { call } = await runBlock(block, { fetch, location }, ["call"]);
  void (call as (path: string) => Promise<unknown>)("/account");
  await vi.waitFor(() => expect(location.href).toBe("/login?returnTo=%2Forders%3Fpage%3D2"));
});

describe("the end of a session", () => {
  test("a page warns the user, who can stay signed in", async () => {
    const { clock, later } = createClock();
    const given: library.PortalAuthOptions[] = [];
    const key = "app.use(portalAuth({ routes: { session: '/session' }, sessionClaims: ['name'] }));";
    const portalAuth = (options: library.PortalAuthOptions) => void given.push(options);
    await runBlock(findBlock(key), { portalAuth, app: { use: () => {} } });
    const { url, browser, me } = await startWorld({ options: { ...given[0], clock, sessionIdle: 1200 } });
    await browser.visit(`${url}/account`);
    const fetch = async (path: string) => {
      const { status, body } = await browser.fetch(url + path);
      return { ok: status === 200, json: async () => JSON.parse(body) };
    };
    const setInterval = (work: () => Promise<void>, ms: number) => ({ work, ms });
    const warned: (() => Promise<unknown>)[] = [];
    const warn = (stay: () => Promise<unknown>) => void warned.push(stay);
    const location = { href: "/account" };
    const clearInterval = vi.fn();
    const scope = { fetch, setInterval, clearInterval, warn, location };
    const { timer } = await runBlock(findBlock("// in the page: warns a minute before the end"), scope, [
      "timer",
    ]);
    const { work } = timer as ReturnType<typeof setInterval>;
    await work();
    later(1150);
    await work();
    expect(warned).toHaveLength(1);
    await warned[0]?.();
    later(100);
    await work();
    expect([warned.length, (await me()).isAuthenticated, location.href]).toEqual([1, true, "/account"]);
    later(1200);
    await work();
    expect([location.href, clearInterval.mock.calls]).toEqual(["/signed-out", [[timer]]]);
  });

  test.each([4, 5] as const)(
    "a form is saved during the login, and then sent (Express %s)",
    async (version) => {
      const added: unknown[] = [];
      const orders = { add: async (sub: string, order: object) => void added.push([sub, { ...order }]) };
      const after = inApp(findBlock("app.post('/orders', requireAuth({ keepForm: true }),"), {
        express,
        orders,
      });
      const { url, browser } = await startWorld({ express: version, after });
      const post = (to: string) =>
        browser.navigate(to, { method: "POST", site: "same-origin", form: { item: "tea" } });
      const saved = await post(`${url}/orders`);
      const page = await browser.visit(String(saved.headers["refresh"]).replace("0; url=", ""));
      expect(page.body).toContain('<input type="hidden" name="item" value="tea">');
      await post(new URL((await post(page.url)).headers.location ?? "", url).href);
      expect(added).toEqual([["amara-okafor", { item: "tea" }]]);
    },
  );
});

test("an API on another server gets the token, and the page gets its response", async () => {
  const seen: unknown[] = [];
  const origin = await serve((req, res) => {
    seen.push(req.url, req.headers.authorization, req.headers.cookie);
    res.end("tea");
  });
  const { code, ...rest } = findBlock("import { portalProxy } from 'express-portal-auth';");
  const after = inApp({ ...rest, code: code.replace("https://orders.example", origin) });
  const { url, browser, me } = await startWorld({ after });
  await browser.visit(`${url}/account`);
  expect((await browser.fetch(`${url}/api/open?page=2`)).body).toBe("tea");
  expect(seen).toEqual(["/v1/open?page=2", `Bearer ${(await me()).tokens?.access_token}`, undefined]);
});

describe("the app's own express-session", () => {
  type Handler = RequestHandler & { readonly options?: library.PortalAuthOptions };

  /** Returns the handlers that the block mounts: a session and a portalAuth() for each variant. */
  async function readHandlers(): Promise<Handler[]> {
    const handlers: Handler[] = [];
    const app = { use: (handler: Handler) => void handlers.push(handler) };
    const portalAuth = (options: library.PortalAuthOptions = {}) => Object.assign(() => {}, { options });
    class RedisStore extends session.MemoryStore {}
    vi.stubEnv("SESSION_STORE_URL", "memory:");
    const scope = { app, session, RedisStore, client: {}, secret: SESSION_SECRET };
    const api = { ...library, portalAuth };
    await runBlock(findBlock("import { createStore, portalAuth } from 'express-portal-auth';"), {
      ...api,
      ...scope,
    });
    return handlers;
  }

  async function readSessionKeys(session: RequestHandler | undefined, options: WorldOptions) {
    const world = await startWorld({
      ...options,
      before: (app) => app.use(session as RequestHandler),
      after: (app) => app.get("/test/session", (req, res) => void res.json(req.session)),
    });
    await world.browser.visit(`${world.url}/account`);
    expect((await world.me()).isAuthenticated).toBe(true);
    return Object.keys(JSON.parse((await world.browser.fetch(`${world.url}/test/session`)).body));
  }

  test("in a store of createStore() has the login in the same store", async () => {
    const [session, auth, ...others] = await readHandlers();
    expect([auth?.options, others.length]).toEqual([
      { store: expect.any(library.createStore("memory:").constructor) },
      2,
    ]);
    expect(await readSessionKeys(session, { options: auth?.options ?? {} })).toEqual(["cookie"]);
  });

  test("in another store has a reference to the login, which is in the option store", async () => {
    const [, , session] = await readHandlers();
    const store = observedStore();
    expect(await readSessionKeys(session, { options: { store } })).toEqual(["cookie", "portal_login"]);
    expect(await store.logins()).toHaveLength(1);
  });

  test("without the option store has the login in the session, and the log warns", async () => {
    const [, , session] = await readHandlers();
    expect(
      await readSessionKeys(session, { log: [/safe for one process only.*SESSION_STORE_URL/] }),
    ).toContain("portal_login");
    expect(vi.mocked(console.warn).mock.calls.flat().join()).toContain("safe for one process only");
  });
});

describe("several portalAuth() in one app", () => {
  test("one for customers and one for staff", async () => {
    const given: library.PortalAuthOptions[] = [];
    const portalAuth = (options: library.PortalAuthOptions = {}) => {
      given.push(options);
      const base = {
        issuer: "https://portal.example",
        clientId: "app",
        clientSecret: "s",
        secret: SESSION_SECRET,
      };
      return library.portalAuth({ ...base, redirectUri: "https://app.example/callback", ...options });
    };
    vi.spyOn(console, "warn").mockImplementation(() => {});
    for (const name of ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"])
      vi.stubEnv(`STAFF_${name}`, `https://${name}.example`.toLowerCase());
    const app = express();
    await runBlock(findBlock("const customers = portalAuth();"), { ...library, portalAuth, app });
    expect(given.map(({ name }) => name)).toEqual([undefined, "staff"]);
    const cookie = await testing.loginAs(app, { sub: "jonas" }, {}, { path: "/staff/callback" });
    const send = (header: string) =>
      request(app).get("/staff/payroll").set({ Cookie: header, "X-Forwarded-Proto": "https" });
    expect((await send(cookie)).body).toEqual({ sub: "jonas" });
    expect([(await send("")).status, (await send("")).body.login]).toEqual([401, "/staff/login"]);
  });

  test("one for each tenant", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const tenant = (host: string) => ({
      host,
      portal: {
        issuer: `https://${host}`,
        clientId: "app",
        clientSecret: "s",
        redirectUri: `https://${host}/callback`,
        secret: SESSION_SECRET,
      },
    });
    const app = express();
    const config = { tenants: [tenant("a.example"), tenant("b.example")] };
    await runBlock(findBlock("import { choosePortalAuth, portalAuth } from 'express-portal-auth';"), {
      ...library,
      app,
      config,
    });
    app.get("/", (req, res) => void res.json(req.portal.isAuthenticated));
    const status = async (host: string) => (await request(app).get("/").set("Host", host)).status;
    expect([await status("a.example"), await status("c.example")]).toEqual([200, 404]);
  });
});

describe("hooks", () => {
  const users = { upsert: async ({ sub }: { sub: string }) => ({ id: `user of ${sub}`, isNew: true }) };

  test("onLogin puts the user into the session, and redirects a new user to /welcome", async () => {
    const options = await readOptions("portalAuth({", { db: { users } });
    const after = (app: Express) =>
      app.get("/test/user", (req, res) => void res.json(Object(req.session).userId));
    const { url, browser } = await startWorld({ options, after });
    expect((await browser.visit(`${url}/login`, { site: "same-origin" })).url).toBe(`${url}/welcome`);
    expect((await browser.fetch(`${url}/test/user`)).body).toBe('"user of amara-okafor"');
  });

  test("onLogin rejects users who are not members, and saves only some claims of members", async () => {
    const key = "import { PortalAuthError } from 'express-portal-auth';";
    for (const members of [[], ["amara@lighthouse.example"]]) {
      const { hooks } = await readOptions(key, { members });
      const users = [{ sub: "amara-okafor", name: "Amara" }];
      const { url, browser, provider, me, asked } = await startWorld({
        provider: { users },
        options: hooks ? { hooks } : {},
      });
      provider.nextIdToken({ claims: { name: "Amara", email: "amara@lighthouse.example", phone: "1" } });
      const { body } = await browser.visit(`${url}/login`, { site: "same-origin" });
      if (members.length === 0) {
        expect(body).toContain("Members only.");
        await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
      } else expect((await me()).claims).toEqual({ sub: "amara-okafor", name: "Amara" });
    }
  });

  test("onTokens saves a token of the app's own service", async () => {
    const expiresAt = Math.floor(Date.now() / 1000) + 600;
    const tokenService = { issueFor: async (sub: string) => ({ token: `token for ${sub}`, expiresAt }) };
    const options = await readOptions("portalAuth({", { tokenService }, 1);
    const { url, browser, me } = await startWorld({ options });
    await browser.visit(`${url}/account`);
    expect((await me()).tokens).toMatchObject({
      access_token: "token for amara-okafor",
      expires_at: expiresAt,
    });
  });

  test("onLogout gets the claims, and onError responds if the provider is down", async () => {
    const written: string[][] = [];
    const audit = { write: (...words: string[]) => void written.push(words) };
    const renderPage = async (name: string, { requestId }: { requestId: string }) =>
      `${name} ${requestId.length}`;
    const options = await readOptions("portalAuth({", { audit, renderPage }, 2);
    const { url, browser, provider } = await startWorld({ options, log: [/portal_unreachable/] });
    provider.goDown();
    const { status, body } = await browser.navigate(`${url}/login`, { site: "same-origin" });
    expect([status, body]).toEqual([503, "portal-is-down 12"]);
    await provider.comeUp();
    await browser.visit(`${url}/account`);
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(written).toEqual([["logout", "amara-okafor"]]);
  });
});

describe("the test kit", () => {
  const TESTING = `${GUIDE}/testing.md`;

  /** Starts an empty app on loopback, as a reader has it. */
  async function startApp() {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const app = express();
    return { app, url: await serve(app) };
  }

  const OPTIONS = {
    issuer: "https://login.example",
    clientId: "app",
    clientSecret: "s",
    redirectUri: "http://127.0.0.1/callback",
    secret: SESSION_SECRET,
  };

  test("the fake clock ends a session", async () => {
    const { app, url } = await startApp();
    const block = findBlock("import { fakeClock, loginAs } from 'express-portal-auth/testing';", TESTING);
    const scope = { ...library, ...testing, app, options: OPTIONS };
    const code = block.code.replace("clock.advance", "await isSignedIn(cookie);\nclock.advance");
    const statusOf = async (cookie: string) =>
      (await fetch(`${url}/account`, { headers: { cookie } })).status;
    const isSignedIn = async (cookie: string) => {
      app.get("/account", library.requireAuth(), (_req, res) => {
        res.send("in");
      });
      expect(await statusOf(cookie)).toBe(200);
    };
    const { cookie } = await runBlock({ code }, { ...scope, isSignedIn }, ["cookie"]);
    expect(await statusOf(cookie as string)).toBe(401);
  });

  test("loginAs() sets roles, scopes and a recent sign-in", async () => {
    const { app, url } = await startApp();
    app.use(library.portalAuth(OPTIONS));
    const rules = { roles: "admin", scope: "reports", acr: "mfa", maxAge: 300 };
    app.get("/reports", library.requireAuth(rules), (_req, res) => {
      res.send("all");
    });
    const key = "const claims = { sub: 'jonas', roles: ['admin'], acr: 'mfa'";
    const { admin } = await runBlock(findBlock(key, TESTING), { ...testing, app }, ["admin"]);
    expect((await fetch(`${url}/reports`, { headers: { cookie: admin as string } })).status).toBe(200);
  });

  test("a logout at the test provider ends the session", async () => {
    const { app, url } = await startApp();
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    const block = findBlock("const provider = await startTestProvider({ document: 'full' });", TESTING);
    const guard = "app.get('/account', requireAuth(), (req, res) => res.send('in'));";
    const code = block.code.replace("provider.register", `${guard}\nprovider.register`);
    const scope = { ...library, startTestProvider, app, url, secret: SESSION_SECRET };
    const { cookie, provider } = await runBlock({ code }, scope, ["cookie", "provider"]);
    onTestFinished(() => (provider as testing.TestProvider).close());
    expect(log).toHaveBeenCalledWith(200);
    const { status } = await fetch(`${url}/account`, { headers: { cookie: cookie as string } });
    expect(status).toBe(401);
  });
});

describe("observability", () => {
  beforeAll(() => void vi.stubEnv("NODE_ENV", "test"));

  test("diagnose() supports a readiness route", async () => {
    const provider = await startTestProvider();
    onTestFinished(() => provider.close());
    const env = {
      ...provider.env,
      PORTAL_REDIRECT_URI: "http://127.0.0.1:3000/callback",
      SESSION_SECRET: "k7".repeat(5) + "abcdefgh".repeat(4),
    };
    const diagnose = (options: object, more: object) => library.diagnose(options, { ...more, env });
    const app = express();
    await runBlock(findBlock("import { diagnose } from 'express-portal-auth';", `${GUIDE}/deployment.md`), {
      diagnose,
      app,
    });
    expect((await request(app).get("/live")).text).toBe("alive");
    expect([(await request(app).get("/ready")).status, (await request(app).get("/ready")).body]).toEqual([
      200,
      [],
    ]);
    provider.goDown(); // signed-in users can still use the app
    expect((await request(app).get("/ready")).status).toBe(200);
    env.SESSION_SECRET = "short";
    const { status, body } = await request(app).get("/ready");
    expect([status, body]).toEqual([503, ["options.secret"]]);
  });

  test("the inspector is mounted", async () => {
    const inspectors: ReturnType<typeof inspector>[] = [];
    const after: WorldOptions["after"] = (app) => {
      const createInspector = () => {
        const router = inspector();
        inspectors.push(router);
        return router;
      };
      void runBlock(findBlock("import { inspector } from 'express-portal-auth/inspector';"), {
        inspector: createInspector,
        app,
        process,
      });
    };
    const { url, browser } = await startWorld({ after });
    const [router] = inspectors;
    expect((await browser.navigate(router?.link(`${url}/portal-inspector/`) ?? "")).status).toBe(200);
    router?.close();
  });

  test("a subscriber logs failed logins by code and step", async () => {
    const listeners: [string, (event: unknown) => void][] = [];
    const subscribeForTest = (name: string, listener: (event: unknown) => void) => {
      listeners.push([name, listener]);
      subscribe(name, listener);
    };
    onTestFinished(() => {
      for (const [name, listener] of listeners) unsubscribe(name, listener);
    });
    const log = vi.fn();
    const scope = { subscribe: subscribeForTest, console: { log } };
    await runBlock(findBlock("import { subscribe } from 'node:diagnostics_channel';"), scope);
    const { url, browser, provider } = await startWorld({ log: [/code_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await browser.visit(`${url}/account`);
    expect(log.mock.calls).toEqual([["login failed: code_refused (400) at exchange"]]);
  });

  test("OpenTelemetry is instrumented", async () => {
    const stops: (() => void)[] = [];
    const instrument = () => {
      stops.push(instrumentPortalAuth());
    };
    await runBlock(findBlock("import { instrumentPortalAuth } from 'express-portal-auth/opentelemetry';"), {
      instrumentPortalAuth: instrument,
    });
    expect(stops).toHaveLength(1);
    for (const stop of stops) stop();
  });
});

test("the last page of a login in a popup keeps its opener", async () => {
  const scope = { helmet, signedInPage: "signed in" };
  const { url, browser } = await startWorld({
    after: inApp(
      findBlock("app.use(helmet({ crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' } }));"),
      scope,
    ),
  });
  const { body, headers } = await browser.visit(`${url}/signed-in`);
  expect([body, headers["cross-origin-opener-policy"]]).toEqual(["signed in", undefined]);
  expect((await browser.navigate(`${url}/nowhere`)).headers["cross-origin-opener-policy"]).toBe(
    "same-origin-allow-popups",
  );
});

/** Signs in, and returns the Cookie header of the browser. */
async function signIn({ browser, url }: World): Promise<string> {
  await browser.visit(`${url}/account`);
  return [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
}

describe("socket.io", () => {
  /**
   * Runs the block. Returns a function that connects, and resolves with the greeting or the reason of a
   * rejection.
   */
  async function startSocketServer(auth: library.PortalAuth) {
    const server = createServer();
    const io = new SocketServer(server);
    await runBlock(findBlock("const session = express().use(auth);"), { express, auth, io, ServerResponse });
    io.on("connection", (socket) => {
      socket.emit("hello", (socket.request as Request).portal.claims?.sub);
    });
    const socketUrl = await serve(server);
    onTestFinished(() => io.close());
    return (transports: string[], cookie?: string) =>
      new Promise<string>((resolve) => {
        const extraHeaders = cookie === undefined ? {} : { cookie };
        const client = connect(socketUrl, { transports, extraHeaders, forceNew: true, reconnection: false });
        onTestFinished(() => {
          client.close();
        });
        client.on("hello", resolve).on("connect_error", ({ message }) => resolve(message));
      });
  }

  test.each([[["polling"]], [["websocket"]], [["polling", "websocket"]]])(
    "accepts only signed-in users, with %s",
    async (transports) => {
      const world = await startWorld();
      const connectClient = await startSocketServer(world.auth);
      expect(await connectClient(transports, await signIn(world))).toBe("amara-okafor");
      expect(await connectClient(transports)).toBe("please sign in");
    },
  );

  test("rejects a client while the session store is down", async () => {
    const store = createMemoryStore();
    const world = await startWorld({ options: { store }, log: [/session_store_failed/] });
    const connectClient = await startSocketServer(world.auth);
    const cookie = await signIn(world);
    vi.spyOn(store, "readEntry").mockRejectedValue(new Error("the store is down"));
    expect(await connectClient(["websocket"], cookie)).toBe("try again later");
  });
});

test("only an upgrade of a signed-in user becomes a WebSocket", async () => {
  const world = await startWorld();
  const cookie = await signIn(world);
  const { auth } = world;
  const server = createServer();
  const sockets = {
    handleUpgrade: (_req: unknown, socket: Duplex) =>
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    emit() {},
  };
  await runBlock(findBlock("const prepare = express().use(auth);"), {
    express,
    auth,
    server,
    ServerResponse,
    sockets,
  });
  const serverUrl = await serve(server);
  const upgrade = (headers: Record<string, string>, path = "/") =>
    new Promise<number | undefined>((resolve) => {
      const options = { headers: { Connection: "Upgrade", Upgrade: "websocket", ...headers }, agent: false };
      const upgradeRequest = httpRequest(serverUrl + path, options, (res) => resolve(res.statusCode));
      upgradeRequest.on("upgrade", (res) => resolve(res.statusCode)).end();
    });
  expect([await upgrade({ cookie }), await upgrade({})]).toEqual([101, 401]);
  expect(await upgrade({ Accept: "text/html" }, "/login")).toBe(302); // each connection gets a response
});
