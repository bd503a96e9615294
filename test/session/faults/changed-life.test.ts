import type { Express } from "express";
import { describe, expect, test } from "vitest";
import { PortalSessionStore } from "../../../lib/store/portal-session-store.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { freezeDate } from "../../support/fake-time.js";
import { type ObservedStore, observedStore } from "../../support/stored-sessions.js";
import { startWorld, type World } from "../../support/world.js";
import { keysOfLogins } from "../records.js";
import { changeRoute, mountExpressSession } from "../slow-route.js";

// The lifetime of a session can change after its login: by "remember me", or by another sessionIdle.

const MINUTES = 60;

const setLifetime = (seconds: number) =>
  changeRoute(`/test/lifetime-${seconds}`, ({ session }) => {
    session.cookie.maxAge = seconds * 1000;
  });

const addLogout = (app: Express) =>
  app.get("/test/everywhere", async (req) => {
    await req.portal.logout({ everywhere: true });
  });

const APP_STORES = [
  ["in our store", (store: ObservedStore) => ({ store: new PortalSessionStore(store) })],
  ["in its own store", () => ({})],
] as const;

describe.each(APP_STORES)("the application's session %s", (_place, createStoreOption) => {
  async function start() {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const world = await startWorld({
      before: mountExpressSession({ ...createStoreOption(store), cookie: { maxAge: 20 * MINUTES * 1000 } }),
      options: { clock, store },
      after(app) {
        for (const minutes of [1000, 5]) setLifetime(minutes * MINUTES)(app);
        addLogout(app);
      },
    });
    await world.browser.visit(`${world.url}/account`);
    return { ...world, store, later };
  }

  test("that got a longer lifetime is ended by a logout on all devices", async () => {
    const world = await start();
    await world.browser.fetch(`${world.url}/test/lifetime-${1000 * MINUTES}`);
    await world.me();
    world.later(30 * MINUTES);
    const phone = new Browser();
    await phone.visit(`${world.url}/account`);
    await expect.poll(() => keysOfLogins(world, world.store)).toHaveLength(2);
    await phone.fetch(`${world.url}/test/everywhere`);
    expect(await world.store.logins()).toEqual([]);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("that got a shorter lifetime needs no additional writes in later requests", async () => {
    freezeDate();
    const world = await start();
    await world.browser.fetch(`${world.url}/test/lifetime-${5 * MINUTES}`);
    await world.me();
    await expect.poll(async () => (await world.store.logins())[0]?.idle_ms).toBe(5 * MINUTES * 1000);
    await expect.poll(() => world.store.calls().length).toBe(0);
    await world.me();
    expect(world.store.calls().filter((name) => !name.startsWith("read"))).toEqual([]);
  });
});

describe("our session after a restart with another sessionIdle", () => {
  async function restart(
    { provider, url, browser }: World,
    store: ObservedStore,
    clock: () => number,
    minutes: number,
  ) {
    const restarted = await startWorld({
      options: {
        clock,
        store,
        sessionIdle: minutes * MINUTES,
        issuer: provider.issuer,
        redirectUri: `${url}/callback`,
      },
    });
    const headers = { cookie: await browser.jar.getCookieString(url) };
    return async () => (await new Browser().fetch(`${restarted.url}/account`, { headers })).status;
  }

  test("stays in the list of the user's logins", async () => {
    const { clock, later } = createClock();
    const store = observedStore(clock);
    const world = await startWorld({ options: { clock, store, sessionIdle: 20 * MINUTES } });
    await world.browser.visit(`${world.url}/account`);
    const requestAccount = await restart(world, store, clock, 60);
    expect(await requestAccount()).toBe(200);
    await expect.poll(async () => (await store.logins())[0]?.idle_ms).toBe(60 * MINUTES * 1000);
    later(30 * MINUTES);
    expect(await requestAccount()).toBe(200);
    await expect.poll(() => keysOfLogins(world, store)).toHaveLength(1);
  });
});
