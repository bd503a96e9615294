import type { Express } from "express";
import { describe, expect, test } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../lib/store/portal-session-store.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { startWorld, type WorldOptions } from "../support/world.js";
import {
  addSessionRoute,
  type Change,
  changeRoute,
  createSlowRoute,
  fetchSession,
  mountExpressSession,
  saveSession,
  setValue,
} from "./slow-route.js";

// Concurrent requests of one browser, each of which has loaded the session.

type Setup = [name: string, createOptions: (clock: () => number) => WorldOptions];

const inOurStore = (clock: () => number) => new PortalSessionStore(createMemoryStore(clock));

const IN_OUR_STORE: Setup[] = [
  ["our session", (clock) => ({ options: { clock, store: createMemoryStore(clock) } })],
  [
    "the app's session in our store",
    (clock) => ({ before: mountExpressSession({ store: inOurStore(clock) }) }),
  ],
  [
    "the app's session in our store, with resave",
    (clock) => ({ before: mountExpressSession({ store: inOurStore(clock), resave: true }) }),
  ],
  [
    "the app's session in our store, rolling",
    (clock) => ({
      before: mountExpressSession({ store: inOurStore(clock), rolling: true, cookie: { maxAge: 600_000 } }),
    }),
  ],
];

const IN_APP_STORE: Setup[] = [
  ["the app's session in its own store", () => ({ before: mountExpressSession() })],
  [
    "the app's session in its own store, with resave",
    () => ({ before: mountExpressSession({ resave: true }) }),
  ],
  [
    "the app's session in its own store, rolling",
    () => ({ before: mountExpressSession({ rolling: true, cookie: { maxAge: 600_000 } }) }),
  ],
  [
    "the app's session in its own store, with resave, rolling",
    () => ({ before: mountExpressSession({ resave: true, rolling: true }) }),
  ],
];

async function start(createOptions: Setup[1], addRoutes: (app: Express) => void = () => {}) {
  const slow = createSlowRoute();
  const { clock, later } = createClock();
  const worldOptions = createOptions(clock);
  const world = await startWorld({
    ...worldOptions,
    options: { clock, ...worldOptions.options },
    provider: { rotateRefreshTokens: true },
    after(app) {
      slow.addTo(app);
      addSessionRoute(app);
      changeRoute("/test/token", (req) => req.portal.accessToken())(app);
      addRoutes(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  return { world, begin: (change: Change) => slow.startRequest(world, change), later };
}

const SAVES: [string, Change][] = [
  ["when its response ends", setValue("right", "2")],
  [
    "with save()",
    (req) => {
      req.session.right = "2";
      return saveSession(req);
    },
  ],
  [
    "with save() and again when its response ends",
    async (req) => {
      req.session.note = "3";
      await saveSession(req);
      req.session.right = "2";
    },
  ],
  [
    "after a reload() of the session",
    async (req) => {
      await new Promise<void>((done) => req.session.reload(() => done()));
      req.session.right = "2";
    },
  ],
];

describe.each([...IN_OUR_STORE, ...IN_APP_STORE])("%s", (_name, createOptions) => {
  test.each(SAVES)(
    "a request that saves %s keeps the tokens of a refresh in another request",
    async (_when, change) => {
      const { world, begin, later } = await start(createOptions);
      const finish = await begin(change);
      later(301);
      await world.browser.fetch(`${world.url}/test/token`);
      const { tokens } = await world.me();
      expect((await finish()).status).toBe(200);
      expect(await fetchSession(world)).toMatchObject({ right: "2", portal: { tokens, version: 2 } });
      // The provider would reject the old refresh token, if it was in the session again.
      later(301);
      expect((await world.browser.fetch(`${world.url}/test/token`)).status).toBe(200);
    },
  );

  test.each<[string, Change]>([
    ["changes the session", setValue("note", "late")],
    [
      "changes the session and saves it",
      (req) => {
        req.session.note = "late";
        return saveSession(req);
      },
    ],
    ["only reads the session", () => {}],
  ])("a login that has ended stays ended if a concurrent request %s", async (_action, change) => {
    const { world, begin } = await start(createOptions);
    const cookies = await world.browser.jar.getCookieString(world.url);
    const finish = await begin(change);
    await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
    await finish();
    const response = await new Browser().fetch(`${world.url}/test/session`, { headers: { cookie: cookies } });
    expect(JSON.parse(response.body)).not.toHaveProperty("portal");
    expect(JSON.parse(response.body)).not.toHaveProperty("note");
  });

  test("a login ends if the app deletes req.session.portal and another request saves", async () => {
    const { world, begin } = await start(createOptions, (app) =>
      changeRoute("/test/forget", (req) => {
        delete (req.session as { portal?: unknown }).portal;
      })(app),
    );
    const finish = await begin(setValue("note", "late"));
    await world.browser.fetch(`${world.url}/test/forget`);
    await finish();
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("the session is in the state of the last of two concurrent saves", async () => {
    const { world } = await start(
      createOptions,
      changeRoute("/test/save-twice", async (req) => {
        req.session.left = "1";
        const done = saveSession(req);
        delete req.session.left;
        req.session.right = "2";
        await Promise.all([done, saveSession(req)]);
      }),
    );
    await world.browser.fetch(`${world.url}/test/save-twice`);
    const session = await fetchSession(world);
    expect([session.left, session.right]).toEqual([undefined, "2"]);
  });
});

describe.each(IN_OUR_STORE)("%s", (_name, createOptions) => {
  test("a request that changes nothing keeps the change of a concurrent request", async () => {
    const { world, begin } = await start(createOptions, changeRoute("/test/left", setValue("left", "1")));
    const finish = await begin(() => {});
    await world.browser.fetch(`${world.url}/test/left`);
    await finish();
    expect(await fetchSession(world)).toMatchObject({ left: "1" });
  });

  test.each(SAVES)(
    "a request that saves %s keeps its own change and that of a concurrent request",
    async (_when, change) => {
      const { world, begin } = await start(createOptions, changeRoute("/test/left", setValue("left", "1")));
      const finish = await begin(change);
      await world.browser.fetch(`${world.url}/test/left`);
      expect((await finish()).status).toBe(200);
      expect(await fetchSession(world)).toMatchObject({ left: "1", right: "2" });
    },
  );

  test("a request removes one key, and keeps the key that a concurrent request has added", async () => {
    const { world, begin } = await start(createOptions, (app) => {
      changeRoute("/test/both", (req) => Object.assign(req.session, { left: "1", right: "2" }))(app);
      changeRoute("/test/note", setValue("note", "3"))(app);
    });
    await world.browser.fetch(`${world.url}/test/both`);
    const finish = await begin((req) => {
      delete req.session.left;
    });
    await world.browser.fetch(`${world.url}/test/note`);
    await finish();
    const session = await fetchSession(world);
    expect(session).toMatchObject({ right: "2", note: "3" });
    expect(session).not.toHaveProperty("left");
  });
});

test.each([
  ["our store", () => inOurStore(Date.now)],
  ["its own store", () => undefined],
])("the app can extend the lifetime of its session in %s", async (_name, createStore) => {
  const store = createStore();
  const { browser, url } = await startWorld({
    before: mountExpressSession({ ...(store && { store }), cookie: { maxAge: 60_000 } }),
    after(app) {
      changeRoute("/test/remember-me", (req) => {
        req.session.cookie.maxAge = 600_000;
        return saveSession(req);
      })(app);
      app.get("/test/lifetime", (req, res) => void res.json(req.session.cookie.originalMaxAge));
    },
  });
  await browser.visit(`${url}/account`);
  const headers = { cookie: await browser.jar.getCookieString(url) };
  await browser.fetch(`${url}/test/remember-me`);
  const { body } = await browser.fetch(`${url}/test/lifetime`, { headers });
  // express-session counts the lifetime from each request.
  expect(Number(body)).toBeGreaterThan(590_000);
});
