import express, { type Express } from "express";
import session from "express-session";
import { describe, expect, test } from "vitest";
import { portalAuth } from "../../lib/index.js";
import { holdNext, SESSIONS } from "../access/signed-in-request.js";
import { keysOfLogins, userListName } from "../session/records.js";
import { mountExpressSession } from "../session/slow-route.js";
import { Browser } from "../support/browser.js";
import { serve } from "../support/serve.js";
import { observedStore } from "../support/stored-sessions.js";
import { getClientOptions, startWorld } from "../support/world.js";

// A user signs out on all devices at one process, and signs in at another process with a different clock.

const TWO_MINUTES_MS = 120_000;

const CLOCKS: [string, number, number][] = [
  ["is 30 s behind", 30_000, 0],
  ["is 30 s ahead", 0, 30_000],
];

const clockAt = (offsetMs: number) => () => Date.now() + offsetMs;

/** Starts two routers of one application that share their stores, as two processes do. */
async function startTwo(owner: "app" | "ours", logoutOffsetMs: number, loginOffsetMs: number) {
  const store = observedStore();
  const mountSession = owner === "app" ? mountExpressSession({ store: new session.MemoryStore() }) : () => {};
  const addLogoutRoute = (app: Express) =>
    app.post("/leave", (req) => req.portal.logout({ everywhere: true }));
  const world = await startWorld({
    before: mountSession,
    options: { clock: clockAt(logoutOffsetMs), store },
    after: addLogoutRoute,
  });
  const { url, provider } = world;
  const options = { ...getClientOptions({ provider, url }), clock: clockAt(loginOffsetMs), store };
  const app = express();
  mountSession(app);
  app.use(portalAuth({ profile: "tencent-ciam", ...options }));
  app.get("/me", (req, res) => void res.json(req.portal.isAuthenticated));
  const other = await serve(app);
  /** Signs in at the other process and returns the status of its callback. */
  const signIn = async (browser: Browser) => {
    const { pathname, search } = await browser.loginUntilCallback(`${other}/login`);
    return (await browser.navigate(other + pathname + search)).status;
  };
  const isSignedIn = async (browser: Browser) =>
    JSON.parse((await browser.fetch(`${other}/me`)).body) as boolean;
  return {
    ...world,
    store,
    signIn,
    isSignedIn,
    leave: (browser: Browser) => browser.fetch(`${url}/leave`, { method: "POST" }),
    /**
     * Checks the browser after each login was idle for two minutes, so that its idle timeout must be
     * extended.
     */
    async isSignedInLater(browser: Browser) {
      for (const key of await store.keys(owner === "app" ? "l:" : "s:")) {
        const { lifeMs = 0 } = (await store.read(key)) ?? {};
        await store.touch(key, lifeMs - TWO_MINUTES_MS);
      }
      return isSignedIn(browser);
    },
  };
}

describe.each(SESSIONS)("%s: a process", (_name, owner) => {
  test.each(CLOCKS)(
    "that signs a user in right after the logout keeps this login (its clock %s)",
    async (_how, a, b) => {
      const world = await startTwo(owner, a, b);
      await world.browser.visit(`${world.url}/account`);
      await world.leave(world.browser);
      const phone = new Browser();
      expect(await world.signIn(phone)).toBe(303);
      expect([await world.isSignedIn(phone), await world.isSignedInLater(phone)]).toEqual([true, true]);
      const laptop = new Browser();
      await world.signIn(laptop);
      await world.leave(laptop);
      expect(await world.isSignedIn(phone)).toBe(false);
    },
  );

  test.each(CLOCKS)(
    "rejects a login that was in progress at the logout (its clock %s)",
    async (_how, a, b) => {
      const world = await startTwo(owner, a, b);
      await world.browser.visit(`${world.url}/account`);
      const phone = new Browser();
      const held = holdNext(world.provider, "/oauth2/token", "answered");
      const signedIn = world.signIn(phone);
      await held.arrived;
      await world.leave(world.browser);
      held.letGo();
      expect([await signedIn, await world.isSignedIn(phone)]).toEqual([401, false]);
      expect(await world.store.logins()).toEqual([]);
    },
  );

  test.each(CLOCKS)(
    "ends a login at its next use if the list had lost it at the logout (its clock %s)",
    async (_how, a, b) => {
      const world = await startTwo(owner, a, b);
      const phone = new Browser();
      await world.signIn(phone);
      const [key = ""] = await keysOfLogins(world, world.store);
      await world.browser.visit(`${world.url}/account`);
      await world.store.index.remove(userListName(world), [key]);
      await world.leave(world.browser);
      expect(await world.store.logins()).toHaveLength(1);
      expect(await world.isSignedInLater(phone)).toBe(false);
      expect(await world.store.logins()).toEqual([]);
    },
  );
});
