import express from "express";
import { describe, expect, test } from "vitest";
import { portalAuth } from "../../../lib/index.js";
import { type ObservedStore, observedStore } from "../../support/stored-sessions.js";
import { getClientOptions, startWorld, type World } from "../../support/world.js";
import { mountExpressSession } from "../slow-route.js";

// Several routers without names share one session. Each request passes through all of them, and each loads
// the login.

const SESSIONS = [
  ["our session", () => {}],
  ["the app's own session", mountExpressSession()],
] as const;

describe.each(SESSIONS)("a login in %s that two routers load", (_name, mountSession) => {
  /** Mounts the same router twice, and another router before it. */
  async function start(): Promise<World & { readonly store: ObservedStore }> {
    const store = observedStore();
    const routers = express.Router();
    const world = await startWorld({
      options: { store, sessionIdle: 3600, routes: { session: "/session" } },
      before(app) {
        mountSession(app);
        app.use(routers);
      },
      after(app) {
        app.get("/test/regenerate", async (req, res) => {
          await req.portal.regenerate();
          res.end();
        });
      },
    });
    const another = portalAuth({
      ...getClientOptions(world),
      redirectUri: `${world.url}/other/callback`,
      routes: {
        login: "/other/login",
        callback: "/other/callback",
        logout: "/other/logout",
        session: "/other/session",
      },
      sessionIdle: 3600,
      store,
    });
    routers.use(another, world.auth);
    await world.browser.visit(`${world.url}/account`);
    return { ...world, store };
  }

  test("needs no write in a request", async () => {
    const { store, me } = await start();
    await me();
    store.calls();
    await me();
    expect(store.calls().filter((name) => !name.startsWith("read"))).toEqual([]);
  });

  test.each(["/session", "/other/session"])("is not ended by requests to %s", async (path) => {
    const { browser, url, me } = await start();
    for (let count = 0; count < 3; count += 1) expect((await browser.fetch(url + path)).status).toBe(200);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("stays valid if its session gets a new id", async () => {
    const { browser, url, me } = await start();
    await browser.fetch(`${url}/test/regenerate`);
    expect((await me()).isAuthenticated).toBe(true);
  });
});
