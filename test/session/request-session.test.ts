import { inspect } from "node:util";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { EntryStore } from "../../lib/store/record-store.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { advanceDate, fake, freezeDate } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld, type World } from "../support/world.js";
import { keyOfSession, keysOfLogins } from "./records.js";

declare module "express-session" {
  interface SessionData {
    cart?: string[];
    visits?: number;
  }
}

/** Adds routes that change and show the session, also before the login. */
const addCart = (app: import("express").Express) => {
  app.get("/cart/:thing", (req, res) => {
    req.session.cart = [...(req.session.cart ?? []), req.params["thing"] as string];
    req.session.visits = 7;
    res.json(req.session.cart);
  });
  app.get("/test/session", (req, res) => {
    // JSON omits the view, so its members are copied.
    const { portal } = req.session;
    res.json({ ...req.session, ...(portal && { portal: { ...portal } }), id: req.sessionID });
  });
};

const readSession = async (browser: Browser, url: string) =>
  JSON.parse((await browser.fetch(`${url}/test/session`)).body);

describe.each([
  ["the app's own session", true],
  ["our session", false],
])("%s", (_name, ownSession) => {
  test("changes its id at the login, and an id that an attacker has planted is invalid", async () => {
    const { browser, url, me } = await startWorld({ ownSession, after: addCart });
    await browser.fetch(`${url}/cart/book`);
    const planted = new Browser();
    planted.jar.setCookieSync((await browser.jar.getSetCookieStrings(url))?.at(-1) ?? "", url);
    const before = await readSession(planted, url);
    expect(before.cart).toEqual(["book"]);
    await browser.visit(`${url}/account`);
    expect((await readSession(browser, url)).id).not.toBe(before.id);
    expect((await me(planted)).isAuthenticated).toBe(false);
    expect(await readSession(planted, url)).not.toHaveProperty("cart");
  });

  test("copies only the keys of keepSessionKeys from the old session", async () => {
    const { browser, url } = await startWorld({
      ownSession,
      after: addCart,
      options: { keepSessionKeys: ["cart", "nothing"] },
    });
    await browser.fetch(`${url}/cart/book`);
    await browser.visit(`${url}/account`);
    const session = await readSession(browser, url);
    expect(session.cart).toEqual(["book"]);
    expect(session).not.toHaveProperty("visits");
    expect(session).not.toHaveProperty("nothing");
  });

  test("is saved before the redirect is sent", async () => {
    const { browser, url, me } = await startWorld({ ownSession });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    await browser.navigate(callback);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("needs one call of the store each for the list, the session and the notices of logouts", async () => {
    const store = observedStore();
    const { browser, url } = await startWorld({ ownSession, options: { store } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    store.calls();
    await browser.navigate(callback);
    const write = ownSession ? "create" : "createEntry";
    // The first and the last call belong to the login attempt, which one process claims.
    expect(store.calls()).toEqual(["create", "index.add", write, "read", "replace"]);
  });

  test("saves what the app adds while the response of the callback ends", async () => {
    const { browser, url } = await startWorld({
      ownSession,
      before: (app) =>
        app.use((req, res, next) => {
          const end = res.end.bind(res);
          res.end = ((...args: Parameters<typeof end>) => {
            if (req.path === "/callback") req.session.visits = 1;
            return end(...args);
          }) as typeof res.end;
          next();
        }),
      after: addCart,
    });
    await browser.visit(`${url}/account`);
    expect((await readSession(browser, url)).visits).toBe(ownSession ? 1 : undefined);
  });

  test("has the tokens by their names in the protocol, the claims, and the time of the login", async () => {
    const { browser, url } = await startWorld({ ownSession, after: addCart });
    await browser.visit(`${url}/account`);
    const { portal } = await readSession(browser, url);
    expect(Object.keys(portal).sort()).toEqual([
      "authentication",
      "claims",
      "client_id",
      "issuer",
      "login_id",
      "obtained_at",
      "redirect_uri",
      "started_at",
      "tokens",
      "version",
    ]);
    expect(portal.tokens).toEqual({
      access_token: expect.any(String),
      token_type: "bearer",
      refresh_token: expect.stringMatching(/^.{128}$/),
      id_token: expect.any(String),
      scope: "openid",
      expires_at: expect.any(Number),
    });
  });

  test("has the login in a member that copies and stores omit, and that cannot be replaced", async () => {
    const results: unknown[] = [];
    const { browser, url } = await startWorld({
      ownSession,
      after: (app) =>
        app.get("/test/keys", (req, res) => {
          results.push(Object.keys(req.session), Object.hasOwn({ ...req.session }, "portal"));
          results.push(
            Reflect.set(req.session, "portal", { claims: { sub: "jonas-weber" } }),
            req.portal.claims?.sub,
          );
          res.end();
        }),
    });
    await browser.visit(`${url}/account`);
    await browser.fetch(`${url}/test/keys`);
    expect(results).toEqual([
      ownSession ? ["cookie", "portal_login"] : ["cookie"],
      false,
      false,
      "amara-okafor",
    ]);
  });

  test("ends after sessionAbsolute, even if it is active", async () => {
    freezeDate();
    const { browser, url, me } = await startWorld({
      ownSession,
      options: { sessionAbsolute: 3600, sessionIdle: 86_400 },
    });
    await browser.visit(`${url}/account`);
    advanceDate(3599_000);
    expect((await me()).isAuthenticated).toBe(true);
    advanceDate(2000);
    expect(await me()).toEqual({ isAuthenticated: false });
    expect((await browser.fetch(`${url}/account`)).status).toBe(401);
  });
});

describe("our session's cookie", () => {
  test("has these attributes on http loopback", async () => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookies = (await browser.navigate(callback)).headers["set-cookie"] ?? [];
    expect(cookies.at(-1)).toMatch(
      /^portal-session=s%3A[^;]+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
    );
  });

  test("is not set for visitors", async () => {
    const { browser, url } = await startWorld();
    expect((await browser.visit(`${url}/`)).headers["set-cookie"]).toBeUndefined();
  });

  test("is valid while the user is active, and expires after sessionIdle", async () => {
    const { browser, url, me } = await startWorld({ options: { sessionIdle: 600 } });
    await browser.visit(`${url}/account`);
    advanceDate(500_000);
    expect((await me()).isAuthenticated).toBe(true);
    advanceDate(500_000);
    expect((await me()).isAuthenticated).toBe(true);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    advanceDate(601_000);
    // A browser deletes the cookie, so this is an attacker who has a copy.
    const response = await browser.fetch(`${url}/account`, { headers: { cookie } });
    expect(response.status).toBe(401);
  });

  test("stays valid when the secret is rotated", async () => {
    const oldSecret = "o".repeat(40);
    const newSecret = "n".repeat(40);
    const store = createMemoryStore();
    const first = await startWorld({ options: { secret: oldSecret, store } });
    await first.browser.visit(`${first.url}/account`);
    const cookie = (await first.browser.cookies(first.url)).get("portal-session");
    const sameApp = { store, issuer: first.provider.issuer, redirectUri: `${first.url}/callback` };
    const second = await startWorld({ options: { ...sameApp, secret: [newSecret, oldSecret] } });
    const response = await second.browser.fetch(`${second.url}/account`, {
      headers: { cookie: `portal-session=${cookie}` },
    });
    expect(response.status).toBe(200);
  });
});

test("our session is stored in the option store, and the log has no warning about memory", async () => {
  const store = observedStore();
  const { browser, url, log } = await startWorld({ options: { store } });
  await browser.visit(`${url}/account`);
  expect(await store.logins()).toHaveLength(1);
  expect(log).toEqual([]);
});

test("the log warns once that sessions in memory are for one process", async () => {
  const { browser, url, log } = await startWorld();
  await browser.visit(`${url}/account`);
  await new Browser().visit(`${url}/account`);
  expect(log.filter((line) => line.includes("memory of this process"))).toHaveLength(1);
});

describe("a store that fails", () => {
  type Method = "readEntry" | "createEntry" | "remove";

  /** Creates a store, and a function that makes one of its methods fail. */
  function createFailingStore() {
    const inner = createMemoryStore();
    let failingMethod: Method | undefined;
    const store = new Proxy(inner, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name === failingMethod) return () => Promise.reject(new Error("the store is on fire"));
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return {
      store,
      fail(method: Method | undefined) {
        failingMethod = method;
      },
    };
  }

  test.each<Method>(["createEntry", "remove"])(
    "to %s at the login leaves the user signed out",
    async (method) => {
      const { store, fail } = createFailingStore();
      const { browser, url, me } = await startWorld({
        options: { store },
        log: [/session_store_failed/],
        after: addCart,
      });
      // The visitor has a session, which the login must destroy.
      await browser.fetch(`${url}/cart/lamp`);
      const callback = await browser.loginUntilCallback(`${url}/account`);
      fail(method);
      const page = await browser.navigate(callback);
      fail(undefined);
      expect([page.status, page.body.includes("session_store_failed")]).toEqual([503, true]);
      expect(page.headers["set-cookie"]?.filter((line) => line.startsWith("portal-session"))).toEqual([]);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("to read responds with 503, and the next request works", async () => {
    const { store, fail } = createFailingStore();
    const { browser, url, log } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    fail("readEntry");
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.headers["retry-after"]]).toEqual([503, "5"]);
    fail(undefined);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect(log.join()).toContain("Error: the store is on fire");
  });

  test("to remove at the logout shows the user that they are still signed in", async () => {
    const { store, fail } = createFailingStore();
    const { browser, url, me } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    fail("remove");
    const page = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(page.status).toBe(503);
    expect(page.body).toContain("You are still signed in");
    expect(page.body).toContain('<a class="button" href="/logout">Try again</a>');
    expect(page.body).not.toContain("/login");
    fail(undefined);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("to respond at the logout is reported after ten seconds", async () => {
    const called = createGate();
    let isSilent = false;
    const inner = createMemoryStore();
    const remove = inner.remove.bind(inner);
    const store: EntryStore = Object.assign(inner, {
      remove(...args: Parameters<EntryStore["remove"]>) {
        if (!isSilent) return remove(...args);
        called.open();
        return new Promise<never>(() => {});
      },
    });
    const { browser, url, log } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    isSilent = true;
    fake({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const response = browser.navigate(`${url}/logout`, { site: "same-origin" });
    await called.opened;
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    expect((await response).body).toContain("You are still signed in");
    expect(log.join()).toContain("[destroy: no response within 10 s]");
  });
});

describe("a reserved session key", () => {
  test.each(["id", "req", "cookie", "portal", "save", "destroy", "regenerate", "__proto__", "constructor"])(
    "%s cannot be set by a hook: the login fails",
    async (key) => {
      const { browser, url, me } = await startWorld({
        options: {
          hooks: {
            onLogin: (context) => {
              Object.defineProperty(context.session, key, { value: 7, enumerable: true });
            },
          },
        },
        log: [/hook_failed/],
      });
      const page = await browser.visit(`${url}/account`);
      expect([page.status, page.body.includes("hook_failed")]).toEqual([500, true]);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );
});

test.each([true, false])(
  "a logout removes the session cookie (own session of the app: %s)",
  async (ownSession) => {
    const { browser, url } = await startWorld({ ownSession });
    await browser.visit(`${url}/account`);
    const name = ownSession ? "connect.sid" : "portal-session";
    expect([...(await browser.cookies(url)).keys()]).toContain(name);
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect([...(await browser.cookies(url)).keys()]).not.toContain(name);
  },
);

test("a second callback of a double click does not restore the session after a logout", async () => {
  const store = createMemoryStore();
  const { browser, url, me } = await startWorld({ options: { store } });
  const callback = await browser.loginUntilCallback(`${url}/account`);
  const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
  await browser.navigate(callback, { headers: { cookie } });
  // The second callback waits between its read of the store and its response.
  const wasRead = createGate();
  const resume = createGate();
  const readEntry = store.readEntry.bind(store);
  store.readEntry = async (key) => {
    store.readEntry = readEntry;
    const entry = await readEntry(key);
    wasRead.open();
    await resume.opened;
    return entry;
  };
  const secondClick = new Browser();
  const response = secondClick.navigate(callback, { headers: { cookie } });
  await wasRead.opened;
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  resume.open();
  await response;
  expect([(await me()).isAuthenticated, (await me(secondClick)).isAuthenticated]).toEqual([false, false]);
});

test("requests get a 503, and no other session, while the app's store is disconnected", async () => {
  const store = new session.MemoryStore();
  const { browser, url, log } = await startWorld({
    before: (app) =>
      app.use(session({ store, secret: "the app's own", resave: false, saveUninitialized: false })),
    log: [/session_store_failed/],
  });
  await browser.visit(`${url}/account`);
  store.emit("disconnect");
  const page = await browser.visit(`${url}/account`);
  expect([page.status, page.body.includes("session_store_failed")]).toEqual([503, true]);
  expect(log.join()).toContain("the session store says that it is disconnected");
  store.emit("connect");
  expect((await browser.visit(`${url}/account`)).status).toBe(200);
});

/** Signs in as another user, in a browser that has only the session of the first user. */
async function signInAs(world: World, sub: string) {
  const { browser, url } = world;
  const cookies = [...(await browser.cookies(url))].filter(([name]) =>
    /^(portal-session|connect\.sid)$/.test(name),
  );
  await browser.jar.removeAllCookies();
  for (const [name, value] of cookies) browser.jar.setCookieSync(`${name}=${value}; Path=/`, url);
  browser.user = { sub };
  return browser.visit(`${url}/login?returnTo=/account`);
}

describe.each([
  ["the app's own session", true],
  ["our session", false],
])("a login that can no longer be decoded, in %s,", (_name, ownSession) => {
  async function start() {
    const store = createMemoryStore();
    const options = { store, keepSessionKeys: ["cart"], tokenEncryptionKey: "k".repeat(32) };
    const world = await startWorld({ ownSession, options, after: addCart, log: [/tokens_unreadable/] });
    await world.browser.visit(`${world.url}/account`);
    await world.browser.fetch(`${world.url}/cart/lamp`);
    const [key = ""] = await keysOfLogins(world, store);
    await store.replace(key, 1, "encrypted with another key");
    return world;
  }

  test("leaves no data for the next user who signs in", async () => {
    const world = await start();
    expect((await signInAs(world, "jonas-weber")).status).toBe(200);
    expect(await readSession(world.browser, world.url)).not.toHaveProperty("cart");
  });

  test("is not valid, keeps the session's data and is reported once", async () => {
    const world = await start();
    for (const _ of [1, 2]) expect((await world.me()).isAuthenticated).toBe(false);
    expect((await readSession(world.browser, world.url)).cart).toEqual(["lamp"]);
    expect(world.log.filter((line) => line.includes("tokens_unreadable"))).toHaveLength(1);
  });
});

describe("the keys of keepSessionKeys after the login of an application's session has ended", () => {
  const DAY_SECONDS = 86_400;

  async function start() {
    const { clock, later } = createClock();
    const options = { clock, store: createMemoryStore(clock), keepSessionKeys: ["cart"] };
    const world = await startWorld({ ownSession: true, options, after: addCart });
    await world.browser.visit(`${world.url}/account`);
    await world.browser.fetch(`${world.url}/cart/lamp`);
    later(30 * DAY_SECONDS);
    expect((await world.browser.fetch(`${world.url}/account`)).status).toBe(401);
    const session = await readSession(world.browser, world.url);
    expect([session.cart, session.visits]).toEqual([["lamp"], undefined]);
    return world;
  }

  test("stay if the same user signs in", async () => {
    const world = await start();
    expect((await signInAs(world, "amara-okafor")).status).toBe(200);
    expect((await readSession(world.browser, world.url)).cart).toEqual(["lamp"]);
  });

  test("are removed if another user signs in", async () => {
    const world = await start();
    expect((await signInAs(world, "jonas-weber")).status).toBe(200);
    expect(await readSession(world.browser, world.url)).not.toHaveProperty("cart");
  });
});

test.each([true, false])(
  "a session in the log shows no token (own session of the app: %s)",
  async (ownSession) => {
    const logged: string[] = [];
    const { browser, url, me } = await startWorld({
      ownSession,
      after: (app) =>
        app.get("/test/log", (req, res) => {
          logged.push(inspect(req.session, { depth: 9 }), inspect({ ...req.session }, { depth: 9 }));
          logged.push(
            inspect({ session: req.session, portal: req.session.portal }),
            JSON.stringify(req.session),
          );
          for (const symbol of Object.getOwnPropertySymbols(req.session))
            logged.push(
              inspect(req.session[symbol as never], { customInspect: false, showHidden: true, depth: 9 }),
            );
          res.end();
        }),
    });
    await browser.visit(`${url}/account`);
    await browser.fetch(`${url}/test/log`);
    const { tokens } = await me();
    for (const text of logged) {
      expect(text).not.toContain(tokens?.access_token);
      expect(text).not.toContain(tokens?.refresh_token);
    }
  },
);

test.each([[undefined], [{}], [{ access_token: 7 }], [null]])(
  "a stored login with the tokens %j is not valid, because others can write to the store",
  async (tokens) => {
    const store = createMemoryStore();
    const { browser, url, me } = await startWorld({ options: { store }, log: [/tokens_unreadable/] });
    await browser.visit(`${url}/account`);
    const key = await keyOfSession(browser, url);
    const { text = "" } = (await store.read(key)) ?? {};
    await store.replace(key, 1, JSON.stringify({ ...JSON.parse(text), tokens }));
    expect((await me()).isAuthenticated).toBe(false);
    expect((await browser.fetch(`${url}/account`)).status).toBe(401);
  },
);

test("portalAuth() uses its own session beside a session of another package", async () => {
  const { browser, url } = await startWorld({
    before: (app) =>
      app.use((req, _res, next) => {
        // cookie-session sets an object without methods.
        (req as { session: unknown }).session = {};
        next();
      }),
    log: [/not express-session/],
  });
  expect((await browser.visit(`${url}/account`)).body).toContain("amara-okafor");
});
