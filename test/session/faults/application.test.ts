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

// Applications that end or change their session with the methods of express-session.

type Setup = [name: string, createOptions: (store: ReturnType<typeof observedStore>) => WorldOptions];

const SETUPS: Setup[] = [
  ["our session", (store) => ({ options: { store } })],
  [
    "the app's session in our store",
    (store) => ({ before: mountExpressSession({ store: new PortalSessionStore(store) }) }),
  ],
  ["the app's session in its own store", (store) => ({ before: mountExpressSession(), options: { store } })],
];

async function start(createOptions: Setup[1], addRoutes: (app: Express) => void) {
  const { clock, later } = createClock();
  const store = observedStore(clock);
  const slow = createSlowRoute();
  const worldOptions = createOptions(store);
  const world = await startWorld({
    ...worldOptions,
    options: { clock, ...worldOptions.options },
    after(app) {
      slow.addTo(app);
      addSessionRoute(app);
      addRoutes(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  const cookie = await world.browser.jar.getCookieString(world.url);
  const readSessionWithOldCookie = async () => {
    const { body } = await new Browser().fetch(`${world.url}/test/session`, { headers: { cookie } });
    return JSON.parse(body);
  };
  return { world, store, readSessionWithOldCookie, slow, later };
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
    "regenerates it, as Passport's logout does",
    (app) =>
      app.get("/test/end", (req, res, next) => {
        req.session.regenerate((error) => (error ? next(error) : res.end()));
      }),
  ],
  [
    "deletes req.session.portal",
    changeRoute("/test/end", (req) => {
      delete (req.session as { portal?: unknown }).portal;
    }),
  ],
];

describe.each(SETUPS)("%s", (name, createOptions) => {
  describe.each(ENDS)("if the application %s", (_action, end) => {
    test("ends with its login, and the record is removed", async () => {
      const { world, store } = await start(createOptions, end);
      await world.browser.fetch(`${world.url}/test/end`);
      await expect.poll(() => store.logins()).toEqual([]);
      expect((await world.me()).isAuthenticated).toBe(false);
    });

    test.each([
      ["when its response ends", setValue("note", "late")],
      [
        "with save()",
        (req: Request) => {
          req.session.note = "late";
          return saveSession(req);
        },
      ],
    ])("stays ended if a slow request saves it %s", async (_when, change) => {
      const { world, store, readSessionWithOldCookie, slow } = await start(createOptions, end);
      const finish = await slow.startRequest(world, change);
      await world.browser.fetch(`${world.url}/test/end`);
      await expect.poll(() => store.logins()).toEqual([]);
      await finish();
      const session = await readSessionWithOldCookie();
      expect([session.portal, session.note]).toEqual([undefined, undefined]);
      expect(await store.logins()).toEqual([]);
    });
  });

  test("keeps a longer lifetime that a request sets, also if the idle time is extended", async () => {
    // The lifetime of our session is an option.
    if (name === "our session") return;
    const { world, later } = await start(
      (store) => {
        const cookie = { maxAge: 600_000 };
        const storeOption = name.includes("our store") ? { store: new PortalSessionStore(store) } : {};
        return { ...createOptions(store), before: mountExpressSession({ ...storeOption, cookie }) };
      },
      (app) => {
        changeRoute("/test/remember-me", (req) => {
          req.session.cookie.maxAge = 6_000_000;
        })(app);
        app.get("/test/lifetime", (req, res) => {
          res.json(req.session.cookie.originalMaxAge);
        });
      },
    );
    // Now the next request extends the idle time of the login.
    later(120);
    await world.browser.fetch(`${world.url}/test/remember-me`);
    expect(Number((await world.browser.fetch(`${world.url}/test/lifetime`)).body)).toBeGreaterThan(5_900_000);
  });
});

describe.each(SESSIONS)(
  "%s ends with its login if the application destroys it in the request that",
  (_name, sessionKind) => {
    const destroySession = ({ session }: Request) =>
      new Promise<void>((resolve) => {
        session.destroy(() => resolve());
      });

    test("has given it a new id", async () => {
      const world = await logIn({ session: sessionKind });
      const phone = await world.another();
      await world.inRequest(async (req) => {
        await req.portal.regenerate();
        await destroySession(req);
      });
      await expect.poll(() => world.stored()).toHaveLength(1);
      expect(await world.inRequest((req) => req.portal.sessions(), phone)).toHaveLength(1);
    });

    test("has started the login", async () => {
      let isLoginDestroyed = false;
      const world = await logIn({
        session: sessionKind,
        before: (app) =>
          app.use("/callback", (req, res, next) => {
            const { end } = res;
            res.end = function endWithoutSession(this: typeof res, ...args: unknown[]) {
              if (isLoginDestroyed) req.session.destroy(() => {});
              return (end as (...args: unknown[]) => typeof res).apply(this, args);
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

test("a request that its client aborts does not end the login", async () => {
  const store = createMemoryStore();
  const slow = createSlowRoute();
  const world = await startWorld({ options: { store }, after: slow.addTo });
  await world.browser.visit(`${world.url}/account`);
  const abort = new AbortController();
  const headers = { cookie: await world.browser.jar.getCookieString(world.url) };
  const finish = await slow.startRequest(world, () => {}, {
    fetch: (url: string) => fetch(url, { headers, signal: abort.signal }),
  } as never);
  abort.abort();
  await finish().catch(() => {});
  expect((await world.me()).isAuthenticated).toBe(true);
});

describe("a request that its client aborts", () => {
  const ends: [string, (req: Request) => Promise<void>][] = [
    [
      "destroys",
      (req) =>
        new Promise((resolve) => {
          req.session.destroy(() => resolve());
        }),
    ],
    [
      "regenerates",
      (req) =>
        new Promise((resolve) => {
          req.session.regenerate(() => resolve());
        }),
    ],
  ];

  test.each(ends)("ends the login if it %s the session afterwards", async (_action, end) => {
    const store = observedStore();
    const loaded = createGate();
    const aborted = createGate();
    const resume = createGate();
    const world = await startWorld({
      before: mountExpressSession(),
      options: { store },
      after: (app) =>
        app.get("/test/end", async (req, res) => {
          res.once("close", aborted.open);
          loaded.open();
          await resume.opened;
          await end(req);
          res.end();
        }),
    });
    await world.browser.visit(`${world.url}/account`);
    const client = new AbortController();
    const headers = { cookie: await world.browser.jar.getCookieString(world.url) };
    const request = fetch(`${world.url}/test/end`, { headers, signal: client.signal }).catch(() => {});
    await loaded.opened;
    client.abort();
    await Promise.all([request, aborted.opened]);
    expect(await store.logins()).toHaveLength(1);
    resume.open();
    await expect.poll(() => store.logins()).toEqual([]);
  });
});

test("data that an application copies to a new session stays, but the login ends", async () => {
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
