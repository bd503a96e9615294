import type { Express, Request } from "express";
import session from "express-session";
import { describe, expect, test } from "vitest";
import { createMemoryStore } from "../../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../../lib/store/portal-session-store.js";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { createGate } from "../../support/gate.js";
import { observedStore } from "../../support/stored-sessions.js";
import { startWorld, type WorldOptions } from "../../support/world.js";
import {
  addSessionRoute,
  changeRoute,
  createSlowRoute,
  fetchSession,
  mountExpressSession,
  saveSession,
  setValue,
} from "../slow-route.js";

// What applications do to their session with the means of express-session.

type Way = [name: string, world: (store: ReturnType<typeof observedStore>) => WorldOptions];

const WAYS: Way[] = [
  ["our session", (store) => ({ options: { store } })],
  [
    "the app's session in a store of ours",
    (store) => ({ before: mountExpressSession({ store: new PortalSessionStore(store) }) }),
  ],
  ["the app's session in its own store", (store) => ({ before: mountExpressSession(), options: { store } })],
];

async function start(way: Way[1], more: (app: Express) => void) {
  const { clock, later } = createClock();
  const store = observedStore(clock);
  const slow = createSlowRoute();
  const given = way(store);
  const world = await startWorld({
    ...given,
    options: { clock, ...given.options },
    after(app) {
      slow.addTo(app);
      addSessionRoute(app);
      more(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  const cookie = await world.browser.jar.getCookieString(world.url);
  const see = async () => {
    const { body } = await new Browser().fetch(`${world.url}/test/session`, { headers: { cookie } });
    return JSON.parse(body);
  };
  return { world, store, see, slow, later };
}

const ENDS: [string, (app: Express) => void][] = [
  [
    "destroys it",
    (app) =>
      app.get("/test/end", (req, res, next) => {
        req.session.destroy((error) => (error ? next(error) : res.end()));
      }),
  ],
  [
    "regenerates it, as passport's logout does",
    (app) =>
      app.get("/test/end", (req, res, next) => {
        req.session.regenerate((error) => (error ? next(error) : res.end()));
      }),
  ],
  [
    "removes the login from it",
    changeRoute("/test/end", (req) => {
      delete (req.session as { portal?: unknown }).portal;
    }),
  ],
];

describe.each(WAYS)("%s", (name, way) => {
  describe.each(ENDS)("ends with its login if the application %s", (_how, end) => {
    test("and the record is removed", async () => {
      const { world, store } = await start(way, end);
      await world.browser.fetch(`${world.url}/test/end`);
      await expect.poll(() => store.logins()).toEqual([]);
      expect((await world.me()).isAuthenticated).toBe(false);
    });

    test.each([
      ["at its end", setValue("note", "late")],
      [
        "by itself",
        (req: Request) => {
          req.session.note = "late";
          return saveSession(req);
        },
      ],
    ])("and a slow request that saves %s brings it back to nobody", async (_when, change) => {
      const { world, store, see, slow } = await start(way, end);
      const goOn = await slow.startRequest(world, change);
      await world.browser.fetch(`${world.url}/test/end`);
      await expect.poll(() => store.logins()).toEqual([]);
      await goOn();
      const seen = await see();
      expect([seen.portal, seen.note]).toEqual([undefined, undefined]);
      expect(await store.logins()).toEqual([]);
    });
  });

  test("keeps a longer life that a request has set, also when its end was due to move", async () => {
    if (name === "our session") return; // its cookie and its life are ours
    const { world, later } = await start(
      (store) => {
        const given = way(store);
        const cookie = { maxAge: 600_000 };
        const own = name.includes("a store of ours") ? { store: new PortalSessionStore(store) } : {};
        return { ...given, before: mountExpressSession({ ...own, cookie }) };
      },
      (app) => {
        changeRoute("/test/remember-me", (req) => {
          req.session.cookie.maxAge = 6_000_000;
        })(app);
        app.get("/test/life", (req, res) => void res.json(req.session.cookie.originalMaxAge));
      },
    );
    later(120); // the login's idle end is due to move
    await world.browser.fetch(`${world.url}/test/remember-me`);
    expect(Number((await world.browser.fetch(`${world.url}/test/life`)).body)).toBeGreaterThan(5_900_000);
  });
});

describe.each(SESSIONS)(
  "%s that the application destroys ends with its login in the request that",
  (_name, whose) => {
    const destroyed = ({ session }: Request) =>
      new Promise<void>((done) => void session.destroy(() => done()));

    test("has given it a new id", async () => {
      const world = await logIn({ session: whose });
      const phone = await world.another();
      await world.inRequest(async (req) => {
        await req.portal.regenerate();
        await destroyed(req);
      });
      await expect.poll(() => world.stored()).toHaveLength(1);
      expect(await world.inRequest((req) => req.portal.sessions(), phone)).toHaveLength(1);
    });

    test("has begun the login", async () => {
      let isLoginDestroyed = false;
      const world = await logIn({
        session: whose,
        before: (app) =>
          app.use("/callback", (req, res, next) => {
            const { end } = res;
            res.end = function endWithoutSession(this: typeof res, ...args: unknown[]) {
              if (isLoginDestroyed) req.session.destroy(() => {});
              return (end as (...given: unknown[]) => typeof res).apply(this, args);
            } as typeof res.end;
            next();
          }),
      });
      isLoginDestroyed = true;
      const stored = await world.stored();
      const phone = new Browser();
      const { pathname, search } = await phone.loginUntilCallback(`${world.url}/account`);
      expect((await phone.navigate(world.url + pathname + search)).status).toBe(303);
      await expect.poll(() => world.stored()).toEqual(stored);
    });
  },
);

test("an application with `unset: 'destroy'` that removes its session ends the login", async () => {
  const store = observedStore();
  const world = await startWorld({
    before: (app) =>
      app.use(session({ secret: "s", resave: false, saveUninitialized: false, unset: "destroy" })),
    options: { store },
    after: (app) =>
      app.get("/test/end", (req, res) => {
        (req as { session: unknown }).session = null;
        res.end();
      }),
  });
  await world.browser.visit(`${world.url}/account`);
  await world.browser.fetch(`${world.url}/test/end`);
  await expect.poll(() => store.logins()).toEqual([]);
  expect((await world.me()).isAuthenticated).toBe(false);
});

test("a client that breaks off its request ends nothing", async () => {
  const store = createMemoryStore();
  const slow = createSlowRoute();
  const world = await startWorld({ options: { store }, after: slow.addTo });
  await world.browser.visit(`${world.url}/account`);
  const broken = new AbortController();
  const headers = { cookie: await world.browser.jar.getCookieString(world.url) };
  const goOn = await slow.startRequest(world, () => {}, {
    fetch: (url: string) => fetch(url, { headers, signal: broken.signal }),
  } as never);
  broken.abort();
  await goOn().catch(() => {});
  expect((await world.me()).isAuthenticated).toBe(true);
});

describe("a request that its client breaks off", () => {
  const ends: [string, (req: Request) => Promise<void>][] = [
    ["destroys", (req) => new Promise((done) => void req.session.destroy(() => done()))],
    ["regenerates", (req) => new Promise((done) => void req.session.regenerate(() => done()))],
  ];

  test.each(ends)("ends the login if it %s the session afterwards", async (_how, end) => {
    const store = observedStore();
    const [loaded, broken, goOn] = [createGate(), createGate(), createGate()];
    const world = await startWorld({
      before: mountExpressSession(),
      options: { store },
      after: (app) =>
        app.get("/test/end", async (req, res) => {
          res.once("close", broken.open);
          loaded.open();
          await goOn.opened;
          await end(req);
          res.end();
        }),
    });
    await world.browser.visit(`${world.url}/account`);
    const client = new AbortController();
    const headers = { cookie: await world.browser.jar.getCookieString(world.url) };
    const asked = fetch(`${world.url}/test/end`, { headers, signal: client.signal }).catch(() => {});
    await loaded.opened;
    client.abort();
    await Promise.all([asked, broken.opened]);
    expect(await store.logins()).toHaveLength(1);
    goOn.open();
    await expect.poll(() => store.logins()).toEqual([]);
  });
});

test("an application that puts all data into the session that replaces the old one keeps them, without the login", async () => {
  const world = await startWorld({
    before: mountExpressSession(),
    options: { store: createMemoryStore() },
    after(app) {
      app.get("/test/replace", (req, res, next) => {
        const { cookie, ...data } = { ...req.session, note: "kept" };
        req.session.regenerate((error) => {
          Object.assign(req.session, data);
          if (error) next(error);
          else res.end();
        });
      });
      addSessionRoute(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  await world.browser.fetch(`${world.url}/test/replace`);
  for (const _ of [1, 2]) {
    expect((await world.me()).isAuthenticated).toBe(false);
    expect(await fetchSession(world)).toMatchObject({ note: "kept" });
  }
});
