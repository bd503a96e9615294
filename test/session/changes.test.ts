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

// Several requests of one browser at the same time, which have each loaded the session.

type Way = [name: string, world: (clock: () => number) => WorldOptions];

const inOurStore = (clock: () => number) => new PortalSessionStore(createMemoryStore(clock));

const IN_OUR_STORE: Way[] = [
  ["our session", (clock) => ({ options: { clock, store: createMemoryStore(clock) } })],
  [
    "the app's session in a store of ours",
    (clock) => ({ before: mountExpressSession({ store: inOurStore(clock) }) }),
  ],
  ["… with resave", (clock) => ({ before: mountExpressSession({ store: inOurStore(clock), resave: true }) })],
  [
    "… that rolls",
    (clock) => ({
      before: mountExpressSession({ store: inOurStore(clock), rolling: true, cookie: { maxAge: 600_000 } }),
    }),
  ],
];

const IN_ITS_OWN_STORE: Way[] = [
  ["the app's session in its own store", () => ({ before: mountExpressSession() })],
  ["… with resave", () => ({ before: mountExpressSession({ resave: true }) })],
  ["… that rolls", () => ({ before: mountExpressSession({ rolling: true, cookie: { maxAge: 600_000 } }) })],
  ["… with resave that rolls", () => ({ before: mountExpressSession({ resave: true, rolling: true }) })],
];

async function start(way: Way[1], more: (app: Express) => void = () => {}) {
  const slow = createSlowRoute();
  const { clock, later } = createClock();
  const given = way(clock);
  const world = await startWorld({
    ...given,
    options: { clock, ...given.options },
    provider: { rotateRefreshTokens: true },
    after(app) {
      slow.addTo(app);
      addSessionRoute(app);
      changeRoute("/test/token", (req) => req.portal.accessToken())(app);
      more(app);
    },
  });
  await world.browser.visit(`${world.url}/account`);
  return { world, begin: (then: Change) => slow.startRequest(world, then), later };
}

const SAVES: [string, Change][] = [
  ["at its end", setValue("right", "2")],
  [
    "by itself",
    (req) => {
      req.session.right = "2";
      return saveSession(req);
    },
  ],
  [
    "by itself and again at its end",
    async (req) => {
      req.session.note = "3";
      await saveSession(req);
      req.session.right = "2";
    },
  ],
  [
    "after it has loaded the session again",
    async (req) => {
      await new Promise<void>((done) => req.session.reload(() => done()));
      req.session.right = "2";
    },
  ],
];

describe.each([...IN_OUR_STORE, ...IN_ITS_OWN_STORE])("%s", (_name, way) => {
  test.each(SAVES)(
    "a request that saves %s keeps the tokens of a refresh in another request",
    async (_when, change) => {
      const { world, begin, later } = await start(way);
      const goOn = await begin(change);
      later(301);
      await world.browser.fetch(`${world.url}/test/token`);
      const { tokens } = await world.me();
      expect((await goOn()).status).toBe(200);
      expect(await fetchSession(world)).toMatchObject({ right: "2", portal: { tokens, version: 2 } });
      later(301); // an old refresh token that had come back would be refused
      expect((await world.browser.fetch(`${world.url}/test/token`)).status).toBe(200);
    },
  );

  test.each<[string, Change]>([
    ["changes it", setValue("note", "late")],
    [
      "changes it and saves it",
      (req) => {
        req.session.note = "late";
        return saveSession(req);
      },
    ],
    ["only reads it", () => {}],
  ])(
    "a login that has ended stays ended, whatever a request in flight does that %s",
    async (_what, change) => {
      const { world, begin } = await start(way);
      const cookies = await world.browser.jar.getCookieString(world.url);
      const goOn = await begin(change);
      await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
      await goOn();
      const kept = await new Browser().fetch(`${world.url}/test/session`, { headers: { cookie: cookies } });
      expect(JSON.parse(kept.body)).not.toHaveProperty("portal");
      expect(JSON.parse(kept.body)).not.toHaveProperty("note");
    },
  );

  test("a login whose view the app deletes from the session ends, whatever a request in flight saves", async () => {
    const { world, begin } = await start(way, (app) =>
      changeRoute("/test/forget", (req) => {
        delete (req.session as { portal?: unknown }).portal;
      })(app),
    );
    const goOn = await begin(setValue("note", "late"));
    await world.browser.fetch(`${world.url}/test/forget`);
    await goOn();
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("is as it was left by the last of two saves at once", async () => {
    const { world } = await start(
      way,
      changeRoute("/test/hesitate", async (req) => {
        req.session.left = "1";
        const done = saveSession(req);
        delete req.session.left;
        req.session.right = "2";
        await Promise.all([done, saveSession(req)]);
      }),
    );
    await world.browser.fetch(`${world.url}/test/hesitate`);
    const kept = await fetchSession(world);
    expect([kept.left, kept.right]).toEqual([undefined, "2"]);
  });
});

describe.each(IN_OUR_STORE)("%s", (_name, way) => {
  test("a request that changes nothing undoes nothing", async () => {
    const { world, begin } = await start(way, changeRoute("/test/left", setValue("left", "1")));
    const goOn = await begin(() => {});
    await world.browser.fetch(`${world.url}/test/left`);
    await goOn();
    expect(await fetchSession(world)).toMatchObject({ left: "1" });
  });

  test.each(SAVES)(
    "a request that saves %s keeps its own change and that of another one",
    async (_when, change) => {
      const { world, begin } = await start(way, changeRoute("/test/left", setValue("left", "1")));
      const goOn = await begin(change);
      await world.browser.fetch(`${world.url}/test/left`);
      expect((await goOn()).status).toBe(200);
      expect(await fetchSession(world)).toMatchObject({ left: "1", right: "2" });
    },
  );

  test("what a request removes is removed, and what another added meanwhile stays", async () => {
    const { world, begin } = await start(way, (app) => {
      changeRoute("/test/both", (req) => Object.assign(req.session, { left: "1", right: "2" }))(app);
      changeRoute("/test/note", setValue("note", "3"))(app);
    });
    await world.browser.fetch(`${world.url}/test/both`);
    const goOn = await begin((req) => {
      delete req.session.left;
    });
    await world.browser.fetch(`${world.url}/test/note`);
    await goOn();
    const kept = await fetchSession(world);
    expect(kept).toMatchObject({ right: "2", note: "3" });
    expect(kept).not.toHaveProperty("left");
  });
});

test.each([
  ["a store of ours", () => inOurStore(Date.now)],
  ["its own store", () => undefined],
])("the app's session in %s lives longer from now on, if the app says so", async (_name, createStore) => {
  const store = createStore();
  const { browser, url } = await startWorld({
    before: mountExpressSession({ ...(store && { store }), cookie: { maxAge: 60_000 } }),
    after(app) {
      changeRoute("/test/remember-me", (req) => {
        req.session.cookie.maxAge = 600_000;
        return saveSession(req);
      })(app);
      app.get("/test/life", (req, res) => void res.json(req.session.cookie.originalMaxAge));
    },
  });
  await browser.visit(`${url}/account`);
  const headers = { cookie: await browser.jar.getCookieString(url) };
  await browser.fetch(`${url}/test/remember-me`);
  const { body } = await browser.fetch(`${url}/test/life`, { headers });
  expect(Number(body)).toBeGreaterThan(590_000); // express-session counts it anew at each request
});
