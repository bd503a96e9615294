import { describe, expect, test, vi } from "vitest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import {
  holdNext,
  LEEWAY_SECONDS,
  type LoggedIn,
  logIn,
  SESSIONS,
  TOKEN_SECONDS,
} from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { createGate } from "../support/gate.js";
import { startWorld } from "../support/world.js";
import { mountExpressSession } from "./slow-route.js";

const idOf = (world: LoggedIn) => world.inRequest(async (req) => req.sessionID);

async function cookiesOf({ browser, url }: LoggedIn): Promise<Browser> {
  const copy = new Browser();
  for (const cookie of await browser.jar.getCookies(url)) await copy.jar.setCookie(cookie.toString(), url);
  return copy;
}

/** A browser follows a change of the id only if the answer can carry the cookie. */
const regenerate = (world: LoggedIn) => world.browser.fetch(`${world.url}/test/regenerate`);

const start = (whose: "app" | "ours", given: Parameters<typeof logIn>[0] = {}) =>
  logIn({
    ...given,
    session: whose,
    provider: { rotateRefreshTokens: true },
    after(app) {
      app.get("/test/regenerate", async (req, res) => {
        await req.portal.regenerate();
        res.json({ id: req.sessionID, sub: req.portal.claims?.sub });
      });
      app.get("/test/regenerate-by-express-session", async (req, res) => {
        await new Promise<void>((done) => req.session.regenerate(() => done()));
        Object.assign(req.session, { note: "new" });
        res.json({ isAuthenticated: req.portal.isAuthenticated });
      });
    },
  });

describe.each(SESSIONS)("req.portal.regenerate(), %s", (_name, whose) => {
  test("gives the session a new id, and keeps the login and what is in the session. The old id is worth nothing", async () => {
    const world = await start(whose);
    await world.inRequest(async ({ session }) => Object.assign(session, { note: "kept" }));
    const before = {
      id: await idOf(world),
      tokens: await world.tokens(),
      started_at: (await world.stored())[0]?.started_at,
    };
    const thief = await cookiesOf(world);
    const answer = JSON.parse((await regenerate(world)).body);
    expect([answer.id === before.id, answer.sub]).toEqual([false, "amara-okafor"]);
    expect(await idOf(world)).toBe(answer.id);
    expect(await world.tokens()).toEqual(before.tokens);
    expect(await world.inRequest(async ({ session }) => session.note)).toBe("kept");
    expect((await world.stored()).map(({ started_at }) => started_at)).toEqual([before.started_at]);
    expect((await world.me(thief)).isAuthenticated).toBe(false);
    expect(await world.inRequest(async ({ session }) => session?.note, thief)).toBeUndefined();
  });

  test("leaves one session in the list of the user's, which another device can end", async () => {
    const world = await start(whose);
    const phone = await world.another();
    for (let n = 0; n < 5; n += 1) await regenerate(world);
    const listed = await world.inRequest((req) => req.portal.sessions(), phone);
    expect(listed).toHaveLength(2);
    const other = listed.find(({ is_current }) => !is_current);
    expect(await world.inRequest((req) => req.portal.endSession(other?.id ?? ""), phone)).toBe(true);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("keeps a login that began after a logout everywhere from being ended by that logout", async () => {
    const world = await start(whose);
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    await world.browser.visit(`${world.url}/account`);
    await regenerate(world);
    world.later(120); // its idle end is due, so the notices of logouts are read
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("a logout by a request that has loaded the old session ends the login", async () => {
    const world = await start(whose);
    const old = await cookiesOf(world);
    const [loaded, goOn] = [createGate(), createGate()];
    const slow = world.inRequest(async (req) => {
      loaded.open();
      await goOn.opened;
      await req.portal.logout();
    }, old);
    await loaded.opened;
    await regenerate(world);
    goOn.open();
    await slow;
    expect([await world.stored(), (await world.me()).isAuthenticated]).toEqual([[], false]);
    expect(world.asked("/oauth2/revoke")).toHaveLength(1);
  });

  test("fails if the login has ended meanwhile, and leaves no session", async () => {
    const world = await start(whose);
    const old = await cookiesOf(world);
    const outcome = await world.inRequest(async (req) => {
      await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
      return req.portal.regenerate().then(
        () => "moved",
        ({ code }) => [code, req.session],
      );
    }, old);
    expect(outcome).toEqual(["login_required", undefined]);
    expect([await world.stored(), (await world.me(old)).isAuthenticated]).toEqual([[], false]);
  });

  test("waits for a refresh that runs, and keeps its tokens", async () => {
    const world = await start(whose);
    world.later(TOKEN_SECONDS);
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const asked = world.ask();
    await held.arrived;
    const moved = regenerate(world);
    held.letGo();
    const { status, access_token } = await asked;
    expect([status, (await moved).status]).toEqual([200, 200]);
    expect((await world.tokens()).access_token).toBe(access_token);
    world.later(TOKEN_SECONDS - LEEWAY_SECONDS + 1); // a lost refresh token would be found out here
    expect((await world.ask()).status).toBe(200);
  });

  test("by two requests at once ends in one session with a login", async () => {
    const world = await start(whose);
    await Promise.all([regenerate(world), regenerate(world)]);
    expect(await world.stored()).toHaveLength(1);
  });

  test("by a request that another one has overtaken fails, and leaves the login where it is", async () => {
    const world = await start(whose);
    const old = await cookiesOf(world);
    const outcome = await world.inRequest(async (req) => {
      await regenerate(world);
      return req.portal.regenerate().then(
        () => "moved",
        ({ code }) => code,
      );
    }, old);
    expect(outcome).toBe("login_required");
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await world.stored()).toHaveLength(1);
  });

  test("leaves no login behind that nobody can reach, if the store fails", async () => {
    const world = await start(whose, { log: [/session_store_failed/] });
    const phone = await world.another();
    const outcome = await world.inRequest(async (req) => {
      const method = whose === "app" ? "set" : "remove";
      const store = (whose === "app" ? req.sessionStore : world.store) as unknown as Record<
        string,
        () => unknown
      >;
      vi.spyOn(store, method).mockImplementationOnce((...given: unknown[]) => {
        const done = given.at(-1);
        if (typeof done !== "function") return Promise.reject(new Error("away"));
        return done(new Error("away"));
      });
      return req.portal.regenerate().catch(({ code }) => code);
    });
    expect(outcome).toBe("session_store_failed");
    const listed = await world.inRequest((req) => req.portal.sessions(), phone);
    const ids = new Set(listed.map(({ id }) => id));
    expect([listed.length, ids.size]).toEqual(whose === "app" ? [1, 1] : [2, 2]);
  });

  test("gives a visitor's session a new id, too", async () => {
    const world = await start(whose);
    const visitor = new Browser();
    const { body } = await visitor.fetch(`${world.url}/test/regenerate`);
    expect(JSON.parse(body).id).toEqual(expect.any(String));
  });
});

test("a session of ours waits for a refresh for as long as its claim lasts, which a longer httpTimeout prolongs", async () => {
  const world = await start("ours", { options: { httpTimeout: 30 } });
  const [login] = await world.stored();
  const refreshing = { id: "another-process.1", claimed_at: world.clock() };
  await world.store.changeLogin(login?.login_id, (record) => ({ ...record, refreshing }));
  const now = performance.now.bind(performance);
  let passedMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now() + passedMs);
  const looks = async (count: number) => {
    world.store.calls();
    let seen = 0;
    await vi.waitFor(() => {
      seen += world.store.calls().filter((name) => name === "read").length;
      expect(seen).toBeGreaterThan(count);
    });
  };
  let isMoved = false;
  const moved = regenerate(world).then((answer) => {
    isMoved = true;
    return answer;
  });
  await looks(1);
  passedMs = 69_000; // 60 s for the provider, and twice 5 s for the store
  await looks(3);
  expect(isMoved).toBe(false);
  passedMs = 71_000;
  expect((await moved).status).toBe(200);
  expect((await world.me()).isAuthenticated).toBe(true);
});

test.each([
  ["a longer life", 9_000_000],
  ["no end but the browser's", null],
])("a session of the application's that has been given %s keeps it", async (_what, maxAge) => {
  const world = await startWorld({
    before: mountExpressSession({ cookie: { maxAge: 600_000 } }),
    options: { store: createMemoryStore() },
    after(app) {
      app.get("/test/live", async ({ session }, res) => {
        session.cookie.maxAge = maxAge as number;
        res.end();
      });
      app.get("/test/regenerate", async (req, res) => {
        await req.portal.regenerate();
        res.end();
      });
      app.get("/test/life", ({ session }, res) => void res.json(session.cookie.originalMaxAge));
    },
  });
  await world.browser.visit(`${world.url}/account`);
  for (const path of ["live", "regenerate"]) await world.browser.fetch(`${world.url}/test/${path}`);
  const life = JSON.parse((await world.browser.fetch(`${world.url}/test/life`)).body);
  expect(Math.round(Number(life) / 1000)).toBe(Number(maxAge) / 1000);
  expect((await world.me()).isAuthenticated).toBe(true);
});

describe.each(SESSIONS)("req.session.regenerate() by the application, %s", (_name, whose) => {
  test("ends the login, as passport's logout expects", async () => {
    const world = await start(whose);
    const { body } = await world.browser.fetch(`${world.url}/test/regenerate-by-express-session`);
    expect(JSON.parse(body)).toEqual({ isAuthenticated: false });
    await expect.poll(() => world.stored()).toEqual([]);
    expect((await world.me()).isAuthenticated).toBe(false);
    expect(await world.inRequest(async ({ session }) => session.note)).toBe("new");
  });
});
