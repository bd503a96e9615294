import express, { type Express } from "express";
import session from "express-session";
import { describe, expect, test } from "vitest";
import { portalAuth } from "../../lib/index.js";
import { holdNext, SESSIONS } from "../access/signed-in-request.js";
import { keysOfLogins, listOf } from "../session/records.js";
import { mounted } from "../session/slow-route.js";
import { Browser } from "../support/browser.js";
import { serve } from "../support/serve.js";
import { observedStore } from "../support/stored-sessions.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld } from "../support/world.js";

// A user signs out everywhere at one process and signs in at another one, whose clock shows another time.

const TWO_MINUTES_MS = 120_000;

const CLOCKS: [string, number, number][] = [
  ["is 30 s behind", 30_000, 0],
  ["is 30 s ahead", 0, 30_000],
];

const clockAt = (offsetMs: number) => () => Date.now() + offsetMs;

/** Two routers of one application that share their stores, as two processes do. */
async function startTwo(whose: "app" | "ours", ofLogout: number, ofLogin: number) {
  const store = observedStore();
  const mountSession = whose === "app" ? mounted({ store: new session.MemoryStore() }) : () => {};
  const leaving = (app: Express) => app.post("/leave", (req) => req.portal.logout({ everywhere: true }));
  const world = await startWorld({
    before: mountSession,
    options: { clock: clockAt(ofLogout), store },
    after: leaving,
  });
  const { url, provider } = world;
  const client = {
    issuer: provider.issuer,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    secret: SESSION_SECRET,
  };
  const options = { ...client, redirectUri: `${url}/callback`, clock: clockAt(ofLogin), store };
  const app = express();
  mountSession(app);
  app.use(portalAuth({ profile: "tencent-ciam", ...options }));
  app.get("/me", (req, res) => void res.json(req.portal.isAuthenticated));
  const other = await serve(app);
  /** Signs in at the other process: resolves to the status of its answer to the callback. */
  const signIn = async (browser: Browser) => {
    const { pathname, search } = await browser.loginUntilCallback(`${other}/login`);
    return (await browser.navigate(other + pathname + search)).status;
  };
  const isIn = async (browser: Browser) => JSON.parse((await browser.fetch(`${other}/me`)).body) as boolean;
  return {
    ...world,
    store,
    signIn,
    isIn,
    leave: (browser: Browser) => browser.fetch(`${url}/leave`, { method: "POST" }),
    /** As if each login had been idle for two minutes: its idle end is due to move. */
    async isInLater(browser: Browser) {
      for (const key of await store.keys(whose === "app" ? "l:" : "s:")) {
        const { lifeMs = 0 } = (await store.read(key)) ?? {};
        await store.touch(key, lifeMs - TWO_MINUTES_MS);
      }
      return isIn(browser);
    },
  };
}

describe.each(SESSIONS)("%s: a process", (_name, whose) => {
  test.each(CLOCKS)(
    "begins a login right after the logout, which stays (its clock %s)",
    async (_how, a, b) => {
      const world = await startTwo(whose, a, b);
      await world.browser.visit(`${world.url}/account`);
      await world.leave(world.browser);
      const phone = new Browser();
      expect(await world.signIn(phone)).toBe(303);
      expect([await world.isIn(phone), await world.isInLater(phone)]).toEqual([true, true]);
      const laptop = new Browser();
      await world.signIn(laptop);
      await world.leave(laptop);
      expect(await world.isIn(phone)).toBe(false);
    },
  );

  test.each(CLOCKS)("refuses a login that it was making at the logout (its clock %s)", async (_how, a, b) => {
    const world = await startTwo(whose, a, b);
    await world.browser.visit(`${world.url}/account`);
    const phone = new Browser();
    const held = holdNext(world.provider, "/oauth2/token", "answered");
    const signedIn = world.signIn(phone);
    await held.arrived;
    await world.leave(world.browser);
    held.letGo();
    expect([await signedIn, await world.isIn(phone)]).toEqual([401, false]);
    expect(await world.store.logins()).toEqual([]);
  });

  test.each(CLOCKS)(
    "ends a login that the list had lost, when it is used (its clock %s)",
    async (_how, a, b) => {
      const world = await startTwo(whose, a, b);
      const phone = new Browser();
      await world.signIn(phone);
      const [key = ""] = await keysOfLogins(world, world.store);
      await world.browser.visit(`${world.url}/account`);
      await world.store.index.remove(listOf(world), [key]);
      await world.leave(world.browser);
      expect(await world.store.logins()).toHaveLength(1);
      expect(await world.isInLater(phone)).toBe(false);
      expect(await world.store.logins()).toEqual([]);
    },
  );
});
