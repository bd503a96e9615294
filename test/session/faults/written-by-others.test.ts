import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { portalAuth } from "../../../lib/index.js";
import { createMemoryStore } from "../../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../../lib/store/portal-session-store.js";
import type { EntryStore } from "../../../lib/store/record-store.js";
import { logIn, SESSIONS } from "../../access/signed-in-request.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld, type World } from "../../support/world.js";
import { keysOfLogins, loginRecord } from "../records.js";
import { addSessionRoute, fetchSession, mountExpressSession } from "../slow-route.js";

// What an application, a writer to the store, or another process with other settings puts where a login is looked for.

/** A user who has signed in, in a session of the application's that any request body is merged into. */
async function startCareless(given: Parameters<typeof startWorld>[0] = {}) {
  const store = createMemoryStore();
  const world = await startWorld({
    ...given,
    before: mountExpressSession(),
    options: { store, ...given.options },
    after(app) {
      addSessionRoute(app);
      app.get("/test/merge", (req, res) => {
        Object.assign(req.session, JSON.parse(String(req.query["body"])));
        res.end();
      });
      app.get("/test/reference", (req, res) => void res.json(Object(req.session).portal_login));
    },
  });
  await world.browser.visit(`${world.url}/account`);
  const merge = (who: Browser, body: object) =>
    who.fetch(`${world.url}/test/merge?body=${encodeURIComponent(JSON.stringify(body))}`);
  const referenceOf = async (who: Browser) =>
    JSON.parse((await who.fetch(`${world.url}/test/reference`)).body || "null");
  return { ...world, store, merge, referenceOf };
}

describe("a reference that a visitor plants in a session", () => {
  test("to the login of somebody else signs nobody in, and ends nothing", async () => {
    const { browser, url, merge, referenceOf, me } = await startCareless();
    const reference = await referenceOf(browser);
    expect(Object.keys(reference)).toEqual(["id", "of", "user", "in"]);
    const attacker = new Browser();
    await merge(attacker, { portal_login: reference, note: "mine" });
    for (const _ of [1, 2]) expect((await me(attacker)).isAuthenticated).toBe(false);
    await attacker.fetch(`${url}/logout`, { method: "POST" });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("over one's own login signs oneself out, and nobody else", async () => {
    const world = await startCareless();
    const { browser, url, merge, referenceOf, me } = world;
    const attacker = new Browser();
    attacker.user = { sub: "jonas-weber" };
    await attacker.visit(`${url}/account`);
    await merge(attacker, { portal_login: await referenceOf(browser) });
    expect([(await me(attacker)).isAuthenticated, (await me()).isAuthenticated]).toEqual([false, true]);
  });

  test.each<[string, unknown]>([
    ["of another kind", 7],
    ["without a name", { of: "x" }],
    ["to no login", { id: "none", of: "none" }],
    ["with a name like a key", { id: "../s:x", of: "none" }],
  ])("%s is no obstacle to a login", async (_what, reference) => {
    const { url, merge, me } = await startCareless();
    const visitor = new Browser();
    await merge(visitor, { portal_login: reference });
    expect((await me(visitor)).isAuthenticated).toBe(false);
    await visitor.visit(`${url}/account`);
    expect((await me(visitor)).isAuthenticated).toBe(true);
  });

  test.each(SESSIONS)(
    "and a view that is put at req.session.portal sign nobody in (%s)",
    async (_name, whose) => {
      const world = await logIn({ session: whose });
      const visitor = new Browser();
      const copied = await world.inRequest(async ({ session: { portal } }) => ({ ...portal }));
      const isIn = world.inRequest(async (req) => {
        Object.assign(req.session, { portal: copied, note: "x" });
        return req.portal.isAuthenticated;
      }, visitor);
      expect([await isIn, (await world.me(visitor)).isAuthenticated]).toEqual([false, false]);
      expect(await world.inRequest(async ({ session }) => [session.portal, session.note], visitor)).toEqual([
        undefined,
        "x",
      ]);
    },
  );

  test.each(SESSIONS)(
    "throws if it would replace the view of a signed-in user (%s)",
    async (_name, whose) => {
      const world = await logIn({ session: whose });
      const body = { portal: { claims: { sub: "admin" } } };
      const merging = world.inRequest(async ({ session }) => Object.assign(session, body));
      await expect(merging).rejects.toThrow(TypeError);
      expect(await world.me()).toMatchObject({ claims: { sub: "amara-okafor" } });
    },
  );
});

describe("a login that was encrypted by a key that this process does not have", () => {
  test.each(SESSIONS)("does not count, and nothing is emptied or ended (%s)", async (_name, whose) => {
    const store = createMemoryStore();
    const sessionStore = new session.MemoryStore();
    const mountSession = whose === "app" ? { before: mountExpressSession({ store: sessionStore }) } : {};
    const one = await startWorld({ ...mountSession, options: { store, tokenEncryptionKey: "a".repeat(32) } });
    await one.browser.visit(`${one.url}/account`);
    const [key = ""] = await keysOfLogins(one, store);
    const before = await store.read(key);
    const other = await startWorld({
      ...mountSession,
      options: {
        store,
        issuer: one.provider.issuer,
        redirectUri: `${one.url}/callback`,
        tokenEncryptionKey: "b".repeat(32),
      },
      after(app) {
        app.get("/test/note", (req, res) => {
          Object.assign(req.session, { note: "kept" });
          res.end();
        });
        addSessionRoute(app);
      },
      log: [/tokens_unreadable/],
    });
    const headers = { cookie: await one.browser.jar.getCookieString(one.url) };
    const ask = (path: string) => new Browser().fetch(other.url + path, { headers });
    expect((await ask("/account")).status).toBe(401);
    await ask("/test/note");
    expect(JSON.parse((await ask("/test/session")).body).note).toBe("kept");
    expect((await store.read(key))?.text).toBe(before?.text);
    expect((await one.me()).isAuthenticated).toBe(true);
  });
});

describe.each(SESSIONS)("a record that others have broken, %s", (_name, whose) => {
  async function start() {
    const world = await logIn({ session: whose, log: [/tokens_unreadable/] });
    const [key = ""] = await keysOfLogins(world, world.store);
    await world.store.replace(key, 1, "broken");
    return world;
  }

  test("is in nobody's way: the user signs in elsewhere, sees the other sessions and ends all of them", async () => {
    const world = await start();
    const phone = await world.another();
    const tablet = await world.another();
    expect(await world.inRequest((req) => req.portal.sessions(), phone)).toHaveLength(2);
    await world.inRequest((req) => req.portal.logout({ everywhere: true }), phone);
    expect((await world.me(tablet)).isAuthenticated).toBe(false);
    expect(await keysOfLogins(world, world.store)).toEqual([]);
  });

  test("signs in again in its own browser, and the broken record is gone", async () => {
    const world = await start();
    expect((await world.me()).isAuthenticated).toBe(false);
    await world.browser.visit(`${world.url}/account`);
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await world.store.keys(whose === "app" ? "l:" : "s:")).toHaveLength(1);
  });

  test("ends at a logout in its own browser", async () => {
    const world = await start();
    const { status } = await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
    expect(status).toBe(303);
    expect(await world.store.keys(whose === "app" ? "l:" : "s:")).toEqual([]);
  });
});

test("a logout ends no broken record that another session refers to", async () => {
  const { browser, url, store, merge, referenceOf } = await startCareless({ log: [/tokens_unreadable/] });
  const reference = await referenceOf(browser);
  await store.replace(`l:${reference.id}`, 1, "broken");
  const attacker = new Browser();
  await merge(attacker, { portal_login: reference });
  const { status } = await attacker.navigate(`${url}/logout`, { site: "same-origin" });
  expect([status, (await store.read(`l:${reference.id}`))?.text]).toEqual([303, "broken"]);
});

test.each(SESSIONS)("a login cannot be given to another user if a key is set (%s)", async (_name, whose) => {
  const options = { tokenEncryptionKey: "k".repeat(32) };
  const world = await logIn({ session: whose, options, log: [/tokens_unreadable/] });
  const [key = ""] = await keysOfLogins(world, world.store);
  const stored = await world.store.read(key);
  expect(stored?.text).not.toContain("amara");
  const [, sessionId] = key.split(":");
  const forged = loginRecord({ session_id: String(sessionId), claims: { sub: "jonas-weber" } });
  await world.store.replace(key, stored?.version ?? 0, JSON.stringify(forged));
  expect((await world.me()).isAuthenticated).toBe(false);
});

describe("an error of the store", () => {
  test("empties no session of the application, and signs nobody out", async () => {
    const inner = createMemoryStore();
    let isDown = false;
    const read = inner.read.bind(inner);
    const store: EntryStore = Object.assign(inner, {
      read: (key: string) => (isDown ? Promise.reject(new Error("away")) : read(key)),
    });
    const world = await startCareless({ options: { store }, log: [/session_store_failed/] });
    await world.merge(world.browser, { note: "kept" });
    isDown = true;
    expect((await world.browser.fetch(`${world.url}/account`)).status).toBe(503);
    isDown = false;
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await fetchSession(world)).toMatchObject({ note: "kept" });
  });
});

describe("a process whose clock is behind or ahead", () => {
  test.each([-3600, 3600])("by %i seconds leaves the lives of sessions as they are", async (seconds) => {
    const { clock } = createClock();
    const store = createMemoryStore(clock); // as a server, it counts by its own clock
    const one = await startWorld({ options: { clock, store, sessionIdle: 86_400 } });
    await one.browser.visit(`${one.url}/account`);
    const other = await startWorld({
      options: {
        clock: () => clock() + seconds * 1000,
        store,
        sessionIdle: 86_400,
        issuer: one.provider.issuer,
        redirectUri: `${one.url}/callback`,
      },
    });
    const [key = ""] = await keysOfLogins(one, store);
    const before = (await store.read(key))?.lifeMs;
    const headers = { cookie: await one.browser.jar.getCookieString(one.url) };
    expect((await new Browser().fetch(`${other.url}/account`, { headers })).status).toBe(200);
    expect((await store.read(key))?.lifeMs).toBe(before);
  });
});

test("two copies of this package on one store keep their logins, each its own", async () => {
  vi.resetModules();
  const copy = await import("../../../lib/index.js");
  expect(copy.portalAuth).not.toBe(portalAuth);
  const store = new PortalSessionStore(createMemoryStore());
  const world: World = await startWorld({
    before: mountExpressSession({ store, resave: true }),
    after(app) {
      const options = { issuer: "http://127.0.0.1:1", clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
      app.use(
        "/other",
        copy.portalAuth({
          ...options,
          redirectUri: "http://127.0.0.1/other/callback",
          secret: SESSION_SECRET,
        }),
      );
      app.get("/other/me", (req, res) => void res.json(req.portal.isAuthenticated));
    },
  });
  await world.browser.fetch(`${world.url}/other/me`);
  await world.browser.visit(`${world.url}/account`);
  for (const path of ["/account", "/other/me", "/account"])
    expect((await world.browser.fetch(world.url + path)).status, path).toBe(200);
  expect((await world.me()).isAuthenticated).toBe(true);
});
