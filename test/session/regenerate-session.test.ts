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

const readSessionId = (world: LoggedIn) => world.inRequest(async (req) => req.sessionID);

async function copyBrowser({ browser, url }: LoggedIn): Promise<Browser> {
  const copy = new Browser();
  for (const cookie of await browser.jar.getCookies(url)) await copy.jar.setCookie(cookie.toString(), url);
  return copy;
}

/** Changes the session id. The browser needs the response, because that sets the new cookie. */
const regenerate = (world: LoggedIn) => world.browser.fetch(`${world.url}/test/regenerate`);

const start = (sessionKind: "app" | "ours", options: Parameters<typeof logIn>[0] = {}) =>
  logIn({
    ...options,
    session: sessionKind,
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

describe.each(SESSIONS)("req.portal.regenerate(), %s", (_name, sessionKind) => {
  test("gives the session a new id, keeps its data and its login, and makes the old id invalid", async () => {
    const world = await start(sessionKind);
    await world.inRequest(async ({ session }) => Object.assign(session, { note: "kept" }));
    const before = {
      id: await readSessionId(world),
      tokens: await world.tokens(),
      started_at: (await world.stored())[0]?.started_at,
    };
    const attacker = await copyBrowser(world);
    const response = JSON.parse((await regenerate(world)).body);
    expect([response.id === before.id, response.sub]).toEqual([false, "amara-okafor"]);
    expect(await readSessionId(world)).toBe(response.id);
    expect(await world.tokens()).toEqual(before.tokens);
    expect(await world.inRequest(async ({ session }) => session.note)).toBe("kept");
    expect((await world.stored()).map(({ started_at }) => started_at)).toEqual([before.started_at]);
    expect((await world.me(attacker)).isAuthenticated).toBe(false);
    expect(await world.inRequest(async ({ session }) => session?.note, attacker)).toBeUndefined();
  });

  test("leaves one entry in the list of sessions, and another device can end it", async () => {
    const world = await start(sessionKind);
    const phone = await world.another();
    for (let count = 0; count < 5; count += 1) await regenerate(world);
    const listed = await world.inRequest((req) => req.portal.sessions(), phone);
    expect(listed).toHaveLength(2);
    const other = listed.find(({ is_current }) => !is_current);
    expect(await world.inRequest((req) => req.portal.endSession(other?.id ?? ""), phone)).toBe(true);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("keeps a login that started after a logout on all devices", async () => {
    const world = await start(sessionKind);
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    await world.browser.visit(`${world.url}/account`);
    await regenerate(world);
    // The idle time must be extended then, so the notices of logouts are read.
    world.later(120);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("does not prevent the logout of a request that has loaded the old session", async () => {
    const world = await start(sessionKind);
    const old = await copyBrowser(world);
    const loaded = createGate();
    const resume = createGate();
    const slow = world.inRequest(async (req) => {
      loaded.open();
      await resume.opened;
      await req.portal.logout();
    }, old);
    await loaded.opened;
    await regenerate(world);
    resume.open();
    await slow;
    expect([await world.stored(), (await world.me()).isAuthenticated]).toEqual([[], false]);
    expect(world.asked("/oauth2/revoke")).toHaveLength(1);
  });

  test("fails without a session if the login has ended meanwhile", async () => {
    const world = await start(sessionKind);
    const old = await copyBrowser(world);
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

  test("waits for a running refresh, and keeps its tokens", async () => {
    const world = await start(sessionKind);
    world.later(TOKEN_SECONDS);
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const asked = world.ask();
    await held.arrived;
    const moved = regenerate(world);
    held.letGo();
    const { status, access_token } = await asked;
    expect([status, (await moved).status]).toEqual([200, 200]);
    expect((await world.tokens()).access_token).toBe(access_token);
    // This needs the new refresh token.
    world.later(TOKEN_SECONDS - LEEWAY_SECONDS + 1);
    expect((await world.ask()).status).toBe(200);
  });

  test("in two concurrent requests results in one session with a login", async () => {
    const world = await start(sessionKind);
    await Promise.all([regenerate(world), regenerate(world)]);
    expect(await world.stored()).toHaveLength(1);
  });

  test("fails without ending the login if a concurrent request has changed the id before", async () => {
    const world = await start(sessionKind);
    const old = await copyBrowser(world);
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

  test("leaves no login with an id that the browser does not have, if the store fails", async () => {
    const world = await start(sessionKind, { log: [/session_store_failed/] });
    const phone = await world.another();
    const outcome = await world.inRequest(async (req) => {
      const method = sessionKind === "app" ? "set" : "remove";
      const store = (sessionKind === "app" ? req.sessionStore : world.store) as unknown as Record<
        string,
        () => unknown
      >;
      vi.spyOn(store, method).mockImplementationOnce((...args: unknown[]) => {
        const done = args.at(-1);
        const error = new Error("the store is down");
        if (typeof done !== "function") return Promise.reject(error);
        return done(error);
      });
      return req.portal.regenerate().catch(({ code }) => code);
    });
    expect(outcome).toBe("session_store_failed");
    const listed = await world.inRequest((req) => req.portal.sessions(), phone);
    const ids = new Set(listed.map(({ id }) => id));
    expect([listed.length, ids.size]).toEqual(sessionKind === "app" ? [1, 1] : [2, 2]);
  });

  test("also gives the session of a visitor a new id", async () => {
    const world = await start(sessionKind);
    const visitor = new Browser();
    const { body } = await visitor.fetch(`${world.url}/test/regenerate`);
    expect(JSON.parse(body).id).toEqual(expect.any(String));
  });
});

test("regenerate() waits until the claim of a refresh expires, which depends on httpTimeout", async () => {
  const world = await start("ours", { options: { httpTimeout: 30 } });
  const [login] = await world.stored();
  const refreshing = { id: "another-process.1", claimed_at: world.clock() };
  await world.store.changeLogin(login?.login_id, (record) => ({ ...record, refreshing }));
  const now = performance.now.bind(performance);
  let passedMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now() + passedMs);
  const waitForReads = async (count: number) => {
    world.store.calls();
    let reads = 0;
    await vi.waitFor(() => {
      reads += world.store.calls().filter((name) => name === "read").length;
      expect(reads).toBeGreaterThan(count);
    });
  };
  let isMoved = false;
  const moved = regenerate(world).then((response) => {
    isMoved = true;
    return response;
  });
  await waitForReads(1);
  // The claim expires after 70 s: 60 s for the provider, and twice 5 s for the store.
  passedMs = 69_000;
  await waitForReads(3);
  expect(isMoved).toBe(false);
  passedMs = 71_000;
  expect((await moved).status).toBe(200);
  expect((await world.me()).isAuthenticated).toBe(true);
});

test.each([
  ["a longer lifetime", 9_000_000],
  ["a cookie without an expiry time", null],
])("regenerate() of an application's session keeps %s", async (_lifetime, maxAge) => {
  const world = await startWorld({
    before: mountExpressSession({ cookie: { maxAge: 600_000 } }),
    options: { store: createMemoryStore() },
    after(app) {
      app.get("/test/max-age", async ({ session }, res) => {
        session.cookie.maxAge = maxAge as number;
        res.end();
      });
      app.get("/test/regenerate", async (req, res) => {
        await req.portal.regenerate();
        res.end();
      });
      app.get("/test/lifetime", ({ session }, res) => void res.json(session.cookie.originalMaxAge));
    },
  });
  await world.browser.visit(`${world.url}/account`);
  for (const path of ["max-age", "regenerate"]) await world.browser.fetch(`${world.url}/test/${path}`);
  const lifetimeMs = JSON.parse((await world.browser.fetch(`${world.url}/test/lifetime`)).body);
  expect(Math.round(Number(lifetimeMs) / 1000)).toBe(Number(maxAge) / 1000);
  expect((await world.me()).isAuthenticated).toBe(true);
});

describe.each(SESSIONS)("req.session.regenerate() by the application, %s", (_name, sessionKind) => {
  test("ends the login, as Passport's logout expects", async () => {
    const world = await start(sessionKind);
    const { body } = await world.browser.fetch(`${world.url}/test/regenerate-by-express-session`);
    expect(JSON.parse(body)).toEqual({ isAuthenticated: false });
    await expect.poll(() => world.stored()).toEqual([]);
    expect((await world.me()).isAuthenticated).toBe(false);
    expect(await world.inRequest(async ({ session }) => session.note)).toBe("new");
  });
});
