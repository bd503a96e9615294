import type { RequestListener } from "node:http";
import cookieParser from "cookie-parser";
import express, { type Express } from "express";
import session from "express-session";
import express4 from "express4";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  choosePortalAuth,
  type PortalAuthOptions,
  portalAuth,
  portalErrors,
  requireAuth,
} from "../lib/index.js";
import { createMemoryStore } from "../lib/store/memory-store.js";
import { PortalSessionStore } from "../lib/store/portal-session-store.js";
import { type LocalProviderOptions, startLocalProvider } from "../lib/testing/provider/local-provider.js";
import { Browser } from "./support/browser.js";
import { createClock } from "./support/clock.js";
import { listenToEvents } from "./support/events.js";
import { serve } from "./support/serve.js";
import { SESSION_SECRET } from "./support/world.js";

/** Starts an app that is created after its URL is known, because the provider needs the URL first. */
async function startApp(make: (url: string) => Promise<Express>): Promise<string> {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockImplementation(() => {});
  let listener: RequestListener = () => {};
  const url = await serve((req, res) => listener(req, res));
  listener = await make(url);
  return url;
}

async function startPortalFor(url: string, clientId: string, more: Partial<LocalProviderOptions> = {}) {
  const provider = await startLocalProvider({
    clientId,
    clientSecret: `the-client-secret-of-${clientId}`,
    redirectUris: [`${url}/callback`, `${url}/staff/callback`],
    logoutRedirectUris: [`${url}/`],
    ...more,
  });
  onTestFinished(() => provider.close());
  const options = {
    issuer: provider.issuer,
    profile: "tencent-ciam",
    clientId,
    clientSecret: `the-client-secret-of-${clientId}`,
    redirectUri: `${url}/callback`,
    secret: SESSION_SECRET,
  } as const satisfies PortalAuthOptions;
  return { portal: provider, options };
}

interface Given {
  /** Default: the one without a name is mounted first, and both at the root. */
  order?: "customers first" | "staff first" | "staff below /staff";
  /** More options of the app's own express-session; true for none. Default: the app has none. */
  appsSession?: boolean | Partial<session.SessionOptions>;
  options?: PortalAuthOptions;
  /** More options of the one for staff. */
  staffOptions?: PortalAuthOptions;
}

/** Starts one app with two portalAuth(): customers use the one without a name, staff the one with a name. */
async function startBoth(given: Given = {}) {
  const { order = "customers first", appsSession = false, options = {}, staffOptions = {} } = given;
  let close = async () => {};
  const portals: Awaited<ReturnType<typeof startPortalFor>>[] = [];
  const url = await startApp(async (url) => {
    const customers = await startPortalFor(url, "shop");
    const staff = await startPortalFor(url, "office");
    portals.push(customers, staff);
    const isBelow = order === "staff below /staff";
    const shop = portalAuth({ ...customers.options, ...options });
    const office = portalAuth({
      ...staff.options,
      redirectUri: `${url}/staff/callback`,
      name: "staff",
      ...(!isBelow && {
        routes: { login: "/staff/login", callback: "/staff/callback", logout: "/staff/logout" },
      }),
      ...options,
      ...staffOptions,
    });
    close = async () => void (await Promise.all([shop.close(), office.close()]));
    const app = express();
    if (appsSession)
      app.use(
        session({ secret: "the app's own", resave: false, saveUninitialized: false, ...Object(appsSession) }),
      );
    if (order === "staff first") app.use(office, shop);
    else if (isBelow) app.use(shop).use("/staff", office);
    else app.use(shop, office);
    app.get("/account", requireAuth(), (req, res) => void res.json(who(req)));
    app.get("/staff/payroll", requireAuth({ portal: "staff" }), (req, res) => void res.json(who(req)));
    app.get("/staff/who", (req, res) => void res.json(who(req)));
    app.get("/staff/token", requireAuth({ portal: "staff", freshToken: true }), async (req, res) => {
      res.json({ version: (await req.portals?.["staff"]?.tokens())?.access_token.length });
    });
    app.get("/staff/info", async (req, res) => void res.json(await req.portals?.["staff"]?.userinfo()));
    app.get("/staff/note/:text", (req, res) => {
      Object.assign(req.portals?.["staff"]?.session ?? {}, { note: req.params.text });
      res.end();
    });
    app.get("/keep/:text", (req, res) => {
      Object.assign(req.session, { note: req.params.text });
      res.end();
    });
    app.get("/staff/notes", (req, res) => {
      const { session: staffs } = req.portals?.["staff"] ?? {};
      res.json({ staffs: Object(staffs).note, apps: Object(req.session).note });
    });
    app.use("/staff", portalErrors({ portal: "staff" }));
    return app;
  });
  onTestFinished(() => close());
  const [customers, staff] = portals as [(typeof portals)[0], (typeof portals)[0]];
  const browser = new Browser();
  const json = async (path: string) => JSON.parse((await browser.fetch(url + path)).body);
  return { url, browser, json, customers: customers.portal, staff: staff.portal };
}

const who = (req: express.Request) => ({
  customer: req.portal.claims?.sub,
  staff: req.portals?.["staff"]?.claims?.sub,
});

const visitAs = (browser: Browser, sub: string, address: string) => {
  browser.user = { sub };
  return browser.visit(address);
};

describe.each<Given>([
  {},
  { order: "staff first" },
  { order: "staff below /staff" },
  { appsSession: true },
  { appsSession: true, order: "staff first" },
])("customers and staff with one provider each: %o", (given) => {
  test("give one browser two logins, and neither login passes the guard of the other", async () => {
    const { url, browser, json, customers, staff } = await startBoth(given);
    await visitAs(browser, "amara-okafor", `${url}/account`);
    expect((await browser.navigate(`${url}/staff/payroll`)).headers.location).toMatch(
      new RegExp(`^${staff.issuer}/`),
    );
    expect(await json("/staff/who")).toEqual({ customer: "amara-okafor" });
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    expect(await json("/staff/payroll")).toEqual({ customer: "amara-okafor", staff: "jonas-weber" });
    expect(JSON.parse((await browser.fetch(`${url}/account`)).body).customer).toBe("amara-okafor");
    expect(customers.requests.filter(({ path }) => path === "/oauth2/token")).toHaveLength(1);
  });

  test("sign out separately", async () => {
    const { url, browser, json, staff, customers } = await startBoth(given);
    await visitAs(browser, "amara-okafor", `${url}/account`);
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    await browser.navigate(`${url}/staff/logout`, { site: "same-origin" });
    expect(await json("/staff/who")).toEqual({ customer: "amara-okafor" });
    expect(staff.requests.filter(({ path }) => path === "/oauth2/revoke")).toHaveLength(1);
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(await json("/staff/who")).toEqual({ staff: "jonas-weber" });
    expect(customers.requests.filter(({ path }) => path === "/oauth2/revoke")).toHaveLength(1);
  });

  test("use different cookies", async () => {
    const { url, browser } = await startBoth(given);
    await visitAs(browser, "amara-okafor", `${url}/account`);
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    const names = [...(await browser.cookies(`${url}/staff/x`)).keys()]
      .filter((name) => !name.startsWith("demo_portal")) // cookies are shared by all ports of a host
      .map((name) => name.replace(/\.[\w-]{8}\d$/, ".…"));
    const ours = given.appsSession ? "connect.sid" : "portal-session";
    expect(names.sort()).toEqual(
      [ours, "portal-login.…", "portal-login.staff.…", "portal-session.staff"].sort(),
    );
  });
});

describe("a portalAuth() with a name", () => {
  test("has its own session, in which the app can store values too", async () => {
    const { url, browser, json } = await startBoth({ appsSession: true });
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    await browser.fetch(`${url}/staff/note/late`);
    expect(await json("/staff/notes")).toEqual({ staffs: "late" });
  });

  test("rejects a cookie of another portalAuth() with the same secret", async () => {
    const { url, browser } = await startBoth();
    await visitAs(browser, "amara-okafor", `${url}/account`);
    const value = (await browser.cookies(url)).get("portal-session");
    const headers = { cookie: `portal-session.staff=${value}` };
    const { body } = await new Browser().fetch(`${url}/staff/notes`, { headers });
    expect(JSON.parse(body)).toEqual({});
    expect((await new Browser().fetch(`${url}/staff/payroll`, { headers })).status).toBe(401);
  });

  test("rejects a visitor's cookie of another portalAuth() on the same store", async () => {
    const store = createMemoryStore();
    const { url, browser, json } = await startBoth({ options: { store } });
    await browser.fetch(`${url}/keep/draft`);
    const value = (await browser.cookies(url)).get("portal-session");
    expect(value).toBeDefined();
    const headers = { cookie: `portal-session.staff=${value}; portal-session=${value}` };
    const { body } = await new Browser().fetch(`${url}/staff/notes`, { headers });
    expect(JSON.parse(body)).toEqual({ apps: "draft" });
    expect(await json("/staff/notes")).toEqual({ apps: "draft" });
  });

  test("refreshes its tokens at its own provider", async () => {
    const { clock, later } = createClock();
    const { url, browser, staff, customers } = await startBoth({ options: { clock } });
    await visitAs(browser, "amara-okafor", `${url}/account`);
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    later(301);
    expect((await browser.fetch(`${url}/staff/token`)).status).toBe(200);
    const refreshes = ({ requests }: typeof staff) =>
      requests.filter(({ body }) => body.includes("grant_type=refresh"));
    expect([refreshes(staff).length, refreshes(customers).length]).toEqual([1, 0]);
  });

  test("portalErrors({ portal }) redirects to its provider if the user must sign in again", async () => {
    const { url, browser, staff } = await startBoth();
    await visitAs(browser, "amara-okafor", `${url}/account`);
    const { headers } = await browser.navigate(`${url}/staff/info`);
    expect(headers.location).toMatch(new RegExp(`^${staff.issuer}/`));
    expect((await browser.fetch(`${url}/staff/info`)).body).toContain('"login":"/staff/login"');
  });

  test("appears by name in its events", async () => {
    const heard = listenToEvents();
    const { url, browser } = await startBoth();
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    expect(heard.of("login.finished")).toMatchObject([{ instance: "staff", client_id: "office" }]);
  });

  test("requires guards to name it if there is another one with a name", async () => {
    const url = await startApp(async (url) => {
      const { options } = await startPortalFor(url, "office");
      const routes = { login: "/b/login", callback: "/b/callback", logout: "/b/logout" };
      const app = express();
      app.use(portalAuth({ ...options, name: "a" }));
      app.use(portalAuth({ ...options, name: "b", routes, redirectUri: `${url}/b/callback` }));
      app.get("/payroll", requireAuth(), (_req, res) => void res.end());
      return app;
    });
    const browser = new Browser();
    await browser.visit(`${url}/login`);
    expect((await browser.fetch(`${url}/payroll`)).status).toBe(500);
    expect(vi.mocked(console.error).mock.calls.flat().join()).toContain(
      "set the option portal of requireAuth(); available: a, b",
    );
  });

  test("rejects a cookie that cookie-parser has parsed with the same secret", async () => {
    const store = createMemoryStore();
    const url = await startApp(async (url) => {
      const { options } = await startPortalFor(url, "shop");
      const routes = { login: "/b/login", callback: "/b/callback", logout: "/b/logout" };
      const app = express();
      app.use(cookieParser(SESSION_SECRET));
      app.use(portalAuth({ ...options, store }));
      app.use(portalAuth({ ...options, store, name: "b", routes, redirectUri: `${url}/b/callback` }));
      app.get("/keep", (req, res) => {
        Object.assign(req.session, { role: "admin" });
        res.end();
      });
      app.get("/role", (req, res) => void res.json({ role: Object(req.portals?.["b"]?.session).role }));
      return app;
    });
    const browser = new Browser();
    await browser.fetch(`${url}/keep`);
    const value = (await browser.cookies(url)).get("portal-session");
    const headers = { cookie: `portal-session.b=${value}` };
    expect((await new Browser().fetch(`${url}/role`, { headers })).body).toBe("{}");
  });

  test("is at req.portal if there is no portalAuth() without a name", async () => {
    const url = await startApp(async (url) => {
      const { options } = await startPortalFor(url, "office");
      const app = express();
      app.use(portalAuth({ ...options, name: "staff" }));
      app.get("/same", (req, res) => void res.json(req.portal === req.portals?.["staff"]));
      app.get("/account", requireAuth(), (req, res) => void res.json(req.portal.claims?.sub));
      return app;
    });
    const browser = new Browser();
    expect((await browser.fetch(`${url}/same`)).body).toBe("true");
    expect((await browser.visit(`${url}/account`)).body).toBe('"amara-okafor"');
  });

  test.each(["", "1st", "a.b", "staff;", "a".repeat(33), "__proto__"])(
    "cannot have the name %j",
    async (name) => {
      const options = { ...(await startPortalFor("http://127.0.0.1:1", "office")).options, name };
      expect(() => portalAuth(options)).toThrow("option name: write a letter");
    },
  );

  test("may have the name of a member of Object.prototype", async () => {
    const url = await startApp(async (url) => {
      const { options } = await startPortalFor(url, "office");
      const app = express();
      app.use(portalAuth({ ...options, name: "toString" }));
      app.get("/a", requireAuth({ portal: "toString" }), (_req, res) => void res.end());
      app.get("/b", requireAuth({ portal: "constructor" }), (_req, res) => void res.end());
      return app;
    });
    expect((await new Browser().fetch(`${url}/a`)).status).toBe(401);
    expect((await new Browser().fetch(`${url}/b`)).status).toBe(500);
  });
});

describe("one store", () => {
  test("serves two portalAuth() with different limits: each session ends by its own limit", async () => {
    const { clock, later } = createClock();
    const store = createMemoryStore(clock);
    const { url, browser, json } = await startBoth({
      options: { store, clock },
      staffOptions: { sessionIdle: 600 },
    });
    await visitAs(browser, "amara-okafor", `${url}/account`);
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    later(599);
    expect(await json("/staff/who")).toEqual({ customer: "amara-okafor", staff: "jonas-weber" });
    later(601);
    expect(await json("/staff/who")).toEqual({ customer: "amara-okafor" });
  });

  test("serves the app's own session and a portalAuth() with a name", async () => {
    const store = new PortalSessionStore(createMemoryStore());
    const { url, browser, json } = await startBoth({ appsSession: { store }, staffOptions: { store } });
    await browser.fetch(`${url}/keep/draft`);
    await visitAs(browser, "amara-okafor", `${url}/account`);
    await visitAs(browser, "jonas-weber", `${url}/staff/payroll`);
    await browser.fetch(`${url}/staff/note/late`);
    expect(await json("/staff/who")).toEqual({ customer: "amara-okafor", staff: "jonas-weber" });
    await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(await json("/staff/who")).toEqual({ staff: "jonas-weber" });
    expect(await json("/staff/notes")).toEqual({ staffs: "late" });
  });

  test.each([
    ["of the app's", () => new session.MemoryStore()],
    ["of ours", () => new PortalSessionStore(createMemoryStore())],
  ])("%s serves twelve portalAuth() without a warning about a memory leak", async (_whose, createStore) => {
    const warnings: string[] = [];
    const collect = (warning: Error) => void warnings.push(warning.message);
    process.on("warning", collect);
    onTestFinished(() => void process.off("warning", collect));
    const url = await startApp(async (url) => {
      const app = express();
      app.use(session({ secret: "s", resave: false, saveUninitialized: false, store: createStore() }));
      for (let count = 0; count < 12; count += 1) {
        const redirectUri = `${url}/tenant${count}/callback`;
        app.use(`/tenant${count}`, portalAuth({ ...OPTIONS, redirectUri }));
      }
      app.use((_req, res) => void res.end("home"));
      return app;
    });
    for (let count = 0; count < 12; count += 1)
      expect((await new Browser().fetch(`${url}/tenant${count}/`)).body).toBe("home");
    await new Promise(setImmediate); // the warning is emitted in the next tick
    expect(warnings).toEqual([]);
  });
});

const OPTIONS: PortalAuthOptions = {
  issuer: "http://127.0.0.1:1",
  clientId: "shop",
  clientSecret: "a secret",
  secret: SESSION_SECRET,
};

describe("a warning about the mount", () => {
  async function collectWarnings(
    mount: (app: Express, options: PortalAuthOptions) => void,
    path = "/x",
  ): Promise<string> {
    const url = await startApp(async (url) => {
      const { options } = await startPortalFor(url, "office");
      const app = express();
      mount(app, options);
      return app;
    });
    for (let times = 0; times < 3; times += 1) await new Browser().fetch(url + path);
    return vi.mocked(console.warn).mock.calls.flat().join("\n");
  }

  test("is logged once if redirectUri leads to another path", async () => {
    const told = await collectWarnings((app, options) => app.use("/shop", portalAuth(options)), "/shop/x");
    expect(
      told.match(/portalAuth\(\) handles \/shop\/callback, but PORTAL_REDIRECT_URI .* leads to \/callback/g),
    ).toHaveLength(1);
  });

  test("is not logged if a proxy removes a prefix", async () => {
    const below = ({ redirectUri = "", ...options }: PortalAuthOptions) => ({
      ...options,
      redirectUri: redirectUri.replace("/callback", "/team/shop/callback"),
    });
    const told = await collectWarnings(
      (app, options) => app.use("/shop", portalAuth(below(options))),
      "/shop/x",
    );
    expect(told).not.toContain("PORTAL_REDIRECT_URI");
  });

  test("is logged once if two portalAuth() have the same name", async () => {
    const routes = { login: "/in", callback: "/back/callback", logout: "/out" };
    const told = await collectWarnings((app, options) => {
      const redirectUri = String(options.redirectUri).replace("/callback", "/back/callback");
      app.use(
        portalAuth({ ...options, name: "staff" }),
        portalAuth({ ...options, name: "staff", redirectUri, routes }),
      );
    });
    expect(told.match(/Two portalAuth\(\) have the name staff/g)).toHaveLength(1);
    expect(told).not.toContain("Two portalAuth() handle");
  });

  test("is logged once if two portalAuth() handle the same callback", async () => {
    const told = await collectWarnings((app, options) => app.use(portalAuth(options), portalAuth(options)));
    expect(told.match(/Two portalAuth\(\) handle \/callback/g)).toHaveLength(1);
  });

  test("is logged once if portalAuth() is called for every request", async () => {
    const told = await collectWarnings((app, options) => {
      app.use((req, res, next) => portalAuth(options)(req, res, next));
    });
    expect(told.match(/portalAuth\(\) is called for every request/g)).toHaveLength(1);
  });

  test("is not logged if the first request creates the router", async () => {
    let auth: ReturnType<typeof portalAuth> | undefined;
    const told = await collectWarnings((app, options) => {
      app.use((req, res, next) => {
        auth ??= portalAuth(options);
        auth(req, res, next);
      });
    });
    expect(told).not.toContain("for every request");
  });

  test("is not logged for one router that is mounted twice", async () => {
    const told = await collectWarnings((app, options) => {
      const auth = portalAuth(options);
      app.use(auth, auth);
    });
    expect(told).not.toMatch(/Two portalAuth|leads to/);
  });
});

describe("a portalAuth() that is chosen by request", () => {
  async function startTenants(wrap: <T>(value: T) => T | Promise<T>) {
    const closed: string[] = [];
    const url = await startApp(async (url) => {
      const { port } = new URL(url);
      const tenants = new Map<string, ReturnType<typeof portalAuth>>();
      for (const tenant of ["localhost", "127.0.0.1"]) {
        const origin = `http://${tenant}:${port}`;
        const { options } = await startPortalFor(origin, tenant);
        const auth = portalAuth(options);
        tenants.set(tenant, Object.assign(auth, { close: async () => void closed.push(tenant) }));
      }
      const app = express();
      const chosen = choosePortalAuth((req) => wrap(tenants.get(req.hostname)));
      app.use(chosen);
      app.get("/account", requireAuth(), (req, res) => void res.json(req.portal.claims));
      app.get("/close", async (_req, res) => {
        await chosen.close();
        res.end();
      });
      return app;
    });
    const { port } = new URL(url);
    return { tea: `http://localhost:${port}`, rice: url, closed };
  }

  test.each([
    ["at once", <T>(value: T) => value],
    ["after a while", <T>(value: T) => Promise.resolve(value)],
  ])("is another for each tenant, with its own portal: chosen %s", async (_when, wrap) => {
    const { tea, rice } = await startTenants(wrap as never);
    const browser = new Browser();
    const account = JSON.parse((await browser.visit(`${tea}/account`)).body);
    expect(account).toMatchObject({ aud: "localhost" });
    expect(JSON.parse((await browser.visit(`${rice}/account`)).body)).toMatchObject({ aud: "127.0.0.1" });
  });

  test("rejects the session of another tenant", async () => {
    const { tea, rice } = await startTenants((value) => value);
    const browser = new Browser();
    await browser.visit(`${tea}/account`);
    const cookie = [...(await browser.cookies(tea))].map((pair) => pair.join("=")).join("; ");
    expect((await new Browser().fetch(`${rice}/account`, { headers: { cookie } })).status).toBe(401);
  });

  test("does not see the session values of another tenant", async () => {
    const store = createMemoryStore();
    const url = await startApp(async (url) => {
      const { port } = new URL(url);
      const make = async (host: string) => {
        const { options } = await startPortalFor(`http://${host}:${port}`, host);
        return [host, portalAuth({ ...options, store, hooks: { onLogin } })] as const;
      };
      const onLogin = ({ session: kept }: { session: object }) => void Object.assign(kept, { role: "admin" });
      const tenants = new Map(await Promise.all(["localhost", "127.0.0.1"].map(make)));
      const app = express();
      app.use(choosePortalAuth((req) => tenants.get(req.hostname)));
      app.get("/role", (req, res) => void res.json({ role: Object(req.session).role }));
      app.get("/account", requireAuth(), (_req, res) => void res.end());
      return app;
    });
    const tea = url.replace("127.0.0.1", "localhost");
    const browser = new Browser();
    await browser.visit(`${tea}/account`);
    expect(JSON.parse((await browser.fetch(`${tea}/role`)).body)).toEqual({ role: "admin" });
    const cookie = [...(await browser.cookies(tea))].map((pair) => pair.join("=")).join("; ");
    expect((await new Browser().fetch(`${url}/role`, { headers: { cookie } })).body).toBe("{}");
  });

  test("responds with 404 and the reason if no router is chosen", async () => {
    const { rice } = await startTenants((value) => value);
    const headers = { host: "unknown.example" };
    const { status, body } = await new Browser().fetch(`${rice}/account`, { headers });
    expect([status, JSON.parse(body).code]).toEqual([404, "tenant_unknown"]);
  });

  test("responds to an unknown tenant with the app's texts, and logs it at most once a minute", async () => {
    const lines: string[] = [];
    const write = (_fields: object, line: string) => void lines.push(line);
    const url = await startApp(async () => {
      const app = express();
      const logger = { warn: write, error: write };
      app.use(choosePortalAuth(() => undefined, { logger, renderPage: ({ code }) => `ours: ${code}` }));
      return app;
    });
    for (let times = 0; times < 3; times += 1)
      expect((await new Browser().navigate(url)).body).toBe("ours: tenant_unknown");
    expect(lines).toEqual([expect.stringContaining("tenant_unknown")]);
    expect(console.warn).not.toHaveBeenCalled();
  });

  test("requires a function", () => {
    expect(() => choosePortalAuth(new Map() as never)).toThrow(
      "choosePortalAuth: pass a function that takes the request",
    );
  });

  const throwing = (thrown: unknown) => () => {
    throw thrown;
  };
  /** A promise of another library: some database clients return them. */
  class RejectingThenable {
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what this test is about
    then = (_resolve: unknown, reject: (reason?: unknown) => void) => reject();
  }
  const passingHandler = Object.assign(((_req, _res, next) => next()) as express.RequestHandler, {
    close() {},
  });
  const NOT_A_ROUTER = "returned something else than a portalAuth()";

  test.each<[string, () => unknown, string]>([
    ["rejects with an Error", () => Promise.reject(new Error("no such table")), "no such table"],
    ["rejects with undefined", () => Promise.reject(), "threw undefined, not an Error"],
    ["rejects with null", () => Promise.reject(null), "threw object, not an Error"],
    [
      "rejects with the value that makes Express skip handlers",
      () => Promise.reject("router"),
      "threw string, not an Error",
    ],
    ["is a thenable that rejects", () => new RejectingThenable(), "threw undefined, not an Error"],
    ["throws an Error", throwing(new Error("no such table")), "no such table"],
    ["throws undefined", throwing(undefined), "threw undefined, not an Error"],
    ["throws what makes Express skip handlers", throwing("route"), "threw string, not an Error"],
    ["is an object", () => ({}), NOT_A_ROUTER],
    ["resolves to an object", async () => ({}), NOT_A_ROUTER],
    ["is portalAuth itself", () => portalAuth, NOT_A_ROUTER],
    ["is another handler", () => passingHandler, NOT_A_ROUTER],
    ["resolves to another handler", async () => passingHandler, NOT_A_ROUTER],
    ["is false", () => false, NOT_A_ROUTER],
  ])("that %s is an error, and the request goes no further", async (_how, choose, message) => {
    for (const make of [express, express4 as typeof express]) {
      let isReached = false;
      const url = await startApp(async () => {
        const app = make();
        app.use(choosePortalAuth(choose as never));
        app.use((_req, res) => {
          isReached = true;
          res.end("reached");
        });
        app.use(
          ((error, _req, res, _next) =>
            void res.status(500).end(error.message)) as express.ErrorRequestHandler,
        );
        return app;
      });
      const { status, body } = await new Browser().fetch(url);
      expect([status, isReached]).toEqual([500, false]);
      expect(body).toContain(message);
    }
  });

  test.each<[string, () => unknown]>([
    ["null", () => null],
    ["a promise of nothing", async () => undefined],
  ])("that is %s passes no request to the app", async (_what, choose) => {
    const url = await startApp(async () => {
      const app = express();
      app.use(choosePortalAuth(choose as never));
      app.use((_req, res) => void res.end("reached"));
      return app;
    });
    const { status, body } = await new Browser().fetch(url);
    expect([status, JSON.parse(body).code]).toEqual([404, "tenant_unknown"]);
  });

  test("close() closes every router that was used", async () => {
    const { tea, closed } = await startTenants((value) => value);
    await new Browser().fetch(`${tea}/account`);
    await new Browser().fetch(`${tea}/close`);
    expect(closed).toEqual(["localhost"]);
  });
});
