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

// Sessions and records that were written by the application, by an attacker with access to the store, or by a
// process with other settings.

/** Starts an application that merges request bodies into its session, and signs a user in. */
async function startWithMergedBodies(worldOptions: Parameters<typeof startWorld>[0] = {}) {
  const store = createMemoryStore();
  const world = await startWorld({
    ...worldOptions,
    before: mountExpressSession(),
    options: { store, ...worldOptions.options },
    after(app) {
      addSessionRoute(app);
      app.get("/test/merge", (req, res) => {
        Object.assign(req.session, JSON.parse(String(req.query["body"])));
        res.end();
      });
      app.get("/test/reference", (req, res) => {
        res.json(Object(req.session).portal_login);
      });
    },
  });
  await world.browser.visit(`${world.url}/account`);
  const merge = (browser: Browser, body: object) =>
    browser.fetch(`${world.url}/test/merge?body=${encodeURIComponent(JSON.stringify(body))}`);
  const readReference = async (browser: Browser) =>
    JSON.parse((await browser.fetch(`${world.url}/test/reference`)).body || "null");
  return { ...world, store, merge, readReference };
}

describe("a reference that an attacker writes to a session", () => {
  test("to the login of another user does not sign in, and does not end that login", async () => {
    const { browser, url, merge, readReference, me } = await startWithMergedBodies();
    const reference = await readReference(browser);
    expect(Object.keys(reference)).toEqual(["id", "of", "user", "in"]);
    const attacker = new Browser();
    await merge(attacker, { portal_login: reference, note: "mine" });
    for (const _ of [1, 2]) expect((await me(attacker)).isAuthenticated).toBe(false);
    await attacker.fetch(`${url}/logout`, { method: "POST" });
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("in place of the attacker's own login signs only the attacker out", async () => {
    const { browser, url, merge, readReference, me } = await startWithMergedBodies();
    const attacker = new Browser();
    attacker.user = { sub: "jonas-weber" };
    await attacker.visit(`${url}/account`);
    await merge(attacker, { portal_login: await readReference(browser) });
    expect([(await me(attacker)).isAuthenticated, (await me()).isAuthenticated]).toEqual([false, true]);
  });

  test.each<[string, unknown]>([
    ["that is a number", 7],
    ["without an id", { of: "x" }],
    ["to a missing login", { id: "none", of: "none" }],
    ["with an id like a key", { id: "../s:x", of: "none" }],
  ])("%s does not prevent a login", async (_case, reference) => {
    const { url, merge, me } = await startWithMergedBodies();
    const visitor = new Browser();
    await merge(visitor, { portal_login: reference });
    expect((await me(visitor)).isAuthenticated).toBe(false);
    await visitor.visit(`${url}/account`);
    expect((await me(visitor)).isAuthenticated).toBe(true);
  });
});

describe("a view that an application writes to req.session.portal", () => {
  test.each(SESSIONS)(
    "does not sign the visitor in, and the other data is saved (%s)",
    async (_name, sessionKind) => {
      const world = await logIn({ session: sessionKind });
      const visitor = new Browser();
      const copiedView = await world.inRequest(async ({ session: { portal } }) => ({ ...portal }));
      const isSignedIn = await world.inRequest(async (req) => {
        Object.assign(req.session, { portal: copiedView, note: "x" });
        return req.portal.isAuthenticated;
      }, visitor);
      expect([isSignedIn, (await world.me(visitor)).isAuthenticated]).toEqual([false, false]);
      expect(await world.inRequest(async ({ session }) => [session.portal, session.note], visitor)).toEqual([
        undefined,
        "x",
      ]);
    },
  );

  test.each(SESSIONS)(
    "cannot replace the view of a signed-in user, because that throws (%s)",
    async (_name, sessionKind) => {
      const world = await logIn({ session: sessionKind });
      const body = { portal: { claims: { sub: "admin" } } };
      const merging = world.inRequest(async ({ session }) => Object.assign(session, body));
      await expect(merging).rejects.toThrow(TypeError);
      expect(await world.me()).toMatchObject({ claims: { sub: "amara-okafor" } });
    },
  );
});

describe("a login that was encrypted with a key that this process does not have", () => {
  test.each(SESSIONS)(
    "is not valid here, but is not ended, and the session keeps its data (%s)",
    async (_name, sessionKind) => {
      const store = createMemoryStore();
      const sessionStore = new session.MemoryStore();
      const mountSession =
        sessionKind === "app" ? { before: mountExpressSession({ store: sessionStore }) } : {};
      const first = await startWorld({
        ...mountSession,
        options: { store, tokenEncryptionKey: "a".repeat(32) },
      });
      await first.browser.visit(`${first.url}/account`);
      const [key = ""] = await keysOfLogins(first, store);
      const before = await store.read(key);
      const second = await startWorld({
        ...mountSession,
        options: {
          store,
          issuer: first.provider.issuer,
          redirectUri: `${first.url}/callback`,
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
      const headers = { cookie: await first.browser.jar.getCookieString(first.url) };
      const fetchFromSecond = (path: string) => new Browser().fetch(second.url + path, { headers });
      expect((await fetchFromSecond("/account")).status).toBe(401);
      await fetchFromSecond("/test/note");
      expect(JSON.parse((await fetchFromSecond("/test/session")).body).note).toBe("kept");
      expect((await store.read(key))?.text).toBe(before?.text);
      expect((await first.me()).isAuthenticated).toBe(true);
    },
  );
});

describe.each(SESSIONS)("an invalid record in the store, %s", (_name, sessionKind) => {
  async function start() {
    const world = await logIn({ session: sessionKind, log: [/tokens_unreadable/] });
    const [key = ""] = await keysOfLogins(world, world.store);
    await world.store.replace(key, 1, "broken");
    return world;
  }

  test("does not prevent that the user lists and ends the other sessions", async () => {
    const world = await start();
    const phone = await world.another();
    const tablet = await world.another();
    expect(await world.inRequest((req) => req.portal.sessions(), phone)).toHaveLength(2);
    await world.inRequest((req) => req.portal.logout({ everywhere: true }), phone);
    expect((await world.me(tablet)).isAuthenticated).toBe(false);
    expect(await keysOfLogins(world, world.store)).toEqual([]);
  });

  test("is removed when the user signs in again in this browser", async () => {
    const world = await start();
    expect((await world.me()).isAuthenticated).toBe(false);
    await world.browser.visit(`${world.url}/account`);
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await world.store.keys(sessionKind === "app" ? "l:" : "s:")).toHaveLength(1);
  });

  test("is removed by a logout in this browser", async () => {
    const world = await start();
    const { status } = await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
    expect(status).toBe(303);
    expect(await world.store.keys(sessionKind === "app" ? "l:" : "s:")).toEqual([]);
  });
});

test("a logout does not remove an invalid record of another session", async () => {
  const { browser, url, store, merge, readReference } = await startWithMergedBodies({
    log: [/tokens_unreadable/],
  });
  const reference = await readReference(browser);
  await store.replace(`l:${reference.id}`, 1, "broken");
  const attacker = new Browser();
  await merge(attacker, { portal_login: reference });
  const { status } = await attacker.navigate(`${url}/logout`, { site: "same-origin" });
  expect([status, (await store.read(`l:${reference.id}`))?.text]).toEqual([303, "broken"]);
});

test.each(SESSIONS)(
  "an unencrypted record is rejected if a key is set, so it cannot name another user (%s)",
  async (_name, sessionKind) => {
    const options = { tokenEncryptionKey: "k".repeat(32) };
    const world = await logIn({ session: sessionKind, options, log: [/tokens_unreadable/] });
    const [key = ""] = await keysOfLogins(world, world.store);
    const stored = await world.store.read(key);
    expect(stored?.text).not.toContain("amara");
    const [, sessionId] = key.split(":");
    const forged = loginRecord({ session_id: String(sessionId), claims: { sub: "jonas-weber" } });
    await world.store.replace(key, stored?.version ?? 0, JSON.stringify(forged));
    expect((await world.me()).isAuthenticated).toBe(false);
  },
);

describe("an error of the store", () => {
  test("does not empty the application's session, and does not sign the user out", async () => {
    const inner = createMemoryStore();
    let isDown = false;
    const read = inner.read.bind(inner);
    const store: EntryStore = Object.assign(inner, {
      read: (key: string) => (isDown ? Promise.reject(new Error("the store is down")) : read(key)),
    });
    const world = await startWithMergedBodies({ options: { store }, log: [/session_store_failed/] });
    await world.merge(world.browser, { note: "kept" });
    isDown = true;
    expect((await world.browser.fetch(`${world.url}/account`)).status).toBe(503);
    isDown = false;
    expect((await world.me()).isAuthenticated).toBe(true);
    expect(await fetchSession(world)).toMatchObject({ note: "kept" });
  });
});

describe("a process whose clock is behind or ahead", () => {
  test.each([-3600, 3600])("by %i seconds does not change the lifetime of sessions", async (seconds) => {
    const { clock } = createClock();
    // The store has its own clock, as a server has.
    const store = createMemoryStore(clock);
    const first = await startWorld({ options: { clock, store, sessionIdle: 86_400 } });
    await first.browser.visit(`${first.url}/account`);
    const second = await startWorld({
      options: {
        clock: () => clock() + seconds * 1000,
        store,
        sessionIdle: 86_400,
        issuer: first.provider.issuer,
        redirectUri: `${first.url}/callback`,
      },
    });
    const [key = ""] = await keysOfLogins(first, store);
    const before = (await store.read(key))?.lifeMs;
    const headers = { cookie: await first.browser.jar.getCookieString(first.url) };
    expect((await new Browser().fetch(`${second.url}/account`, { headers })).status).toBe(200);
    expect((await store.read(key))?.lifeMs).toBe(before);
  });
});

test("two copies of this package can share a store, and each has its own logins", async () => {
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
      app.get("/other/me", (req, res) => {
        res.json(req.portal.isAuthenticated);
      });
    },
  });
  await world.browser.fetch(`${world.url}/other/me`);
  await world.browser.visit(`${world.url}/account`);
  for (const path of ["/account", "/other/me", "/account"])
    expect((await world.browser.fetch(world.url + path)).status, path).toBe(200);
  expect((await world.me()).isAuthenticated).toBe(true);
});
