import type { Express } from "express";
import { describe, expect, test } from "vitest";
import { PortalSessionStore } from "../../../lib/store/portal-session-store.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { type ObservedStore, observedStore } from "../../support/stored-sessions.js";
import { startWorld, type World } from "../../support/world.js";
import { keysOfLogins } from "../records.js";
import { changeRoute, mountExpressSession } from "../slow-route.js";

// A session can get another life after its login: "remember me", or the option sessionIdle after a restart.

const MINUTES = 60;

const live = (seconds: number) =>
  changeRoute(`/test/live-${seconds}`, ({ session }) => {
    session.cookie.maxAge = seconds * 1000;
  });

const logOutEverywhere = (app: Express) =>
  app.get("/test/everywhere", async (req) => void (await req.portal.logout({ everywhere: true })));

const whereApps = [
  ["in a store of ours", (store: ObservedStore) => ({ store: new PortalSessionStore(store) })],
  ["in its own store", () => ({})],
] as const;

describe.each(whereApps)("the application's session %s", (_where, mountedWith) => {
  async function start() {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const world = await startWorld({
      before: mountExpressSession({ ...mountedWith(store), cookie: { maxAge: 20 * MINUTES * 1000 } }),
      options: { clock, store },
      after(app) {
        for (const minutes of [1000, 5]) live(minutes * MINUTES)(app);
        logOutEverywhere(app);
      },
    });
    await world.browser.visit(`${world.url}/account`);
    return { ...world, store, later };
  }

  test("that is kept for longer is ended by a logout everywhere", async () => {
    const world = await start();
    await world.browser.fetch(`${world.url}/test/live-${1000 * MINUTES}`);
    await world.me();
    world.later(30 * MINUTES);
    const phone = new Browser();
    await phone.visit(`${world.url}/account`);
    await expect.poll(() => keysOfLogins(world, world.store)).toHaveLength(2);
    await phone.fetch(`${world.url}/test/everywhere`);
    expect(await world.store.logins()).toEqual([]);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("that is kept for a shorter time costs its later requests nothing", async () => {
    const world = await start();
    await world.browser.fetch(`${world.url}/test/live-${5 * MINUTES}`);
    await world.me();
    await expect.poll(async () => (await world.store.logins())[0]?.idle_ms).toBe(5 * MINUTES * 1000);
    await expect.poll(() => world.store.calls().length).toBe(0);
    await world.me();
    expect(world.store.calls().filter((name) => !name.startsWith("read"))).toEqual([]);
  });
});

describe("a session of ours after a restart with another sessionIdle", () => {
  async function restart(
    { provider, url, browser }: World,
    store: ObservedStore,
    clock: () => number,
    minutes: number,
  ) {
    const other = await startWorld({
      options: {
        clock,
        store,
        sessionIdle: minutes * MINUTES,
        issuer: provider.issuer,
        redirectUri: `${url}/callback`,
      },
    });
    const headers = { cookie: await browser.jar.getCookieString(url) };
    return async () => (await new Browser().fetch(`${other.url}/account`, { headers })).status;
  }

  test("stays in the list of the user's logins", async () => {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const world = await startWorld({ options: { clock, store, sessionIdle: 20 * MINUTES } });
    await world.browser.visit(`${world.url}/account`);
    const ask = await restart(world, store, clock, 60);
    expect(await ask()).toBe(200);
    await expect.poll(async () => (await store.logins())[0]?.idle_ms).toBe(60 * MINUTES * 1000);
    later(30 * MINUTES);
    expect(await ask()).toBe(200);
    await expect.poll(() => keysOfLogins(world, store)).toHaveLength(1);
  });
});
