import express from "express";
import { describe, expect, test } from "vitest";
import { portalAuth, requireAuth } from "../../lib/index.js";
import { serve } from "../support/serve.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET } from "../support/world.js";
import { holdNext, json, logIn, SESSIONS } from "./signed-in-request.js";

const REFRESH_SECONDS = 1800;
const HALF = REFRESH_SECONDS / 2;

/** A user whose refresh token ends 30 minutes after the login, in an app that needs no token. */
async function start(given: Parameters<typeof logIn>[0] = {}) {
  const world = await logIn(given);
  const { browser, url, provider, auth, refreshes } = world;
  const promise = () => provider.nextTokenResponse({ refresh_expires_in: REFRESH_SECONDS });
  promise();
  await browser.visit(`${url}/login`);
  return {
    ...world,
    /** The next token answer says how long the refresh token lives. */
    promise,
    load: (path = "/account") => browser.fetch(url + path),
    /** Waits for refreshes in the background, and counts all that the provider has seen. */
    async refreshed() {
      await auth.close();
      return refreshes().length;
    },
  };
}

describe.each(SESSIONS)("a refresh token that ends, in %s,", (_name, session) => {
  test("is renewed by the first request after half of its life, which does not wait for it", async () => {
    const { load, later, tokens, provider, promise, refreshed } = await start({ session });
    const before = await tokens();
    later(HALF - 10);
    expect((await load()).status).toBe(200);
    expect(await refreshed()).toBe(0);
    later(20);
    promise();
    const held = holdNext(provider, "/oauth2/token");
    expect((await load()).status).toBe(200);
    await held.arrived; // the request has been answered before the provider
    held.letGo();
    expect(await refreshed()).toBe(1);
    const after = await tokens();
    expect(after.refresh_token).not.toBe(before.refresh_token);
    expect(after.refresh_expires_at).toBeGreaterThan(before.refresh_expires_at ?? 0);
    await load();
    expect(await refreshed()).toBe(1);
  });

  test("never ends the session of a user who makes a request every ten minutes", async () => {
    const { load, later, ask, promise, refreshed } = await start({ session });
    for (let minutes = 0; minutes < 180; minutes += 10) {
      later(600);
      promise();
      expect((await load()).status).toBe(200);
      await refreshed();
    }
    expect(await refreshed()).toBe(9);
    expect((await ask()).status).toBe(200);
  });

  test("is renewed once for a hundred requests at the same moment", async () => {
    const { load, later, promise, refreshed } = await start({ session });
    later(HALF + 10);
    promise();
    const answers = await Promise.all(Array.from({ length: 100 }, () => load()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await refreshed()).toBe(1);
  });
});

test("it is renewed once for two processes that share a store", async () => {
  const world = await start({ session: "ours" });
  const { browser, url, clock, store, provider, later, promise, refreshed, refreshes } = world;
  const second = portalAuth({
    issuer: provider.issuer,
    profile: "tencent-ciam",
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUri: `${url}/callback`,
    secret: SESSION_SECRET,
    clock,
    store,
  });
  const app = express().use(second);
  app.get("/account", requireAuth(), (_req, res) => void res.send("here"));
  const other = await serve(app);
  later(HALF + 10);
  promise();
  const answers = await Promise.all(
    [url, other, url, other].map((origin) => browser.fetch(`${origin}/account`)),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await Promise.all([refreshed(), second.close()]);
  expect(refreshes()).toHaveLength(1);
});

test("a page that polls the session route is no activity", async () => {
  const { load, later, refreshed } = await start({ options: { routes: { session: "/session" } } });
  later(HALF + 10);
  expect((await load("/session")).body).toContain('"isAuthenticated":true');
  expect(await refreshed()).toBe(0);
});

test("a refresh token that has ended is not sent before a token is needed", async () => {
  const { load, later, refreshed } = await start();
  later(REFRESH_SECONDS + 1);
  expect((await load()).status).toBe(200);
  expect(await refreshed()).toBe(0);
});

test("requests in the first half of its life read the store once and write nothing", async () => {
  const { load, later, store, refreshed } = await start();
  later(HALF - 100);
  await load(); // pushes the idle end
  store.calls();
  await load();
  expect(await refreshed()).toBe(0);
  expect(store.calls()).toEqual(["readEntry"]);
});

describe("a refresh in the background that fails", () => {
  test("because the provider is down delays nobody, ends nothing, and is tried again after a pause", async () => {
    const { load, later, me, provider, promise, refreshed, log } = await start({ log: [/portal_failed/] });
    provider.answerNext("/oauth2/token", json(503, {}));
    later(HALF + 10);
    for (let time = 0; time < 3; time++) {
      expect((await load()).status).toBe(200);
      expect(await refreshed()).toBe(1); // the pause holds the others back
    }
    later(60);
    promise();
    await load();
    expect(await refreshed()).toBe(2);
    expect((await me()).isAuthenticated).toBe(true);
    expect(log.filter((line) => line.includes("portal_failed"))).toHaveLength(1);
  });

  test("because the provider refuses the token ends the session, but not in the middle of the request", async () => {
    const { inRequest, later, me, provider, auth, stored } = await start({ log: [/refresh_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    later(HALF + 10);
    const seen = await inRequest(async (req) => {
      await auth.close();
      return [req.portal.isAuthenticated, req.portal.claims?.sub];
    });
    expect(seen).toEqual([true, "amara-okafor"]);
    expect(await stored()).toEqual([]);
    expect(await me()).toEqual({ isAuthenticated: false });
  });

  test("for a reason that is not clear ends nothing, as no request needs a token", async () => {
    const { load, later, me, provider, refreshed } = await start({ log: [/token_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_request" }));
    later(HALF + 10);
    await load();
    expect(await refreshed()).toBe(1);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("because the store fails is logged, and answers nobody", async () => {
    const { load, later, store, refreshed, log } = await start({
      log: [/session_store_failed \(503\).*the store is away/],
    });
    later(HALF - 30);
    await load(); // moves the idle end, so the next request has nothing to write but the claim of the refresh
    later(40);
    store.fail("replace");
    expect((await load()).status).toBe(200);
    expect(await refreshed()).toBe(0);
    expect(log.join()).toContain("session_store_failed");
  });
});
