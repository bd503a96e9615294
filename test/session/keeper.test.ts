import type { Express, Request, RequestHandler } from "express";
import session, { type SessionData, type SessionOptions } from "express-session";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Lock } from "../../lib/index.js";
import { Keeper } from "../../lib/session/keeper.js";
import { promised } from "../../lib/session/update.js";
import { startPortal } from "../../lib/testing/portal/portal.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { createGate } from "../support/gate.js";
import { storedSessions } from "../support/stored-sessions.js";
import { CLIENT_ID, CLIENT_SECRET, startWorld, type World } from "../support/world.js";

declare module "express-session" {
  interface SessionData {
    left?: string;
    right?: string;
    note?: string;
  }
}

type Change = (req: Request) => unknown;

/** A route that loads its session, waits for the test, and then does what the test wants of it. */
function createSlowRoute() {
  let change: Change = () => {};
  let goOn = () => {};
  let loaded = () => {};
  const handler: RequestHandler = async (req, res, next) => {
    const released = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const mine = change;
    loaded();
    await released;
    await Promise.resolve(mine(req)).then(() => res.json(req.session ?? {}), next);
  };
  return {
    after: (app: Express) => app.get("/test/slow", handler),
    /** Begins a request; it goes on when the test calls what this resolves to. */
    async begin({ browser, url }: Pick<World, "browser" | "url">, then: Change, who = browser) {
      change = then;
      const isLoaded = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      const answer = who.fetch(`${url}/test/slow`);
      await isLoaded;
      const mine = goOn;
      return () => {
        mine();
        return answer;
      };
    },
  };
}

const quick = (path: string, change: Change) => (app: Express) =>
  app.get(path, async (req, res) => {
    await change(req);
    res.json(req.session ?? {});
  });

type Key = "left" | "right" | "note" | "portal";

const set =
  (key: Exclude<Key, "portal">, value: string): Change =>
  (req) => {
    req.session[key] = value;
  };

/** To another value each time. */
const setAnew =
  (key: Exclude<Key, "portal">): Change =>
  (req) => {
    req.session[key] = String(Math.random());
  };

const remove =
  (key: Key): Change =>
  (req) => {
    delete req.session[key];
  };

const saved = (req: Request) =>
  new Promise<void>((resolve, reject) => req.session.save((error) => (error ? reject(error) : resolve())));

const SECRET = "the-secret-of-the-apps-own-session";
const mounted =
  (options: Partial<SessionOptions> = {}) =>
  (app: Express) =>
    app.use(session({ secret: SECRET, resave: false, saveUninitialized: false, ...options }));

const look = (app: Express) =>
  app.get("/test/look", ({ session: { portal, ...others } }, res) => {
    res.json({ ...others, ...(portal && { portal: { ...portal } }) }); // as JSON, our own leaves the tokens out
  });
const lookAt = async ({ browser, url }: World, who = browser) => JSON.parse((await who.fetch(`${url}/test/look`)).body);

/** express-session's memory, with what was asked of it. */
class CountingMemory extends session.MemoryStore {
  readonly calls: string[] = [];
  declare sessions: Record<string, string>;
  override get(...args: Parameters<session.MemoryStore["get"]>) {
    this.calls.push("get");
    super.get(...args);
  }
  override set(...args: Parameters<session.MemoryStore["set"]>) {
    this.calls.push("set");
    super.set(...args);
  }
  override touch(...args: Parameters<session.MemoryStore["touch"]>) {
    this.calls.push("touch");
    super.touch(...args);
  }
  since(work: () => Promise<unknown>): Promise<string[]> {
    this.calls.length = 0;
    return work().then(() => [...this.calls]);
  }
}

const WAYS: [string, Pick<Parameters<typeof startWorld>[0] & object, "before">][] = [
  ["our session", {}],
  ["the app's session", { before: mounted() }],
  ["the app's session with resave", { before: mounted({ resave: true }) }],
  ["the app's session that rolls", { before: mounted({ rolling: true, cookie: { maxAge: 60_000 } }) }],
  ["the app's session with resave that rolls", { before: mounted({ resave: true, rolling: true }) }],
];

describe.each(WAYS)("%s", (_name, way) => {
  async function start(more: (app: Express) => void = () => {}) {
    const slow = createSlowRoute();
    const { clock, later } = createClock();
    const world = await startWorld({
      ...way,
      options: { clock },
      portal: { rotateRefreshTokens: true },
      after(app) {
        slow.after(app);
        look(app);
        quick("/test/token", (req) => req.portal.accessToken())(app);
        more(app);
      },
    });
    await world.browser.visit(`${world.url}/account`);
    return { world, begin: (then: Change) => slow.begin(world, then), later };
  }

  test("a request that changes nothing undoes nothing", async () => {
    const { world, begin } = await start(quick("/test/left", set("left", "1")));
    const goOn = await begin(() => {});
    await world.browser.fetch(`${world.url}/test/left`);
    await goOn();
    expect(await lookAt(world)).toMatchObject({ left: "1" });
  });

  test.each<[string, Change]>([
    ["at its end", set("right", "2")],
    [
      "by itself",
      (req) => {
        req.session.right = "2";
        return saved(req);
      },
    ],
    [
      "by itself and again at its end",
      async (req) => {
        req.session.note = "3";
        await saved(req);
        req.session.right = "2";
      },
    ],
    [
      "after it has loaded it again",
      async (req) => {
        await new Promise<void>((done) => req.session.reload(() => done()));
        req.session.right = "2";
      },
    ],
  ])(
    "a request that saves %s keeps its own change, that of another, and the tokens of a refresh",
    async (_when, change) => {
      const { world, begin, later } = await start(quick("/test/left", set("left", "1")));
      const goOn = await begin(change);
      later(301);
      await world.browser.fetch(`${world.url}/test/left`);
      await world.browser.fetch(`${world.url}/test/token`);
      const { tokens } = await world.me();
      expect((await goOn()).status).toBe(200);
      expect(await lookAt(world)).toMatchObject({ left: "1", right: "2", portal: { tokens, version: 2 } });
    },
  );

  test("what a request removes is removed, and what another added meanwhile stays", async () => {
    const { world, begin } = await start((app) => {
      quick("/test/both", (req) => Object.assign(req.session, { left: "1", right: "2" }))(app);
      quick("/test/note", set("note", "3"))(app);
    });
    await world.browser.fetch(`${world.url}/test/both`);
    const goOn = await begin(remove("left"));
    await world.browser.fetch(`${world.url}/test/note`);
    await goOn();
    const kept = await lookAt(world);
    expect(kept).toMatchObject({ right: "2", note: "3" });
    expect(kept).not.toHaveProperty("left");
  });

  test.each<[string, Change]>([
    ["changes it", set("note", "late")],
    [
      "changes it and saves it",
      (req) => {
        req.session.note = "late";
        return saved(req);
      },
    ],
    ["only reads it", () => {}],
  ])("a session that is destroyed stays gone, whatever a request in flight does that %s", async (_what, change) => {
    const { world, begin } = await start();
    const cookies = await world.browser.jar.getCookieString(world.url);
    const goOn = await begin(change);
    await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
    await goOn();
    const kept = await new Browser().fetch(`${world.url}/test/look`, { headers: { cookie: cookies } });
    expect(JSON.parse(kept.body)).not.toHaveProperty("portal");
    expect(JSON.parse(kept.body)).not.toHaveProperty("note");
  });

  test("a login that the app takes out of the session stays out, whatever a request in flight saves", async () => {
    const { world, begin } = await start(quick("/test/forget", remove("portal")));
    const goOn = await begin(set("note", "late"));
    await world.browser.fetch(`${world.url}/test/forget`);
    await goOn();
    expect((await world.me()).isAuthenticated).toBe(false);
    expect(await lookAt(world)).toMatchObject({ note: "late" });
  });

  test("an app that changes the session's id itself takes the login along", async () => {
    const { world } = await start(
      quick("/test/new-id", async (req) => {
        const { portal } = req.session;
        await new Promise<void>((done) => req.session.regenerate(() => done()));
        if (portal) req.session.portal = portal;
      }),
    );
    await world.browser.fetch(`${world.url}/test/new-id`);
    expect((await world.me()).isAuthenticated).toBe(true);
  });
});

describe.each(WAYS)("%s, in the hands of an app", (_name, way) => {
  async function start(more: (app: Express) => void) {
    const world = await startWorld({
      ...way,
      after(app) {
        look(app);
        more(app);
      },
    });
    await world.browser.visit(`${world.url}/account`);
    return world;
  }

  test("keeps what is copied by spread to a session with another id, the login included", async () => {
    const world = await start(
      quick("/test/new-id", async (req) => {
        const { cookie: _, ...rest } = req.session;
        await new Promise<void>((done) => req.session.regenerate(() => done()));
        Object.assign(req.session, rest, { note: "copied" });
      }),
    );
    await world.browser.fetch(`${world.url}/test/new-id`);
    expect(await lookAt(world)).toMatchObject({ note: "copied" });
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("keeps what is changed while a save is under way", async () => {
    const world = await start(
      quick("/test/hurry", (req) => {
        req.session.left = "1";
        const done = saved(req);
        req.session.right = "2";
        return done;
      }),
    );
    await world.browser.fetch(`${world.url}/test/hurry`);
    expect(await lookAt(world)).toMatchObject({ left: "1", right: "2" });
  });

  test("has what was set and taken back, in two saves at once, as it was last", async () => {
    const world = await start(
      quick("/test/hesitate", async (req) => {
        req.session.left = "1";
        const done = saved(req);
        delete req.session.left;
        await Promise.all([done, saved(req)]);
      }),
    );
    await world.browser.fetch(`${world.url}/test/hesitate`);
    expect(await lookAt(world)).not.toHaveProperty("left");
  });
});

test("two saves of a new session at once end with the last, though the store does the first more slowly", async () => {
  const immediate = () => new Promise((resolve) => setImmediate(resolve));
  class MemoryThatIsSlowAtFirst extends CountingMemory {
    sets = 0;
    override async set(...args: Parameters<session.MemoryStore["set"]>) {
      this.sets += 1;
      for (let turn = 0; this.sets === 1 && turn < 20; turn += 1) await immediate();
      super.set(...args);
    }
  }
  const store = new MemoryThatIsSlowAtFirst();
  const { url } = await startWorld({
    options: { store },
    after: quick("/test/begin", async (req) => {
      req.session.left = "1";
      const first = saved(req);
      req.session.right = "2";
      await Promise.all([first, saved(req)]);
    }),
  });
  await new Browser().fetch(`${url}/test/begin`);
  const [stored] = Object.values(storedSessions(store));
  expect(JSON.parse(stored ?? "{}")).toMatchObject({ left: "1", right: "2" });
});

describe("a session that an app reads from its store and writes back itself", () => {
  interface Copy {
    left?: string;
    right?: string;
    cookie: session.Cookie;
    portal: { tokens: object; version: number };
  }

  const copy = (version: number, more: object = {}): Copy => ({
    cookie: new session.Cookie(),
    portal: { tokens: { access_token: `access ${version}` }, version },
    ...more,
  });

  /** @param version of the login that lies in the store. */
  function start(version: number) {
    const store = new CountingMemory();
    store.sessions["id"] = JSON.stringify(copy(version, { left: "0" }));
    const keeper = new Keeper(store, { clock: Date.now, lock: undefined, limits: undefined, warn: () => {} });
    const set = (data: Copy) => promised((done) => store.set("id", data as never, done));
    const stored = () => JSON.parse(store.sessions["id"] ?? "{}");
    return { store, keeper, set, stored };
  }

  test("is as it was written, what is not in it any more included", async () => {
    const { set, stored } = start(1);
    await set(copy(1, { right: "3" }));
    expect(stored()).toMatchObject({ right: "3", portal: { version: 1 } });
    expect(stored()).not.toHaveProperty("left");
  });

  test("holds the login that is stored, whichever the app has put in its place", async () => {
    const { set, stored } = start(1);
    await set(copy(9, { right: "3" }));
    expect(stored()).toMatchObject({ right: "3", portal: { version: 1, tokens: { access_token: "access 1" } } });
  });

  test("holds no login any more that was taken out of it: that is how somebody else signs a person out", async () => {
    const { set, stored } = start(1);
    const { portal: _, ...withoutLogin } = copy(1, { right: "3" });
    await set(withoutLogin as Copy);
    expect(stored()).toMatchObject({ right: "3" });
    expect(stored()).not.toHaveProperty("portal");
  });

  test("is left as the app has it: what is not kept is taken out of what is written alone", async () => {
    const { set } = start(1);
    const mine = copy(9);
    await set(mine);
    expect(mine.portal.version).toBe(9);
  });

  test("may be no session at all, for an app that keeps other things there", async () => {
    const { store, stored } = start(1);
    const put = (text: string) => promised((done) => store.set("id", { text } as never, done));
    await put("one");
    await put("two");
    expect(stored()).toEqual({ text: "two" });
  });

  test("brings back no login that has ended meanwhile", async () => {
    const { store, set, stored } = start(1);
    await promised((done) => store.destroy("id", done));
    await set(copy(1, { right: "3" }));
    expect(stored()).toMatchObject({ right: "3" });
    expect(stored()).not.toHaveProperty("portal");
  });

  test("leaves the claim of the process that refreshes it where it is", async () => {
    const { keeper, set, stored } = start(1);
    const refreshing = { id: "a process.1", claimed_at: 1 };
    await keeper.update("id", (session) => ({ ...session, portal: { ...session.portal, refreshing } as never }));
    await set(copy(1, { left: "1" }));
    expect(stored()).toMatchObject({ left: "1", portal: { version: 1, refreshing } });
  });

  test("keeps tokens that have become newer meanwhile", async () => {
    const { set, stored } = start(2);
    await set(copy(1, { left: "1" }));
    expect(stored()).toMatchObject({ left: "1", portal: { version: 2, tokens: { access_token: "access 2" } } });
  });
});

test("a request that loaded before does not take back that a session is to live longer", async () => {
  const store = new CountingMemory();
  const slow = createSlowRoute();
  const world = await startWorld({
    before: mounted({ store, cookie: { maxAge: 60_000 } }),
    after(app) {
      slow.after(app);
      quick("/test/remember-me", (req) => {
        req.session.cookie.maxAge = 600_000;
        req.session.left = "1";
      })(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  const goOn = await slow.begin(world, set("right", "2"));
  await world.browser.fetch(`${world.url}/test/remember-me`);
  await goOn();
  const [stored] = Object.values(storedSessions(store));
  const kept = JSON.parse(stored ?? "{}");
  expect(kept).toMatchObject({ left: "1", right: "2" });
  // express-session reads it back from the end that it has just counted: a millisecond may have gone by
  expect(kept.cookie.originalMaxAge).toBeGreaterThan(300_000);
});

describe("the first request that a process sees", () => {
  /** Somebody has logged in. A process that starts later has a store of its own for the same sessions, which portalAuth has not met. */
  async function restart(after: (app: Express) => void = () => {}) {
    const store = new CountingMemory();
    const first = await startWorld({ before: mounted({ store }), after: quick("/test/right", set("right", "old")) });
    await first.browser.visit(`${first.url}/account`);
    await first.browser.fetch(`${first.url}/test/right`);
    const headers = { cookie: await first.browser.jar.getCookieString(first.url) };
    const restarted = new CountingMemory();
    restarted.sessions = store.sessions;
    let change: Change = () => {};
    const second = await startWorld({
      before(app) {
        mounted({ store: restarted })(app);
        app.use((req, _res, next) => {
          change(req);
          next();
        });
      },
      options: { issuer: first.portal.issuer },
      after(app) {
        look(app);
        after(app);
      },
    });
    return {
      stored: () => Object.values(storedSessions(store))[0] ?? "{}",
      fetch: (path: string) => second.browser.fetch(second.url + path, { headers }),
      beforePortalAuth(then: Change) {
        change = then;
      },
    };
  }

  test("keeps what the app changed before portalAuth ran", async () => {
    const { fetch, beforePortalAuth } = await restart();
    beforePortalAuth(set("left", "counted"));
    await fetch("/account");
    beforePortalAuth(() => {});
    expect(JSON.parse((await fetch("/test/look")).body)).toMatchObject({ left: "counted" });
  });

  test("undoes nothing of what another process changes meanwhile", async () => {
    const { fetch, stored } = await restart(
      quick("/test/left", (req) => {
        const { sessions } = req.sessionStore as unknown as CountingMemory;
        const data = JSON.parse(sessions[req.sessionID] ?? "{}");
        sessions[req.sessionID] = JSON.stringify({ ...data, right: "of another" });
        req.session.left = "1";
      }),
    );
    await fetch("/test/left");
    expect(JSON.parse(stored())).toMatchObject({ left: "1", right: "of another" });
  });
});

test("two portalAuth() of one client that would seal with different keys are told", async () => {
  const store = new CountingMemory();
  const [one, other] = ["1".repeat(32), "2".repeat(32)];
  const first = await startWorld({ options: { store, tokenEncryptionKey: one } });
  await first.browser.visit(`${first.url}/account`);
  const { browser, url, log } = await startWorld({
    options: { store, tokenEncryptionKey: other, issuer: first.portal.issuer },
    log: [/different TOKEN_ENCRYPTION_KEYs/],
  });
  await browser.fetch(`${url}/`);
  expect(log.join()).toContain("Give both the same");
});

test("a store that never answers once holds up its session for ten seconds, and then no longer", async () => {
  vi.useFakeTimers();
  class MuteMemory extends CountingMemory {
    isMute = false;
    override get(...args: Parameters<session.MemoryStore["get"]>) {
      if (!this.isMute) super.get(...args);
      this.isMute = false;
    }
  }
  const store = new MuteMemory();
  const keeper = new Keeper(store, { clock: Date.now, lock: undefined, limits: undefined, warn: () => {} });
  const settled = async <T>(work: Promise<T>) => {
    let isDone = false;
    const done = () => {
      isDone = true;
    };
    work.then(done, done);
    while (!isDone) await vi.advanceTimersByTimeAsync(100);
    return work;
  };
  const content = { cookie: new session.Cookie(), portal: { tokens: {}, version: 1 } };
  await settled(new Promise<void>((done) => store.set("id", content as never, () => done())));
  store.isMute = true;
  const lost = keeper.update("id", (stored) => ({ ...stored, left: "late" })).catch((error) => error.code);
  const next = keeper.update("id", (stored) => ({ ...stored, right: "in time" }));
  expect(await settled(lost)).toBe("session_store_failed");
  expect(await settled(next)).toMatchObject({ right: "in time" });
  vi.useRealTimers();
});

describe("what it costs", () => {
  const start = async (before: ((app: Express) => void) | undefined, options: object) => {
    const world = await startWorld({
      ...(before && { before }),
      options,
      after: quick("/test/left", setAnew("left")),
    });
    await world.browser.visit(`${world.url}/account`);
    return world;
  };

  test("a request that only reads an app's session asks its store for no more than express-session does", async () => {
    const store = new CountingMemory();
    const { browser, url } = await start(mounted({ store }), {});
    expect(await store.since(() => browser.fetch(`${url}/account`))).toEqual(["get", "touch"]);
    expect(await store.since(() => browser.fetch(`${url}/test/left`))).toEqual(["get", "get", "set"]);
  });

  test("with resave likewise: a session that nobody changed is touched", async () => {
    const store = new CountingMemory();
    const { browser, url } = await start(mounted({ store, resave: true }), {});
    expect(await store.since(() => browser.fetch(`${url}/account`))).toEqual(["get", "touch"]);
  });

  test("one that reads our session asks the store once, and its end is written once a minute", async () => {
    const store = new CountingMemory();
    const { clock, later } = createClock();
    const { browser, url } = await start(undefined, { store, clock });
    expect(await store.since(() => browser.fetch(`${url}/account`))).toEqual(["get"]);
    later(59);
    expect(await store.since(() => browser.fetch(`${url}/account`))).toEqual(["get"]);
    later(1);
    const many = await store.since(() =>
      Promise.all(Array.from({ length: 20 }, () => browser.fetch(`${url}/account`))),
    );
    expect(many.filter((call) => call === "set")).toHaveLength(1);
    expect(await store.since(() => browser.fetch(`${url}/account`))).toEqual(["get"]);
  });

  test("a visitor's session of the app is none of our affair: it is saved as express-session hands it over", async () => {
    const store = new CountingMemory();
    const set = vi.spyOn(store, "set");
    const { url } = await start(mounted({ store }), {});
    const visitor = new Browser();
    await visitor.fetch(`${url}/test/left`);
    expect(await store.since(() => visitor.fetch(`${url}/test/left`))).toEqual(["get", "set"]);
    expect(set.mock.lastCall?.[1].constructor.name).toBe("Session");
  });
});

describe("our session's cookie", () => {
  test("is set when the session begins, and by no later answer: none of them is personal in a cache", async () => {
    const { browser, url } = await startWorld({ after: quick("/test/left", set("left", "1")) });
    await browser.visit(`${url}/account`);
    for (const path of ["/account", "/test/left"])
      expect((await browser.fetch(url + path)).headers["set-cookie"]).toBeUndefined();
  });

  test("lives as long as a login may", async () => {
    const { browser, url } = await startWorld({ options: { sessionAbsolute: 7200, sessionIdle: 60 } });
    await browser.visit(`${url}/account`);
    const [cookie] = (await browser.jar.getCookies(url)).filter(({ key }) => key === "portal-session");
    expect(cookie?.expires).toBeInstanceOf(Date);
    expect(Math.round((Number(cookie?.expires) - Date.now()) / 60_000)).toBe(120);
  });

  test("of another login is not replaced by a slow answer of the one before", async () => {
    const slow = createSlowRoute();
    const world = await startWorld({ after: slow.after });
    const { browser, url } = world;
    await browser.visit(`${url}/account`);
    const goOn = await slow.begin(world, set("note", "late"));
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    browser.person = { sub: "jonas-weber" };
    await browser.visit(`${url}/account`);
    await goOn();
    expect((await world.me()).claims?.["sub"]).toBe("jonas-weber");
  });
});

describe("the idle limit of our session", () => {
  test("is enforced by what the session says, whatever the store does", async () => {
    class ForgetfulMemory extends CountingMemory {
      override get(id: string, done: (error: unknown, found?: SessionData | null) => void) {
        super.get(id, done);
      }
    }
    const { clock, later } = createClock();
    const { browser, url, me } = await startWorld({
      options: { clock, sessionIdle: 1800, store: new ForgetfulMemory() },
    });
    await browser.visit(`${url}/account`);
    later(1799);
    expect((await me()).isAuthenticated).toBe(true); // and pushed
    later(1799);
    expect((await me()).isAuthenticated).toBe(true);
    later(1801);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("of less than ten minutes is counted to its tenth part", async () => {
    const { clock, later } = createClock();
    const { browser, url, me } = await startWorld({ options: { clock, sessionIdle: 60 } });
    await browser.visit(`${url}/account`);
    for (let n = 0; n < 20; n += 1) {
      later(50);
      expect((await me()).isAuthenticated).toBe(true);
    }
    later(61);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("does not outlast the absolute one, however active somebody is", async () => {
    const { clock, later } = createClock();
    const { browser, url, me } = await startWorld({ options: { clock, sessionIdle: 1800, sessionAbsolute: 3600 } });
    await browser.visit(`${url}/account`);
    later(1700);
    expect((await me()).isAuthenticated).toBe(true);
    later(1700);
    expect((await me()).isAuthenticated).toBe(true);
    later(201);
    expect((await me()).isAuthenticated).toBe(false);
  });
});

describe("stores that are made in another way", () => {
  const STALE = { after: quick("/test/left", setAnew("left")) };

  test("one without a touch is kept alive by resave, and its tokens stay the newest", async () => {
    class UntouchableMemory extends CountingMemory {}
    Object.defineProperty(UntouchableMemory.prototype, "touch", { value: undefined });
    const store = new UntouchableMemory();
    const { browser, url } = await startWorld({ ...STALE, before: mounted({ store, resave: true }) });
    await browser.visit(`${url}/account`);
    expect(await store.since(() => browser.fetch(`${url}/account`))).toEqual(["get", "get", "set"]);
  });

  test("one whose touch is a set keeps the newest all the same", async () => {
    class MemoryThatSetsToTouch extends CountingMemory {
      override touch(id: string, data: SessionData, done?: () => void) {
        this.set(id, data, done);
      }
    }
    const slow = createSlowRoute();
    const world = await startWorld({
      before: mounted({ store: new MemoryThatSetsToTouch(), resave: true }),
      after(app) {
        slow.after(app);
        look(app);
        STALE.after(app);
      },
    });
    await world.browser.visit(`${world.url}/account`);
    const goOn = await slow.begin(world, () => {});
    await world.browser.fetch(`${world.url}/test/left`);
    await goOn();
    expect(await lookAt(world)).toHaveProperty("left");
  });

  test("a handler's save does not shorten a life that touches have prolonged", async () => {
    // as with connect-redis: a touch moves the store's own end, and leaves the cookie in the stored copy as it was
    class MemoryThatTouchesBeside extends CountingMemory {
      readonly ends: number[] = [];
      override touch(_id: string, _data: SessionData, done?: () => void) {
        done?.();
      }
      override set(id: string, data: SessionData, done?: (error?: unknown) => void) {
        this.ends.push(new Date(data.cookie.expires as Date).getTime() - Date.now());
        super.set(id, { ...data, cookie: { ...data.cookie, expires: new Date(Date.now() + 1000) } } as never, done);
      }
    }
    const store = new MemoryThatTouchesBeside();
    const { browser, url } = await startWorld({
      before: mounted({ store, cookie: { maxAge: 600_000 } }),
      after: quick("/test/save", (req) => {
        req.session.note = "1";
        return saved(req);
      }),
    });
    await browser.visit(`${url}/account`);
    await browser.fetch(`${url}/test/save`);
    expect(Math.round((store.ends.at(-1) ?? 0) / 60_000)).toBe(10);
  });
});

test("a session that is to live longer from now on does, though nothing else in it was changed", async () => {
  const store = new CountingMemory();
  const { browser, url } = await startWorld({
    before: mounted({ store, cookie: { maxAge: 60_000 } }),
    after: quick("/test/remember-me", (req) => {
      req.session.cookie.maxAge = 600_000;
      return saved(req);
    }),
  });
  await browser.visit(`${url}/account`);
  await browser.fetch(`${url}/test/remember-me`);
  const [stored] = Object.values(storedSessions(store));
  expect(JSON.parse(stored ?? "{}").cookie.originalMaxAge).toBe(600_000);
});

describe("a lock of the application", () => {
  /** A store of a kind that we do not know. */
  class Unknown extends CountingMemory {}
  Object.defineProperty(Unknown, "name", { value: "DocumentStore" });

  async function start(lock?: Lock, log: RegExp[] = []) {
    const world = await startWorld({
      options: { store: new Unknown(), ...(lock && { lock }) },
      after(app) {
        quick("/test/left", set("left", "1"))(app);
        look(app);
      },
      log,
    });
    await world.browser.visit(`${world.url}/account`);
    return world;
  }

  test("is held while a session is read, changed and written, by a name that does not tell the session's id", async () => {
    const names: string[] = [];
    const lock: Lock = async (name, work) => {
      names.push(`${name} begins`);
      const done = await work();
      names.push(`${name} ends`);
      return done;
    };
    const world = await start(lock);
    names.length = 0;
    await world.browser.fetch(`${world.url}/test/left`);
    expect(names).toEqual([
      expect.stringMatching(/^express-portal-auth:[\w-]{22} begins$/),
      expect.stringMatching(/^express-portal-auth:[\w-]{22} ends$/),
    ]);
    const cookie = decodeURIComponent((await world.browser.cookies(world.url)).get("portal-session") ?? "");
    expect(names.join()).not.toContain(cookie.slice(2, 12));
  });

  test("that fails costs a line in the log, and no change", async () => {
    const world = await start(() => Promise.reject(new Error("down")), [/The option lock failed \(Error: down\)/]);
    expect((await world.browser.fetch(`${world.url}/test/left`)).status).toBe(200);
    expect(await lookAt(world)).toMatchObject({ left: "1" });
  });

  test("that is missing for a store that several processes may share is told, once", async () => {
    const { log } = await start(undefined, [/hand portalAuth\(\) a lock/]);
    expect(log.filter((line) => line.includes("a lock"))).toHaveLength(1);
  });
});

test.each([true, false])(
  "a request that was there before the store was met, and ends after it was, takes nobody's login away (resave: %s)",
  async (resave) => {
    const settings = { secret: "the app's own", resave, saveUninitialized: false };
    const store = new session.MemoryStore();
    const first = await startWorld({ before: (app) => app.use(session({ ...settings, store })) });
    await first.browser.visit(`${first.url}/account`);
    const cookie = (await first.browser.cookies(first.url)).get("connect.sid");

    // another process begins with the same store
    const gate = createGate();
    const arrived = createGate();
    const again = Object.assign(new session.MemoryStore(), { sessions: Object(store).sessions });
    const second = await startWorld({
      options: { issuer: first.portal.issuer, redirectUri: `${first.url}/callback` },
      before: (app) => {
        app.use(session({ ...settings, store: again }));
        app.get("/slow", async (req, res) => {
          arrived.open();
          await gate.opened;
          Object.assign(req.session, { note: "slow" });
          res.end();
        });
      },
    });
    second.browser.jar.setCookieSync(`connect.sid=${cookie}; Path=/`, second.url);
    const slow = second.browser.fetch(`${second.url}/slow`);
    await arrived.opened;
    expect((await second.browser.fetch(`${second.url}/account`)).status).toBe(200);
    gate.open();
    await slow;
    expect((await second.browser.fetch(`${second.url}/account`)).status).toBe(200);
    expect(JSON.stringify(Object(again).sessions)).toContain("slow");
  },
);

test("two copies of this package on one store keep their logins, each its own", async () => {
  const OTHER = "http://127.0.0.1/other/callback";
  vi.resetModules();
  const other = await import("../../lib/index.js");
  const store = new session.MemoryStore();
  const portal = await startPortal({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, redirectUris: [OTHER] });
  onTestFinished(() => portal.close());
  const world = await startWorld({
    before: (app) => app.use(session({ store, secret: "the app's own", resave: true, saveUninitialized: false })),
    after: (app) => {
      const options = { issuer: portal.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, redirectUri: OTHER };
      app.use("/other", other.portalAuth({ ...options, secret: "s".repeat(32) }));
      app.get("/other/me", (req, res) => void res.json(req.portal.isAuthenticated));
    },
  });
  const { browser, url } = world;
  await browser.fetch(`${url}/other/me`); // both have met the store
  await browser.visit(`${url}/account`);
  for (const path of ["/account", "/other/me", "/account"])
    expect((await browser.fetch(url + path)).status, path).toBe(200);
  expect((await world.me()).isAuthenticated).toBe(true);
});
