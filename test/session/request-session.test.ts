import { inspect } from "node:util";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { EntryStore } from "../../lib/store/record-store.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { advanceDate, fake } from "../support/fake-time.js";
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

/** Puts something into the session before anybody logs in. */
const withCart = (app: import("express").Express) => {
  app.get("/cart/:thing", (req, res) => {
    req.session.cart = [...(req.session.cart ?? []), req.params["thing"] as string];
    req.session.visits = 7;
    res.json(req.session.cart);
  });
  app.get("/test/session", (req, res) => {
    const { portal } = req.session; // copied member by member: JSON leaves it out
    res.json({ ...req.session, ...(portal && { portal: { ...portal } }), id: req.sessionID });
  });
};

const sessionOf = async (browser: Browser, url: string) =>
  JSON.parse((await browser.fetch(`${url}/test/session`)).body);

describe.each([
  ["the app's own session", true],
  ["our session", false],
])("%s", (_name, ownSession) => {
  test("changes its id at login, and the old one is gone: an id that was planted is worth nothing", async () => {
    const { browser, url, me } = await startWorld({ ownSession, after: withCart });
    await browser.fetch(`${url}/cart/book`);
    const planted = new Browser();
    planted.jar.setCookieSync((await browser.jar.getSetCookieStrings(url))?.at(-1) ?? "", url);
    const before = await sessionOf(planted, url);
    expect(before.cart).toEqual(["book"]);
    await browser.visit(`${url}/account`);
    expect((await sessionOf(browser, url)).id).not.toBe(before.id);
    expect((await me(planted)).isAuthenticated).toBe(false);
    expect(await sessionOf(planted, url)).not.toHaveProperty("cart");
  });

  test("keeps nothing of the old one, unless an option names it", async () => {
    const { browser, url } = await startWorld({
      ownSession,
      after: withCart,
      options: { keepSessionKeys: ["cart", "nothing"] },
    });
    await browser.fetch(`${url}/cart/book`);
    await browser.visit(`${url}/account`);
    const kept = await sessionOf(browser, url);
    expect(kept.cart).toEqual(["book"]);
    expect(kept).not.toHaveProperty("visits");
    expect(kept).not.toHaveProperty("nothing");
  });

  test("is saved before the redirect is sent", async () => {
    const { browser, url, me } = await startWorld({ ownSession });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    await browser.navigate(callback);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("is written to the store by one call each for the list, the session and the look for logouts", async () => {
    const store = observedStore();
    const { browser, url } = await startWorld({ ownSession, options: { store } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    store.calls();
    await browser.navigate(callback);
    const claim = ["create", "replace"];
    const session = ownSession ? "create" : "createEntry";
    expect(store.calls()).toEqual([claim[0], "index.add", session, "read", claim[1]]);
  });

  test("keeps what the app adds while the callback's answer ends", async () => {
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
      after: withCart,
    });
    await browser.visit(`${url}/account`);
    expect((await sessionOf(browser, url)).visits).toBe(ownSession ? 1 : undefined);
  });

  test("holds tokens by their wire names, claims, and when the person logged in", async () => {
    const { browser, url } = await startWorld({ ownSession, after: withCart });
    await browser.visit(`${url}/account`);
    const { portal } = await sessionOf(browser, url);
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

  test("has its login under no key that a copy or a store would take along, and none can be put in its place", async () => {
    const seen: unknown[] = [];
    const { browser, url } = await startWorld({
      ownSession,
      after: (app) =>
        app.get("/test/keys", (req, res) => {
          seen.push(Object.keys(req.session), Object.hasOwn({ ...req.session }, "portal"));
          seen.push(
            Reflect.set(req.session, "portal", { claims: { sub: "jonas-weber" } }),
            req.portal.claims?.sub,
          );
          res.end();
        }),
    });
    await browser.visit(`${url}/account`);
    await browser.fetch(`${url}/test/keys`);
    expect(seen).toEqual([
      ownSession ? ["cookie", "portal_login"] : ["cookie"],
      false,
      false,
      "amara-okafor",
    ]);
  });

  test("ends after the absolute limit, whatever happens", async () => {
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
  test("on http loopback", async () => {
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

  test("is pushed forward while somebody is active, and ends after the idle limit", async () => {
    const { browser, url, me } = await startWorld({ options: { sessionIdle: 600 } });
    await browser.visit(`${url}/account`);
    advanceDate(500_000);
    expect((await me()).isAuthenticated).toBe(true);
    advanceDate(500_000);
    expect((await me()).isAuthenticated).toBe(true);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    advanceDate(601_000);
    // the browser forgets the cookie by itself; somebody who kept it gains nothing
    const late = await browser.fetch(`${url}/account`, { headers: { cookie } });
    expect(late.status).toBe(401);
  });

  test("lives on under a rotated secret", async () => {
    const [old, fresh] = ["o".repeat(40), "n".repeat(40)];
    const store = createMemoryStore();
    const first = await startWorld({ options: { secret: old, store } });
    await first.browser.visit(`${first.url}/account`);
    const cookie = (await first.browser.cookies(first.url)).get("portal-session");
    const ofFirst = { store, issuer: first.provider.issuer, redirectUri: `${first.url}/callback` };
    const second = await startWorld({ options: { ...ofFirst, secret: [fresh, old] } });
    const answer = await second.browser.fetch(`${second.url}/account`, {
      headers: { cookie: `portal-session=${cookie}` },
    });
    expect(answer.status).toBe(200);
  });
});

test("our session is kept in the store that is given, and the log says nothing of memory then", async () => {
  const store = observedStore();
  const { browser, url, log } = await startWorld({ options: { store } });
  await browser.visit(`${url}/account`);
  expect(await store.logins()).toHaveLength(1);
  expect(log).toEqual([]);
});

test("a line in the log says once that memory is for one process", async () => {
  const { browser, url, log } = await startWorld();
  await browser.visit(`${url}/account`);
  await new Browser().visit(`${url}/account`);
  expect(log.filter((line) => line.includes("memory of this process"))).toHaveLength(1);
});

describe("a store that fails", () => {
  type Verb = "readEntry" | "createEntry" | "remove";

  /** A store that fails at one method from now on. */
  function failing() {
    const inner = createMemoryStore();
    let broken: Verb | undefined;
    const store = new Proxy(inner, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name === broken) return () => Promise.reject(new Error("the store is on fire"));
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return {
      store,
      fail(verb: Verb | undefined) {
        broken = verb;
      },
    };
  }

  test.each<Verb>(["createEntry", "remove"])(
    "to %s at the login leaves nobody half logged in",
    async (verb) => {
      const { store, fail } = failing();
      const { browser, url, me } = await startWorld({
        options: { store },
        log: [/session_store_failed/],
        after: withCart,
      });
      await browser.fetch(`${url}/cart/lamp`); // so that there is a session to be destroyed
      const callback = await browser.loginUntilCallback(`${url}/account`);
      fail(verb);
      const page = await browser.navigate(callback);
      fail(undefined);
      expect([page.status, page.body.includes("session_store_failed")]).toEqual([503, true]);
      expect(page.headers["set-cookie"]?.filter((line) => line.startsWith("portal-session"))).toEqual([]);
      expect((await me()).isAuthenticated).toBe(false);
    },
  );

  test("to read gives a 503, and the next request works", async () => {
    const { store, fail } = failing();
    const { browser, url, log } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    fail("readEntry");
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.headers["retry-after"]]).toEqual([503, "5"]);
    fail(undefined);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect(log.join()).toContain("Error: the store is on fire");
  });

  test("to destroy at the logout says that the person is still logged in", async () => {
    const { store, fail } = failing();
    const { browser, url, me } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    fail("remove");
    const page = await browser.navigate(`${url}/logout`, { site: "same-origin" });
    expect(page.status).toBe(503);
    expect(page.body).toContain("You are still signed in");
    expect(page.body).toContain('<a class="button" href="/logout">Try again</a>'); // and no way to sign in
    expect(page.body).not.toContain("/login");
    fail(undefined);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("to answer at the logout is told as that, after ten seconds", async () => {
    const isAsked = createGate();
    let isSilent = false;
    const inner = createMemoryStore();
    const remove = inner.remove.bind(inner);
    const store: EntryStore = Object.assign(inner, {
      remove(...given: Parameters<EntryStore["remove"]>) {
        if (!isSilent) return remove(...given);
        isAsked.open();
        return new Promise<never>(() => {});
      },
    });
    const { browser, url, log } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    isSilent = true;
    fake({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const answer = browser.navigate(`${url}/logout`, { site: "same-origin" });
    await isAsked.opened;
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    expect((await answer).body).toContain("You are still signed in");
    expect(log.join()).toContain("[destroy: no response within 10 s]");
  });
});

describe("names that belong to express-session or to us", () => {
  test.each(["id", "req", "cookie", "portal", "save", "destroy", "regenerate", "__proto__", "constructor"])(
    "%s cannot be put into the session by a hook, and the old session is left alone",
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
  "the session's cookie goes with the session: a logout leaves none behind (of the app: %s)",
  async (ownSession) => {
    const { browser, url } = await startWorld({ ownSession });
    await browser.visit(`${url}/account`);
    const name = ownSession ? "connect.sid" : "portal-session";
    expect([...(await browser.cookies(url)).keys()]).toContain(name);
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect([...(await browser.cookies(url)).keys()]).not.toContain(name);
  },
);

test("a double click that is answered after a logout brings nobody back: the joined session is not saved again", async () => {
  const store = createMemoryStore();
  const { browser, url, me } = await startWorld({ options: { store } });
  const callback = await browser.loginUntilCallback(`${url}/account`);
  const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
  await browser.navigate(callback, { headers: { cookie } });
  // the second click is stopped between its look into the store and its answer
  const [looked, goOn] = [createGate(), createGate()];
  const readEntry = store.readEntry.bind(store);
  store.readEntry = async (key) => {
    store.readEntry = readEntry;
    const found = await readEntry(key);
    looked.open();
    await goOn.opened;
    return found;
  };
  const late = new Browser();
  const answer = late.navigate(callback, { headers: { cookie } });
  await looked.opened;
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  goOn.open();
  await answer;
  expect([(await me()).isAuthenticated, (await me(late)).isAuthenticated]).toEqual([false, false]);
});

test("while the app's store says that it is away nobody is given another session: a person is no stranger then", async () => {
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

/** Signs in as this person, in a browser in which somebody else is signed in here, and not at the portal any more. */
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
])("a login that cannot be decoded any more, in %s,", (_name, ownSession) => {
  async function start() {
    const store = createMemoryStore();
    const options = { store, keepSessionKeys: ["cart"], tokenEncryptionKey: "k".repeat(32) };
    const world = await startWorld({ ownSession, options, after: withCart, log: [/tokens_unreadable/] });
    await world.browser.visit(`${world.url}/account`);
    await world.browser.fetch(`${world.url}/cart/lamp`);
    const [key = ""] = await keysOfLogins(world, store);
    await store.replace(key, 1, "encrypted by another");
    return world;
  }

  test("hands nothing to the next user who signs in", async () => {
    const world = await start();
    expect((await signInAs(world, "jonas-weber")).status).toBe(200);
    expect(await sessionOf(world.browser, world.url)).not.toHaveProperty("cart");
  });

  test("counts as no login, empties no session and is reported once", async () => {
    const world = await start();
    for (const _ of [1, 2]) expect((await world.me()).isAuthenticated).toBe(false);
    expect((await sessionOf(world.browser, world.url)).cart).toEqual(["lamp"]);
    expect(world.log.filter((line) => line.includes("tokens_unreadable"))).toHaveLength(1);
  });
});

describe("keepSessionKeys of an application's session whose login has ended", () => {
  const DAY_SECONDS = 86_400;

  async function start() {
    const { clock, later } = createClock();
    const options = { clock, store: createMemoryStore(clock), keepSessionKeys: ["cart"] };
    const world = await startWorld({ ownSession: true, options, after: withCart });
    await world.browser.visit(`${world.url}/account`);
    await world.browser.fetch(`${world.url}/cart/lamp`);
    later(30 * DAY_SECONDS);
    expect((await world.browser.fetch(`${world.url}/account`)).status).toBe(401);
    const kept = await sessionOf(world.browser, world.url);
    expect([kept.cart, kept.visits]).toEqual([["lamp"], undefined]);
    return world;
  }

  test("are the same user's at the next login", async () => {
    const world = await start();
    expect((await signInAs(world, "amara-okafor")).status).toBe(200);
    expect((await sessionOf(world.browser, world.url)).cart).toEqual(["lamp"]);
  });

  test("are not another user's", async () => {
    const world = await start();
    expect((await signInAs(world, "jonas-weber")).status).toBe(200);
    expect(await sessionOf(world.browser, world.url)).not.toHaveProperty("cart");
  });
});

test.each([true, false])("a logged session shows no token (of the app: %s)", async (ownSession) => {
  const shown: string[] = [];
  const { browser, url, me } = await startWorld({
    ownSession,
    after: (app) =>
      app.get("/test/log", (req, res) => {
        shown.push(inspect(req.session, { depth: 9 }), inspect({ ...req.session }, { depth: 9 }));
        shown.push(
          inspect({ session: req.session, portal: req.session.portal }),
          JSON.stringify(req.session),
        );
        for (const symbol of Object.getOwnPropertySymbols(req.session))
          shown.push(
            inspect(req.session[symbol as never], { customInspect: false, showHidden: true, depth: 9 }),
          );
        res.end();
      }),
  });
  await browser.visit(`${url}/account`);
  await browser.fetch(`${url}/test/log`);
  const { tokens } = await me();
  for (const text of shown) {
    expect(text).not.toContain(tokens?.access_token);
    expect(text).not.toContain(tokens?.refresh_token);
  }
});

test.each([[undefined], [{}], [{ access_token: 7 }], [null]])(
  "a stored login whose tokens are %j is none: others may write to the store",
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

test("a session of another kind is no obstacle: portalAuth() keeps its own beside it", async () => {
  const { browser, url } = await startWorld({
    before: (app) =>
      app.use((req, _res, next) => {
        (req as { session: unknown }).session = {}; // as cookie-session has it
        next();
      }),
    log: [/not express-session/],
  });
  expect((await browser.visit(`${url}/account`)).body).toContain("amara-okafor");
});
