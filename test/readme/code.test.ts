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
import { json } from "../access/logged-in.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { observedStore } from "../support/stored-sessions.js";
import {
  close,
  listen,
  SESSION_SECRET,
  startWorld,
  type World,
  type WorldOptions,
} from "../support/world.js";
import { type Block, readBlocks, runBlock } from "./blocks.js";

// Each block of the README is run here, by its first line; one that is not, and one that is gone, fail.

const blocks = await readBlocks();
const claimed = new Set<string>();

function block(key: string): Block {
  claimed.add(key);
  const found = blocks.find((one) => one.key === key);
  if (!found) throw new Error(`the README has no block that begins with ${key}`);
  return found;
}

/** The options that a block hands to portalAuth(). */
async function optionsOf(
  key: string,
  scope: Record<string, unknown> = {},
): Promise<library.PortalAuthOptions> {
  const given: library.PortalAuthOptions[] = [];
  const portalAuth = (options: library.PortalAuthOptions) => void given.push(options);
  await runBlock(blocks.filter((one) => one.key === key)[occurrence(key)] ?? block(key), {
    ...library,
    ...scope,
    portalAuth,
  });
  claimed.add(key);
  return given[0] ?? {};
}

/** Several blocks begin alike: they are taken in their order. */
const taken = new Map<string, number>();
function occurrence(key: string): number {
  const count = taken.get(key) ?? 0;
  taken.set(key, count + 1);
  return count;
}

const inApp =
  (one: Block, scope: Record<string, unknown> = {}): ((app: Express) => void) =>
  (app) =>
    void runBlock(one, { ...library, ...scope, app });

test("the quick start is a recipe, which is started as it stands", async () => {
  const recipe = await readFile(
    new URL("../../example-app/recipes/new-app/app.mjs", import.meta.url),
    "utf8",
  );
  expect(block("import express from 'express';").code).toBe(recipe);
});

test("the portal at hand is a recipe, which is started as it stands", async () => {
  const recipe = await readFile(new URL("../../example-app/recipes/portal.mjs", import.meta.url), "utf8");
  const key = "// A portal on this machine, for trying things out: npm install --save-dev oidc-provider";
  expect(block(key).code).toBe(recipe);
});

test("what is typed into a shell exists", async () => {
  const shell = blocks.filter(({ language }) => language === "sh");
  for (const { key } of shell) claimed.add(key);
  const all = shell.map(({ code }) => code).join("\n");
  const { scripts, bin } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  for (const [, name = ""] of all.matchAll(/^npm (start|test)\b/gm)) expect(scripts).toHaveProperty(name);
  for (const [, name = ""] of all.matchAll(/^npx (\S+)/gm)) expect(bin).toHaveProperty(name);
  expect(all).toContain("export PORTAL_REDIRECT_URI=http://127.0.0.1:3000/callback");
});

test("the problem is what the guard answers", async () => {
  const { key, code } = blocks.find(({ language }) => language === "json") as Block;
  claimed.add(key);
  const { url, browser } = await startWorld();
  const told = JSON.parse((await browser.fetch(`${url}/account`)).body);
  expect({ ...JSON.parse(code), request_id: told.request_id }).toEqual(told);
});

describe("tokens that stay alive", () => {
  const ORDERS = "app.get('/orders', requireAuth(), async (req, res) => {";
  const ORDERS_4 = "app.get('/orders', requireAuth(), async (req, res, next) => {";

  async function startApi(status = 200) {
    const seen: (string | undefined)[] = [];
    const server = createServer((req, res) => {
      seen.push(req.headers.authorization);
      res.writeHead(status, { "content-type": "application/json" }).end('["tea"]');
    });
    onTestFinished(() => close(server));
    return { origin: await listen(server), seen };
  }

  /** The API's address in the block is one that does not exist. */
  const at = (one: Block, origin: string): Block => ({
    ...one,
    code: one.code.replaceAll("https://api.example", origin),
  });

  test.each([
    [ORDERS, 5],
    [ORDERS_4, 4],
  ] as const)("%s fetches with the person's token", async (key, version) => {
    const { origin, seen } = await startApi();
    const after = inApp(at(block(key), origin));
    const { url, browser, me } = await startWorld({
      express: version,
      after,
      options: { apiOrigins: [origin] },
    });
    await browser.visit(`${url}/account`);
    expect((await browser.fetch(`${url}/orders`)).body).toBe('["tea"]');
    expect(seen).toEqual([`Bearer ${(await me()).tokens?.access_token}`]);
  });

  test("behind the routes portalErrors() answers what they reject with, and Express 4 hands on what is handed on", async () => {
    for (const [key, version] of [
      [ORDERS, 5],
      [ORDERS_4, 4],
    ] as const) {
      const after: WorldOptions["after"] = (app) => {
        inApp(block(key))(app);
        inApp(block("import { portalErrors } from 'express-portal-auth';"))(app);
      };
      const { url, browser } = await startWorld({ express: version, after, log: [/origin_not_allowed/] });
      await browser.visit(`${url}/account`);
      const { status, body } = await browser.fetch(`${url}/orders`);
      expect([status, JSON.parse(body).code]).toEqual([500, "origin_not_allowed"]);
    }
  });
});

test("who has the role and the scope sees the reports, and who has authenticated strongly may transfer", async () => {
  const one = block(
    "app.get('/reports', requireAuth({ roles: ['manager', 'auditor'], scope: 'reports' }), (req, res) => res.json(reports.all()));",
  );
  const scope = { reports: { all: () => ["r1"] }, bank: { transfer: () => "done" } };
  const { url, browser, portal } = await startWorld({
    after: inApp(one, scope),
    portal: { document: "full", acrValues: ["pwd", "mfa"] },
    options: { profile: "openid" },
    log: [/insufficient_scope|not_permitted/],
  });
  await browser.visit(`${url}/account`);
  expect((await browser.fetch(`${url}/reports`)).status).toBe(403);
  portal.nextIdToken({ claims: { roles: ["auditor"] } });
  portal.nextTokenAnswer({ scope: "openid reports" });
  await browser.visit(`${url}/login`, { site: "same-origin" });
  expect((await browser.fetch(`${url}/reports`)).body).toBe('["r1"]');
  const transfer = async () => (await browser.fetch(`${url}/transfer`, { method: "POST" })).status;
  expect(await transfer()).toBe(401);
  await browser.visit(`${url}/login?acr_values=mfa`, { site: "same-origin" });
  expect(await transfer()).toBe(200);
});

test("a person's sessions are listed, one is ended, and then all of them", async () => {
  const one = block(
    "app.get('/api/sessions', requireAuth(), async (req, res) => res.json(await req.portal.sessions()));",
  );
  const { url, browser, me } = await startWorld({ after: inApp(one) });
  const [phone, tablet] = [new Browser(), new Browser()];
  for (const each of [browser, phone, tablet]) await each.visit(`${url}/account`);
  const list = async () =>
    JSON.parse((await browser.fetch(`${url}/api/sessions`)).body) as library.SessionInfo[];
  const id = (await list()).find(({ is_current }) => !is_current)?.id;
  expect((await browser.fetch(`${url}/api/sessions/${id}`, { method: "DELETE" })).body).toBe(
    '{"ended":true}',
  );
  expect(await list()).toHaveLength(2);
  const left = await browser.fetch(`${url}/leave-everywhere`, { method: "POST" });
  expect(JSON.parse(left.body).logout_url).toContain("/logout?");
  for (const each of [browser, phone, tablet]) expect((await me(each)).isAuthenticated).toBe(false);
});

describe("a front end of its own", () => {
  test("is guarded where it changes something", async () => {
    const after: WorldOptions["after"] = (app) => {
      inApp(block("app.use('/api', requireAuth({ csrf: true }));"))(app);
      app.post("/api/things", (_req, res) => void res.send("done"));
    };
    const { url, browser } = await startWorld({ after, log: [/cross_site_refused/] });
    await browser.visit(`${url}/account`);
    const post = async (site: "same-origin" | "same-site") =>
      (await browser.fetch(`${url}/api/things`, { method: "POST", site })).status;
    expect([await post("same-origin"), await post("same-site")]).toEqual([200, 403]);
  });
});

describe("when a session ends in the middle", () => {
  test("a page warns in time, and its person stays signed in", async () => {
    const { clock, later } = createClock();
    const given: library.PortalAuthOptions[] = [];
    const key = "app.use(portalAuth({ routes: { session: '/session' }, sessionClaims: ['name'] }));";
    const portalAuth = (options: library.PortalAuthOptions) => void given.push(options);
    await runBlock(block(key), { portalAuth, app: { use: () => {} } });
    const { url, browser, me } = await startWorld({ options: { ...given[0], clock, sessionIdle: 1200 } });
    await browser.visit(`${url}/account`);
    const fetch = async (path: string) => {
      const { status, body } = await browser.fetch(url + path);
      return { ok: status === 200, json: async () => JSON.parse(body) };
    };
    const setInterval = (work: () => Promise<void>, ms: number) => ({ work, ms });
    const warned: (() => Promise<unknown>)[] = [];
    const warn = (stay: () => Promise<unknown>) => void warned.push(stay);
    const reload = vi.fn();
    const scope = { fetch, setInterval, warn, location: { reload } };
    const { timer } = await runBlock(block("// in a page: warns a minute before the end"), scope, ["timer"]);
    const { work } = timer as ReturnType<typeof setInterval>;
    await work();
    later(1150);
    await work();
    expect(warned).toHaveLength(1);
    await warned[0]?.();
    later(100);
    await work();
    expect([warned.length, (await me()).isAuthenticated, reload.mock.calls.length]).toEqual([1, true, 0]);
    later(1200);
    await work();
    expect(reload).toHaveBeenCalledOnce();
  });

  test.each([4, 5] as const)("a form is kept, and then an order (Express %s)", async (version) => {
    const added: unknown[] = [];
    const orders = { add: async (sub: string, order: object) => void added.push([sub, { ...order }]) };
    const after = inApp(
      block(
        "app.post('/orders', requireAuth({ keepForm: true }), express.urlencoded({ extended: false }), async (req, res) => {",
      ),
      { express, orders },
    );
    const { url, browser } = await startWorld({ express: version, after });
    const post = (to: string) =>
      browser.navigate(to, { method: "POST", site: "same-origin", form: { item: "tea" } });
    const kept = await post(`${url}/orders`);
    const page = await browser.visit(String(kept.headers["refresh"]).replace("0; url=", ""));
    expect(page.body).toContain('<input type="hidden" name="item" value="tea">');
    await post(new URL((await post(page.url)).headers.location ?? "", url).href);
    expect(added).toEqual([["amara-okafor", { item: "tea" }]]);
  });
});

test("an API elsewhere gets the token, and the page what it answers", async () => {
  const seen: unknown[] = [];
  const server = createServer((req, res) => {
    seen.push(req.url, req.headers.authorization, req.headers.cookie);
    res.end("tea");
  });
  onTestFinished(() => close(server));
  const origin = await listen(server);
  const { code, ...rest } = block("import { portalProxy } from 'express-portal-auth';");
  const after = inApp({ ...rest, code: code.replace("https://orders.example", origin) });
  const { url, browser, me } = await startWorld({ after });
  await browser.visit(`${url}/account`);
  expect((await browser.fetch(`${url}/api/open?page=2`)).body).toBe("tea");
  expect(seen).toEqual(["/v1/open?page=2", `Bearer ${(await me()).tokens?.access_token}`, undefined]);
});

describe("the app's own express-session", () => {
  type Mounted = RequestHandler & { readonly options?: library.PortalAuthOptions };

  /** What the block mounts: for each way a session and a portalAuth(), of which its options are kept. */
  async function mounted(): Promise<Mounted[]> {
    const handlers: Mounted[] = [];
    const app = { use: (handler: Mounted) => void handlers.push(handler) };
    const portalAuth = (options: library.PortalAuthOptions = {}) => Object.assign(() => {}, { options });
    class RedisStore extends session.MemoryStore {}
    vi.stubEnv("SESSION_STORE_URL", "memory:");
    const scope = { app, session, RedisStore, client: {}, secret: SESSION_SECRET };
    const others = { ...library, portalAuth };
    await runBlock(block("import { createStore, portalAuth } from 'express-portal-auth';"), {
      ...others,
      ...scope,
    });
    return handlers;
  }

  async function worldWith(session: RequestHandler | undefined, more: WorldOptions) {
    const world = await startWorld({
      ...more,
      before: (app) => app.use(session as RequestHandler),
      after: (app) => app.get("/test/session", (req, res) => void res.json(req.session)),
    });
    await world.browser.visit(`${world.url}/account`);
    expect((await world.me()).isAuthenticated).toBe(true);
    return Object.keys(JSON.parse((await world.browser.fetch(`${world.url}/test/session`)).body));
  }

  test("in a store of ours keeps the login beside the session", async () => {
    const [session, auth, ...others] = await mounted();
    expect([auth?.options, others.length]).toEqual([
      { store: expect.any(library.createStore("memory:").constructor) },
      2,
    ]);
    expect(await worldWith(session, { options: auth?.options ?? {} })).toEqual(["cookie"]);
  });

  test("in a store of its own refers to the login, which is in the option store", async () => {
    const [, , session] = await mounted();
    const store = observedStore();
    expect(await worldWith(session, { options: { store } })).toEqual(["cookie", "portal_login"]);
    expect(await store.logins()).toHaveLength(1);
  });

  test("in a store of its own keeps the login there without the option store, and the log says for how many processes", async () => {
    const [, , session] = await mounted();
    expect(await worldWith(session, { log: [/safe for one process only.*SESSION_STORE_URL/] })).toContain(
      "portal_login",
    );
    expect(vi.mocked(console.warn).mock.calls.flat().join()).toContain("safe for one process only");
  });
});

describe("several in one app", () => {
  test("customers and staff are two", async () => {
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
    await runBlock(block("const customers = portalAuth();"), { ...library, portalAuth, app });
    expect(given.map(({ name }) => name)).toEqual([undefined, "staff"]);
    const cookie = await testing.loginAs(app, { sub: "jonas" }, {}, { path: "/staff/callback" });
    const ask = (header: string) =>
      request(app).get("/staff/payroll").set({ Cookie: header, "X-Forwarded-Proto": "https" });
    expect((await ask(cookie)).body).toEqual({ sub: "jonas" });
    expect([(await ask("")).status, (await ask("")).body.login]).toEqual([401, "/staff/login"]);
  });

  test("each tenant has its own", async () => {
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
    await runBlock(block("import { choosePortalAuth, portalAuth } from 'express-portal-auth';"), {
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

  test("onLogin puts the user into the session, and leads who is new to /welcome", async () => {
    const options = await optionsOf("portalAuth({", { db: { users } });
    const after = (app: Express) =>
      app.get("/test/user", (req, res) => void res.json(Object(req.session).userId));
    const { url, browser } = await startWorld({ options, after });
    expect((await browser.visit(`${url}/login`, { site: "same-origin" })).url).toBe(`${url}/welcome`);
    expect((await browser.fetch(`${url}/test/user`)).body).toBe('"user of amara-okafor"');
  });

  test("onLogin refuses who is no member, in the app's own words, and keeps few claims of who is", async () => {
    const key = "import { PortalAuthError } from 'express-portal-auth';";
    for (const members of [[], ["amara@lighthouse.example"]]) {
      const { hooks } = await optionsOf(key, { members });
      taken.delete(key);
      const portal = { people: [{ sub: "amara-okafor", name: "Amara" }] };
      const {
        url,
        browser,
        portal: started,
        me,
        asked,
      } = await startWorld({ portal, options: hooks ? { hooks } : {} });
      started.nextIdToken({ claims: { name: "Amara", email: "amara@lighthouse.example", phone: "1" } });
      const { body } = await browser.visit(`${url}/login`, { site: "same-origin" });
      if (members.length === 0) {
        expect(body).toContain("Members only.");
        await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
      } else expect((await me()).claims).toEqual({ sub: "amara-okafor", name: "Amara" });
    }
  });

  test("onTokens keeps a token of one's own", async () => {
    const expiresAt = Math.floor(Date.now() / 1000) + 600;
    const tokenService = { issueFor: async (sub: string) => ({ token: `own token of ${sub}`, expiresAt }) };
    const options = await optionsOf("portalAuth({", { tokenService });
    const { url, browser, me } = await startWorld({ options });
    await browser.visit(`${url}/account`);
    expect((await me()).tokens).toMatchObject({
      access_token: "own token of amara-okafor",
      expires_at: expiresAt,
    });
  });

  test("onLogout is told who, and onError answers for a portal that is down", async () => {
    const written: string[][] = [];
    const audit = { write: (...words: string[]) => void written.push(words) };
    const renderPage = async (name: string, { requestId }: { requestId: string }) =>
      `${name} ${requestId.length}`;
    const options = await optionsOf("portalAuth({", { audit, renderPage });
    const { url, browser, portal } = await startWorld({ options, log: [/portal_unreachable/] });
    portal.goDown();
    const { status, body } = await browser.navigate(`${url}/login`, { site: "same-origin" });
    expect([status, body]).toEqual([503, "portal-is-down 12"]);
    await portal.comeUp();
    await browser.visit(`${url}/account`);
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(written).toEqual([["logout", "amara-okafor"]]);
  });

  test("languages and renderPage change our pages", async () => {
    const templates = {
      render: (name: string, page: library.Page) => `${name}: ${page.title} / ${page.actions[0]?.label}`,
    };
    const options = await optionsOf("portalAuth({", { templates });
    const { url, browser } = await startWorld({ options, log: [/login_not_found/] });
    const headers = { "accept-language": "de" };
    const { body } = await browser.navigate(`${url}/callback?code=x&state=y`, { headers });
    expect(body).toBe("sign-in: Anmeldung fehlgeschlagen / Erneut anmelden");
  });
});

describe("testing", () => {
  test("loginAs() and the clock", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const app = express();
    const base = {
      issuer: "https://portal.example",
      clientId: "app",
      clientSecret: "s",
      secret: SESSION_SECRET,
    };
    app.use(library.portalAuth({ ...base, redirectUri: "http://127.0.0.1/callback" }));
    app.get("/account", library.requireAuth(), (req, res) => void res.json(req.portal.claims));
    const added: unknown[] = [];
    const context = { addCookies: async (cookies: unknown[]) => void added.push(...cookies) };
    const scope = { ...testing, app, request, context, url: "http://127.0.0.1:3000" };
    const key =
      "import { cookiesFor, fakeClock, loginAs, startTestPortal } from 'express-portal-auth/testing';";
    await runBlock(block(key), scope);
    expect(added).toEqual([
      expect.objectContaining({ name: "portal-session", url: "http://127.0.0.1:3000" }),
    ]);
  });

  test("the test portal logs in, and misbehaves", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const app = express();
    const server = createServer(app);
    onTestFinished(() => close(server));
    const url = await listen(server);
    const key = "const portal = await startTestPortal();";
    const one = block(key);
    // the guard behind what the block mounts
    const code = one.code.replace(
      /^(app\.use\(.*)$/m,
      "$1\napp.get('/account', requireAuth(), (req, res) => res.json(req.portal.claims));",
    );
    const scope = { ...library, ...testing, app, url, secret: SESSION_SECRET };
    const { portal, cookie } = await runBlock({ ...one, code }, scope, ["portal", "cookie"]);
    onTestFinished(() => (portal as testing.TestPortal).close());
    expect((portal as testing.TestPortal).unmet()).toEqual(["/oauth2/token"]);
    expect((await fetch(`${url}/account`, { headers: { cookie: cookie as string } })).status).toBe(200);
  });

  test("rights are given to a login, and a portal's logouts are tried", async () => {
    const app = express();
    const server = createServer(app);
    onTestFinished(() => close(server));
    const url = await listen(server);
    vi.spyOn(console, "warn").mockImplementation(() => {});
    let portal: testing.TestPortal | undefined;
    let amara = "";
    /** The app that a reader has: it is there once the portal is. */
    async function startTestPortal(options: testing.TestPortalOptions): Promise<testing.TestPortal> {
      portal = await testing.startTestPortal(options);
      onTestFinished(() => portal?.close());
      const own = { redirectUri: `${url}/callback`, secret: SESSION_SECRET, backchannelLogout: true };
      app.use(library.portalAuth({ ...portal.options, ...own }));
      const demands = { roles: "admin", acr: "mfa", maxAge: 300, scope: "reports" };
      app.get("/reports", library.requireAuth(demands), (_req, res) => void res.json("all"));
      app.get("/account", library.requireAuth({ roles: "admin" }), (_req, res) => void res.json("in"));
      return portal;
    }
    const lines = block(
      "const rights = { sub: 'jonas', roles: ['admin'], acr: 'mfa', auth_time: Date.now() / 1000 };",
    ).code.split("\n");
    const login = lines.findIndex((line) => line.startsWith("const admin"));
    const code = [...lines.slice(0, login), ...lines.slice(login + 1)]; // the app must be there first
    const at = code.findIndex((line) => line.startsWith("portal.register"));
    code.splice(at + 1, 0, lines[login] ?? "", "await signIn();");
    const signIn = async () => {
      amara = (await portal?.signIn(`${url}/account`))?.cookie ?? "";
      expect((await fetch(`${url}/account`, { headers: { cookie: amara } })).status).toBe(200);
    };
    const scope = { ...testing, startTestPortal, app, url, signIn };
    const one = { key: "", language: "js", code: code.join("\n") };
    const { admin, answers, status } = await runBlock(one, scope, ["admin", "answers", "status"]);
    expect((await fetch(`${url}/reports`, { headers: { cookie: admin as string } })).status).toBe(200);
    expect((await fetch(`${url}/account`, { headers: { cookie: amara } })).status).toBe(401);
    expect([answers, status]).toMatchObject([[{ status: 200 }], 400]);
  });
});

describe("seeing what it does", () => {
  beforeAll(() => void vi.stubEnv("NODE_ENV", "test"));

  test("diagnose() answers for a readiness route", async () => {
    const portal = await testing.startTestPortal();
    onTestFinished(() => portal.close());
    const env = {
      ...portal.env,
      PORTAL_REDIRECT_URI: "http://127.0.0.1:3000/callback",
      SESSION_SECRET: "k7".repeat(5) + "abcdefgh".repeat(4),
    };
    const diagnose = (options: object, more: object) => library.diagnose(options, { ...more, env });
    const app = express();
    await runBlock(block("import { diagnose } from 'express-portal-auth';"), { diagnose, app });
    expect([(await request(app).get("/ready")).status, (await request(app).get("/ready")).body]).toEqual([
      200,
      [],
    ]);
    portal.goDown(); // who is logged in can still be served
    expect((await request(app).get("/ready")).status).toBe(200);
    env.SESSION_SECRET = "short";
    const { status, body } = await request(app).get("/ready");
    expect([status, body]).toEqual([503, ["options.secret"]]);
  });

  test("the inspector is mounted", async () => {
    const made: ReturnType<typeof inspector>[] = [];
    const after: WorldOptions["after"] = (app) => {
      const kept = () => {
        const one = inspector();
        made.push(one);
        return one;
      };
      void runBlock(block("import { inspector } from 'express-portal-auth/inspector';"), {
        inspector: kept,
        app,
        process,
      });
    };
    const { url, browser } = await startWorld({ after });
    const [one] = made;
    expect((await browser.navigate(one?.link(`${url}/portal-inspector/`) ?? "")).status).toBe(200);
    one?.close();
  });

  test("a subscriber counts failed logins by code and step", async () => {
    const counted: string[][] = [];
    const listeners: [string, (event: unknown) => void][] = [];
    const listening = (name: string, listener: (event: unknown) => void) => {
      listeners.push([name, listener]);
      subscribe(name, listener);
    };
    onTestFinished(() => {
      for (const [name, listener] of listeners) unsubscribe(name, listener);
    });
    const count = (...words: string[]) => void counted.push(words);
    await runBlock(block("import { subscribe } from 'node:diagnostics_channel';"), {
      subscribe: listening,
      count,
    });
    const { url, browser, portal } = await startWorld({ log: [/code_refused/] });
    portal.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    await browser.visit(`${url}/account`);
    expect(counted).toEqual([["code_refused", "exchange"]]);
  });

  test("OpenTelemetry is told", async () => {
    const stops: (() => void)[] = [];
    const kept = () => void stops.push(instrumentPortalAuth());
    await runBlock(block("import { instrumentPortalAuth } from 'express-portal-auth/opentelemetry';"), {
      instrumentPortalAuth: kept,
    });
    expect(stops).toHaveLength(1);
    for (const stop of stops) stop();
  });
});

test("the last page of a login in a popup keeps its opener", async () => {
  const scope = { helmet, signedInPage: "signed in" };
  const { url, browser } = await startWorld({
    after: inApp(
      block("app.use(helmet({ crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' } }));"),
      scope,
    ),
  });
  const { body, headers } = await browser.visit(`${url}/signed-in`);
  expect([body, headers["cross-origin-opener-policy"]]).toEqual(["signed in", undefined]);
  expect((await browser.navigate(`${url}/nowhere`)).headers["cross-origin-opener-policy"]).toBe(
    "same-origin-allow-popups",
  );
});

/** The header of a browser that has signed in, or of a stranger's. */
async function cookieOf({ browser, url }: World): Promise<string> {
  await browser.visit(`${url}/account`);
  return [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
}

describe("socket.io", () => {
  /** Runs the block, and returns what a client gets: the greeting of the server, or why it was refused. */
  async function serve(auth: library.PortalAuth) {
    const server = createServer();
    const io = new SocketServer(server);
    await runBlock(block("const session = express().use(auth);"), { express, auth, io, ServerResponse });
    io.on(
      "connection",
      (socket) => void socket.emit("hello", (socket.request as Request).portal.claims?.sub),
    );
    const address = await listen(server);
    onTestFinished(() => io.close());
    return (transports: string[], cookie?: string) =>
      new Promise<string>((resolve) => {
        const extraHeaders = cookie === undefined ? {} : { cookie };
        const client = connect(address, { transports, extraHeaders, forceNew: true, reconnection: false });
        onTestFinished(() => void client.close());
        client.on("hello", resolve).on("connect_error", ({ message }) => resolve(message));
      });
  }

  test.each([[["polling"]], [["websocket"]], [["polling", "websocket"]]])(
    "lets a user in who is signed in, and nobody else, by %s",
    async (transports) => {
      const world = await startWorld();
      const ask = await serve(world.auth);
      expect(await ask(transports, await cookieOf(world))).toBe("amara-okafor");
      expect(await ask(transports)).toBe("please sign in");
    },
  );

  test("tells a client that the session store is down", async () => {
    const store = createMemoryStore();
    const world = await startWorld({ options: { store }, log: [/session_store_failed/] });
    const ask = await serve(world.auth);
    const cookie = await cookieOf(world);
    vi.spyOn(store, "readEntry").mockRejectedValue(new Error("the store is down"));
    expect(await ask(["websocket"], cookie)).toBe("try again later");
  });
});

test("an upgrade of a user who is signed in becomes a WebSocket, and no other", async () => {
  const world = await startWorld();
  const cookie = await cookieOf(world);
  const { auth } = world;
  const server = createServer();
  const sockets = {
    handleUpgrade: (_req: unknown, socket: Duplex) =>
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    emit() {},
  };
  await runBlock(block("const prepare = express().use(auth);"), {
    express,
    auth,
    server,
    ServerResponse,
    sockets,
  });
  const address = await listen(server);
  onTestFinished(() => close(server));
  const upgrade = (headers: Record<string, string>, path = "/") =>
    new Promise<number | undefined>((resolve) => {
      const options = { headers: { Connection: "Upgrade", Upgrade: "websocket", ...headers }, agent: false };
      const asking = httpRequest(address + path, options, (res) => resolve(res.statusCode));
      asking.on("upgrade", (res) => resolve(res.statusCode)).end();
    });
  expect([await upgrade({ cookie }), await upgrade({})]).toEqual([101, 401]);
  expect(await upgrade({ Accept: "text/html" }, "/login")).toBe(302); // no connection is left without an answer
});

test("each block is run, and each that is run is there", () => {
  const drawings = blocks.filter(({ language }) => language === "");
  expect(drawings).toEqual([]);
  expect([...claimed].sort()).toEqual([...new Set(blocks.map(({ key }) => key))].sort());
  expect(taken.get("portalAuth({")).toBe(blocks.filter(({ key }) => key === "portalAuth({").length);
});
