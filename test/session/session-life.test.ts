import { describe, expect, test } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { createClock } from "../support/clock.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld } from "../support/world.js";
import { changeRoute, createSlowRoute, mountExpressSession, setValue } from "./slow-route.js";

const setRandomValue = changeRoute("/test/left", (req) => {
  req.session.left = String(Math.random());
});

describe("the store calls of a signed-in request", () => {
  async function start(isOurs: boolean) {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const cookie = { maxAge: 3_600_000 };
    const world = await startWorld({
      ...(!isOurs && { before: mountExpressSession({ cookie }) }),
      options: { store, clock, sessionIdle: 3600 },
      after: setRandomValue,
    });
    await world.browser.visit(`${world.url}/account`);
    store.calls();
    const callsOf = async (path: string) => {
      expect((await world.browser.fetch(world.url + path)).status).toBe(200);
      return store.calls();
    };
    return { ...world, callsOf, later, store };
  }

  test("are one read with our session, and one write more for a change", async () => {
    const { callsOf } = await start(true);
    expect([await callsOf("/account"), await callsOf("/test/left")]).toEqual([
      ["readEntry"],
      ["readEntry", "updateEntry"],
    ]);
  });

  test("are one read of the login, if the app's session is in its own store", async () => {
    const { callsOf } = await start(false);
    expect([await callsOf("/account"), await callsOf("/test/left")]).toEqual([["read"], ["read"]]);
  });

  test("include two writes and a check for logouts once a minute, for any number of requests", async () => {
    const { callsOf, later, browser, url, store } = await start(true);
    later(59);
    expect(await callsOf("/account")).toEqual(["readEntry"]);
    later(1);
    expect(await callsOf("/account")).toEqual(["readEntry", "read", "touch", "index.add"]);
    expect(await callsOf("/account")).toEqual(["readEntry"]);
    later(60);
    await Promise.all(Array.from({ length: 20 }, () => browser.fetch(`${url}/account`)));
    expect(store.calls().filter((call) => call === "touch")).toHaveLength(1);
  });

  test("include the same once a minute, if the app's session is in its own store", async () => {
    const { callsOf, later } = await start(false);
    // One second more, because a cookie of express-session can expire a millisecond early.
    later(61);
    expect(await callsOf("/account")).toEqual(["read", "read", "touch", "index.add"]);
    expect(await callsOf("/account")).toEqual(["read"]);
  });
});

describe("our session's cookie", () => {
  test("is set when the session starts, and not by later responses, which caches may store", async () => {
    const { browser, url } = await startWorld({ after: changeRoute("/test/left", setValue("left", "1")) });
    await browser.visit(`${url}/account`);
    for (const path of ["/account", "/test/left"])
      expect((await browser.fetch(url + path)).headers["set-cookie"]).toBeUndefined();
  });

  test("lives for sessionAbsolute", async () => {
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
  ["the app's session with a rolling cookie", false, true],
])("%s", (_name, ownSession, isExpiring) => {
  const before = isExpiring
    ? { before: mountExpressSession({ rolling: true, cookie: { maxAge: 3_600_000 } }) }
    : {};

  test("of a new login is not replaced by a slow response of the login before", async () => {
    const slow = createSlowRoute();
    const world = await startWorld({ ownSession, after: slow.addTo });
    const { browser, url } = world;
    await browser.visit(`${url}/account`);
    const finish = await slow.startRequest(world, setValue("note", "late"));
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    browser.user = { sub: "jonas-weber" };
    await browser.visit(`${url}/account`);
    await finish();
    expect((await world.me()).claims?.["sub"]).toBe("jonas-weber");
  });

  test("of a new login is not replaced by a slow poll that found the login before ended", async () => {
    const slow = createSlowRoute();
    const { clock, later } = createClock();
    const options = { clock, store: createMemoryStore(clock), sessionAbsolute: 300 };
    const world = await startWorld({ ...before, ownSession, options, after: slow.addTo });
    const { browser, url } = world;
    await browser.visit(`${url}/account`);
    const callback = await browser.loginUntilCallback(`${url}/login`, { site: "same-origin" });
    later(300);
    // This poll finds that the login has ended.
    const finish = await slow.startRequest(world, () => {});
    await browser.navigate(callback);
    const { headers } = await finish();
    expect(headers["set-cookie"]).toBeUndefined();
    expect((await world.me()).isAuthenticated).toBe(true);
  });
});

describe("the idle time of our session", () => {
  const isSignedIn = async ({ me }: Pick<Awaited<ReturnType<typeof startWorld>>, "me">) =>
    (await me()).isAuthenticated;

  test.each([
    ["starts with the last request", { sessionIdle: 1800 }, [1799, 1799], 1801],
    [
      "is extended ten times within its length, if it is shorter than ten minutes",
      { sessionIdle: 60 },
      Array<number>(20).fill(50),
      61,
    ],
    [
      "does not extend a session beyond sessionAbsolute",
      { sessionIdle: 1800, sessionAbsolute: 3600 },
      [1700, 1700],
      201,
    ],
  ])("%s", async (_name, lifetimes, pauses, tooLong) => {
    const { clock, later } = createClock();
    const world = await startWorld({ options: { clock, ...lifetimes } });
    await world.browser.visit(`${world.url}/account`);
    for (const seconds of pauses) {
      later(seconds);
      expect(await isSignedIn(world)).toBe(true);
    }
    later(tooLong);
    expect(await isSignedIn(world)).toBe(false);
  });
});

describe("the login of an app's session", () => {
  test("ends at the latest when the cookie of the session expires", async () => {
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

  test("stays valid and listed while the session is used", async () => {
    const { clock, later } = createClock();
    const options = { clock, store: createMemoryStore(clock) };
    const world = await startWorld({
      before: mountExpressSession({ cookie: { maxAge: 600_000 } }),
      options,
      after: (app) =>
        app.get("/test/sessions", async (req, res) => {
          res.json(await req.portal.sessions());
        }),
    });
    await world.browser.visit(`${world.url}/account`);
    for (let count = 0; count < 5; count += 1) {
      later(500);
      expect((await world.me()).isAuthenticated).toBe(true);
    }
    expect(JSON.parse((await world.browser.fetch(`${world.url}/test/sessions`)).body)).toHaveLength(1);
  });
});
