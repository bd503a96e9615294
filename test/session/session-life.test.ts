import { describe, expect, test } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { createClock } from "../support/clock.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld } from "../support/world.js";
import { changeRoute, createSlowRoute, mountExpressSession, setValue } from "./slow-route.js";

const setAnew = changeRoute("/test/left", (req) => {
  req.session.left = String(Math.random());
});

describe("what a request of a signed-in user costs", () => {
  async function start(isOurs: boolean) {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const cookie = { maxAge: 3_600_000 };
    const world = await startWorld({
      ...(!isOurs && { before: mountExpressSession({ cookie }) }),
      options: { store, clock, sessionIdle: 3600 },
      after: setAnew,
    });
    await world.browser.visit(`${world.url}/account`);
    store.calls();
    const costOf = async (path: string) => {
      expect((await world.browser.fetch(world.url + path)).status).toBe(200);
      return store.calls();
    };
    return { ...world, costOf, later, store };
  }

  test("with our session: one read. A change is one write more", async () => {
    const { costOf } = await start(true);
    expect([await costOf("/account"), await costOf("/test/left")]).toEqual([
      ["readEntry"],
      ["readEntry", "updateEntry"],
    ]);
  });

  test("with the app's session in its own store: one read of the login, whatever the app changes", async () => {
    const { costOf } = await start(false);
    expect([await costOf("/account"), await costOf("/test/left")]).toEqual([["read"], ["read"]]);
  });

  test("once a minute two writes and a look for logouts, also if twenty requests come at once", async () => {
    const { costOf, later, browser, url, store } = await start(true);
    later(59);
    expect(await costOf("/account")).toEqual(["readEntry"]);
    later(1);
    expect(await costOf("/account")).toEqual(["readEntry", "read", "touch", "index.add"]);
    expect(await costOf("/account")).toEqual(["readEntry"]);
    later(60);
    await Promise.all(Array.from({ length: 20 }, () => browser.fetch(`${url}/account`)));
    expect(store.calls().filter((call) => call === "touch")).toHaveLength(1);
  });

  test("and the same with the app's session in its own store", async () => {
    const { costOf, later } = await start(false);
    later(61); // the life of a cookie of express-session can be a millisecond too short
    expect(await costOf("/account")).toEqual(["read", "read", "touch", "index.add"]);
    expect(await costOf("/account")).toEqual(["read"]);
  });
});

describe("our session's cookie", () => {
  test("is set when the session begins, and by no later answer: none of them is personal in a cache", async () => {
    const { browser, url } = await startWorld({ after: changeRoute("/test/left", setValue("left", "1")) });
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
});

describe.each([
  ["our session", false, false],
  ["the app's session", true, false],
  ["the app's session with a rolling cookie that expires", false, true],
])("%s", (_name, ownSession, isExpiring) => {
  const before = isExpiring
    ? { before: mountExpressSession({ rolling: true, cookie: { maxAge: 3_600_000 } }) }
    : {};

  test("of another login is not replaced by a slow answer of the one before", async () => {
    const slow = createSlowRoute();
    const world = await startWorld({ ownSession, after: slow.addTo });
    const { browser, url } = world;
    await browser.visit(`${url}/account`);
    const goOn = await slow.startRequest(world, setValue("note", "late"));
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    browser.user = { sub: "jonas-weber" };
    await browser.visit(`${url}/account`);
    await goOn();
    expect((await world.me()).claims?.["sub"]).toBe("jonas-weber");
  });

  test("whose login has ended is not replaced while a poll is under way that answers after the next login", async () => {
    const slow = createSlowRoute();
    const { clock, later } = createClock();
    const options = { clock, store: createMemoryStore(clock), sessionAbsolute: 300 };
    const world = await startWorld({ ...before, ownSession, options, after: slow.addTo });
    const { browser, url } = world;
    await browser.visit(`${url}/account`);
    const callback = await browser.loginUntilCallback(`${url}/login`, { site: "same-origin" });
    later(300);
    const goOn = await slow.startRequest(world, () => {}); // the poll finds that the login has ended
    await browser.navigate(callback);
    const { headers } = await goOn();
    expect(headers["set-cookie"]).toBeUndefined();
    expect((await world.me()).isAuthenticated).toBe(true);
  });
});

describe("the idle limit of our session", () => {
  const isIn = async ({ me }: Pick<Awaited<ReturnType<typeof startWorld>>, "me">) =>
    (await me()).isAuthenticated;

  test.each([
    ["is counted from the last request", { sessionIdle: 1800 }, [1799, 1799], 1801],
    [
      "of less than ten minutes is counted to its tenth part",
      { sessionIdle: 60 },
      Array<number>(20).fill(50),
      61,
    ],
    [
      "does not outlast the absolute one, however active the user is",
      { sessionIdle: 1800, sessionAbsolute: 3600 },
      [1700, 1700],
      201,
    ],
  ])("%s", async (_name, life, pauses, tooLong) => {
    const { clock, later } = createClock();
    const world = await startWorld({ options: { clock, ...life } });
    await world.browser.visit(`${world.url}/account`);
    for (const seconds of pauses) {
      later(seconds);
      expect(await isIn(world)).toBe(true);
    }
    later(tooLong);
    expect(await isIn(world)).toBe(false);
  });
});

describe("the login of an app's session", () => {
  test("ends with the session at the latest, when that ends by its cookie", async () => {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const world = await startWorld({
      before: mountExpressSession({ cookie: { maxAge: 600_000 } }),
      options: { clock, store, sessionIdle: 86_400 },
    });
    await world.browser.visit(`${world.url}/account`);
    later(599);
    expect(await store.logins()).toHaveLength(1);
    later(2);
    expect(await store.logins()).toHaveLength(0);
  });

  test("lives on while the session is used, and is listed", async () => {
    const { clock, later } = createClock();
    const options = { clock, store: createMemoryStore(clock) };
    const world = await startWorld({
      before: mountExpressSession({ cookie: { maxAge: 600_000 } }),
      options,
      after: (app) =>
        app.get("/test/sessions", async (req, res) => void res.json(await req.portal.sessions())),
    });
    await world.browser.visit(`${world.url}/account`);
    for (let n = 0; n < 5; n += 1) {
      later(500);
      expect((await world.me()).isAuthenticated).toBe(true);
    }
    expect(JSON.parse((await world.browser.fetch(`${world.url}/test/sessions`)).body)).toHaveLength(1);
  });
});
