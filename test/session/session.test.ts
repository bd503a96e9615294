import { inspect } from "node:util";
import type { Request } from "express";
import session from "express-session";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { isRecord } from "../../lib/session/record.js";
import { readSession, whyRefused } from "../../lib/session/session.js";
import { KeptPortalSession } from "../../lib/session/stored.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { storedSessions } from "../support/stored-sessions.js";
import { startWorld } from "../support/world.js";

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
    const { portal } = req.session; // copied member by member: as JSON, our own session leaves the tokens out
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

  test("is written to the store once for a login, and once it is made known to whom it belongs", async () => {
    const store = new session.MemoryStore();
    const [set, destroy] = [vi.spyOn(store, "set"), vi.spyOn(store, "destroy")];
    const own = session({ store, secret: "s", resave: false, saveUninitialized: false });
    const { browser, url } = await startWorld(ownSession ? { before: (app) => app.use(own) } : { options: { store } });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    await browser.navigate(callback);
    expect(set.mock.calls.map(([id]) => isRecord(id))).toEqual([true, false]);
    expect(destroy.mock.calls).toHaveLength(ownSession ? 1 : 0); // a visitor's session of ours was never stored
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
      "claims",
      "client_id",
      "issuer",
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

  test("ends after the absolute limit, whatever happens", async () => {
    const { browser, url, me } = await startWorld({
      ownSession,
      options: { sessionAbsolute: 3600, sessionIdle: 86_400 },
    });
    await browser.visit(`${url}/account`);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3599_000 });
    expect((await me()).isAuthenticated).toBe(true);
    vi.setSystemTime(Date.now() + 2000);
    expect(await me()).toEqual({ isAuthenticated: false });
    expect((await browser.fetch(`${url}/account`)).status).toBe(401);
  });
});

describe("our session's cookie", () => {
  test("on http loopback", async () => {
    const { browser, url } = await startWorld();
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const cookies = (await browser.navigate(callback)).headers["set-cookie"] ?? [];
    expect(cookies.at(-1)).toMatch(/^portal-session=s%3A[^;]+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
  });

  test("is not set for visitors", async () => {
    const { browser, url } = await startWorld();
    expect((await browser.visit(`${url}/`)).headers["set-cookie"]).toBeUndefined();
  });

  test("is pushed forward while somebody is active, and ends after the idle limit", async () => {
    const { browser, url, me } = await startWorld({ options: { sessionIdle: 600 } });
    await browser.visit(`${url}/account`);
    const start = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: start + 500_000 });
    expect((await me()).isAuthenticated).toBe(true);
    vi.setSystemTime(start + 1_000_000);
    expect((await me()).isAuthenticated).toBe(true);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    vi.setSystemTime(start + 1_601_000);
    // the browser forgets the cookie by itself; somebody who kept it gains nothing
    const late = await browser.fetch(`${url}/account`, { headers: { cookie } });
    expect(late.status).toBe(401);
  });

  test("lives on under a rotated secret", async () => {
    const [old, fresh] = ["o".repeat(40), "n".repeat(40)];
    const store = new session.MemoryStore();
    const first = await startWorld({ options: { secret: old, store } });
    await first.browser.visit(`${first.url}/account`);
    const cookie = (await first.browser.cookies(first.url)).get("portal-session");
    const ofFirst = { store, issuer: first.portal.issuer, redirectUri: `${first.url}/callback` };
    const second = await startWorld({ options: { ...ofFirst, secret: [fresh, old] } });
    const answer = await second.browser.fetch(`${second.url}/account`, {
      headers: { cookie: `portal-session=${cookie}` },
    });
    expect(answer.status).toBe(200);
  });
});

test("our session is kept in the store that is given, and the log says nothing of memory then", async () => {
  const store = new session.MemoryStore();
  const { browser, url, log } = await startWorld({ options: { store } });
  await browser.visit(`${url}/account`);
  expect(Object.keys(storedSessions(store))).toHaveLength(1);
  expect(log).toEqual([]);
});

test("that memory is for one process is said once, when the first session is kept", async () => {
  const { browser, url, log } = await startWorld();
  await browser.visit(`${url}/`);
  expect(log).toEqual([]);
  await browser.visit(`${url}/account`);
  await new Browser().visit(`${url}/account`);
  expect(log.filter((line) => line.includes("memory of this process"))).toHaveLength(1);
});

describe("a store that fails", () => {
  type Verb = "get" | "set" | "destroy";

  /** A store whose next call of one kind fails. */
  function failing() {
    const store = new session.MemoryStore();
    let broken: Verb | undefined;
    for (const verb of ["get", "set", "destroy"] as const) {
      const real = store[verb].bind(store) as (...args: unknown[]) => void;
      Object.assign(store, {
        [verb]: (...args: unknown[]) => {
          const done = args.at(-1) as (error: Error) => void;
          if (broken === verb) done(new Error("the store is on fire"));
          else real(...args);
        },
      });
    }
    return {
      store,
      fail(verb: Verb | undefined) {
        broken = verb;
      },
    };
  }

  test.each<Verb>(["set", "destroy"])("to %s at the login leaves nobody half logged in", async (verb) => {
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
  });

  test("to read gives a 503, and the next request works", async () => {
    const { store, fail } = failing();
    const { browser, url, log } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    fail("get");
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.headers["retry-after"]]).toEqual([503, "5"]);
    fail(undefined);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect(log.join()).toContain("Cause: Error: the store is on fire");
  });

  test("to destroy at the logout says that the person is still logged in", async () => {
    const { store, fail } = failing();
    const { browser, url, me } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    fail("destroy");
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
    class SilentMemory extends session.MemoryStore {
      isSilent = false;
      override destroy(...given: Parameters<session.MemoryStore["destroy"]>) {
        if (this.isSilent) isAsked.open();
        else super.destroy(...given);
      }
    }
    const store = new SilentMemory();
    const { browser, url, log } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    await browser.visit(`${url}/account`);
    store.isSilent = true;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const answer = browser.navigate(`${url}/logout`, { site: "same-origin" });
    await isAsked.opened;
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    expect((await answer).body).toContain("You are still signed in");
    expect(log.join()).toContain("[destroy: no answer within 10 s]");
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
  const store = new session.MemoryStore();
  const { browser, url, me } = await startWorld({ options: { store } });
  const callback = await browser.loginUntilCallback(`${url}/account`);
  const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
  await browser.navigate(callback, { headers: { cookie } });
  // the second click is stopped between its look into the store and its answer
  const get = store.get.bind(store);
  let goOn: () => void = () => {};
  const stopped = new Promise<void>((reached) => {
    store.get = (id, done) => {
      store.get = get;
      get(id, (error, found) => {
        goOn = () => done(error, found);
        reached();
      });
    };
  });
  const late = new Browser();
  const answer = late.navigate(callback, { headers: { cookie } });
  await stopped;
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  goOn();
  await answer;
  expect([(await me()).isAuthenticated, (await me(late)).isAuthenticated]).toEqual([false, false]);
});

test("a store of portalAuth that is not used, as the app mounts a session of its own, is told once", async () => {
  const { browser, url, log } = await startWorld({
    ownSession: true,
    options: { store: new session.MemoryStore() },
    log: [/is not used/],
  });
  await browser.visit(`${url}/account`);
  await browser.visit(`${url}/account`);
  expect(log.filter((line) => line.includes("SESSION_STORE_URL"))).toHaveLength(1);
});

test("while the app's store says that it is away nobody is given another session: a person is no stranger then", async () => {
  const store = new session.MemoryStore();
  const { browser, url, log } = await startWorld({
    before: (app) => app.use(session({ store, secret: "the app's own", resave: false, saveUninitialized: false })),
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

test("while our store says that it is away nobody is a stranger, and a logout that could end nothing is none", async () => {
  const store = new session.MemoryStore();
  const { browser, url, me } = await startWorld({ options: { store }, log: [/session_store_failed/] });
  await browser.visit(`${url}/account`);
  store.emit("disconnect");
  expect((await browser.visit(`${url}/account`)).status).toBe(503);
  const logout = await browser.fetch(`${url}/logout`, { method: "POST" });
  expect([logout.status, logout.headers["set-cookie"]]).toEqual([503, undefined]);
  store.emit("connect");
  expect((await me()).isAuthenticated).toBe(true);
});

/** Signs in as this person, in a browser in which somebody else is signed in here, and not at the portal any more. */
async function signInAs(world: Awaited<ReturnType<typeof startWorld>>, sub: string) {
  const { browser, url } = world;
  const cookie = (await browser.cookies(url)).get("portal-session");
  await browser.jar.removeAllCookies();
  browser.jar.setCookieSync(`portal-session=${cookie}; Path=/`, url);
  browser.person = { sub };
  return browser.visit(`${url}/login?returnTo=/account`);
}

describe.each<[string, (portal: Record<string, unknown>) => void, RegExp[]]>([
  [
    "cannot be opened any more",
    (portal) => Object.assign(portal, { tokens: "sealed by another" }),
    [/tokens_unreadable/],
  ],
  ["has lost its tokens, as others may write to the store", (portal) => void delete portal["tokens"], []],
  ["is from before redirect_uri was kept", (portal) => void delete portal["redirect_uri"], []],
])("a session whose login %s", (_name, change, log) => {
  async function start() {
    const store = new session.MemoryStore();
    const options = { store, keepSessionKeys: ["cart"], tokenEncryptionKey: "k".repeat(32) };
    const world = await startWorld({ options, after: withCart, log });
    await world.browser.visit(`${world.url}/account`);
    await world.browser.fetch(`${world.url}/cart/lamp`);
    const { sessions } = store as unknown as { sessions: Record<string, string> };
    for (const [id, text] of Object.entries(storedSessions(store))) {
      const data = JSON.parse(text);
      change(data.portal);
      sessions[id] = JSON.stringify(data);
    }
    return world;
  }

  test("hands nothing to the next person who signs in", async () => {
    const world = await start();
    expect((await signInAs(world, "jonas-weber")).status).toBe(200);
    expect(await sessionOf(world.browser, world.url)).not.toHaveProperty("cart");
  });

  test("hands what keepSessionKeys names to the same person", async () => {
    const world = await start();
    expect((await signInAs(world, "amara-okafor")).status).toBe(200);
    expect((await sessionOf(world.browser, world.url)).cart).toEqual(["lamp"]);
  });
});

test("in a log our own session shows no token", async () => {
  let [shown, raw] = ["", ""];
  const { browser, url } = await startWorld({
    after: (app) =>
      app.get("/test/log", (req, res) => {
        shown = inspect(req.session, { depth: 9 });
        raw = inspect(req.session[Object.getOwnPropertySymbols(req.session)[0] as never], { customInspect: false });
        res.end();
      }),
  });
  await browser.visit(`${url}/account`);
  await browser.fetch(`${url}/test/log`);
  expect(shown).toContain("amara-okafor");
  expect(shown + raw).not.toContain("access_token");
});

test.each([[undefined], [{}], [{ access_token: 7 }], [null]])(
  "a stored login whose tokens are %j is none: others may write to the store",
  async (tokens) => {
    const store = new session.MemoryStore();
    const { browser, url, me } = await startWorld({ options: { store } });
    await browser.visit(`${url}/account`);
    const { sessions } = store as unknown as { sessions: Record<string, string> };
    for (const [id, text] of Object.entries(storedSessions(store))) {
      const data = JSON.parse(text);
      sessions[id] = JSON.stringify({ ...data, portal: { ...data.portal, tokens } });
    }
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

describe("why a login does not count is told", () => {
  const now = 1_000_000;
  const rules = {
    name: undefined,
    https: false,
    issuer: "https://portal.example",
    clientId: "app",
    redirectUri: "https://app.example/callback",
    sessionAbsolute: 600,
    clock: () => now * 1000,
  };
  const login = {
    tokens: { access_token: "a", token_type: "bearer" as const },
    claims: { sub: "amara" },
    started_at: now - 60,
    obtained_at: now - 60,
    issuer: rules.issuer,
    client_id: rules.clientId,
    redirect_uri: rules.redirectUri,
    version: 1,
  };
  const kept = (change: object) => new KeptPortalSession({ ...login, ...change } as never);

  test.each<[string | undefined, unknown]>([
    [undefined, kept({})],
    [undefined, undefined],
    ["not_ours", login],
    ["unreadable", kept({ tokens: {} })],
    ["unreadable", kept({ claims: undefined })],
    ["of_another_portal_auth", kept({ issuer: "https://another.example" })],
    ["of_another_portal_auth", kept({ client_id: "another" })],
    ["of_another_portal_auth", kept({ redirect_uri: "https://app.example/staff/callback" })],
    ["unconfirmed", kept({ unconfirmed: true })],
    ["too_old", kept({ started_at: now - 600 })],
    ["too_old", kept({ started_at: "x" })],
    [undefined, kept({ tokens: { ...login.tokens, refresh_expires_at: now - 1 } })],
  ])("%s, case %#", (reason, portal) => {
    const req = { session: { id: "a", portal } } as unknown as Request;
    expect(whyRefused(req, rules)).toBe(reason);
    expect(readSession(req, rules)).toBe(reason === undefined ? portal : undefined);
  });
});
