import express from "express";
import { describe, expect, test } from "vitest";
import { portalAuth, requireAuth } from "../../lib/index.js";
import { serve } from "../support/serve.js";
import { getClientOptions } from "../support/world.js";
import { holdNext, json, logIn, SESSIONS } from "./signed-in-request.js";

const REFRESH_SECONDS = 1800;
const HALF = REFRESH_SECONDS / 2;

/** Signs in a user whose refresh token expires 30 minutes after the login, in an app that needs no token. */
async function start(options: Parameters<typeof logIn>[0] = {}) {
  const world = await logIn(options);
  const { browser, url, provider, auth, refreshes } = world;
  const announceLifetime = () => provider.nextTokenResponse({ refresh_expires_in: REFRESH_SECONDS });
  announceLifetime();
  await browser.visit(`${url}/login`);
  return {
    ...world,
    /** Adds the lifetime of the refresh token to the next token response. */
    announceLifetime,
    load: (path = "/account") => browser.fetch(url + path),
    /** Waits for refreshes in the background, and returns how many the provider has received. */
    async countRefreshes() {
      await auth.close();
      return refreshes().length;
    },
  };
}

describe.each(SESSIONS)("a refresh token that expires, in %s", (_name, session) => {
  test("is refreshed by the first request after half of its lifetime, which does not wait", async () => {
    const { load, later, tokens, provider, announceLifetime, countRefreshes } = await start({ session });
    const before = await tokens();
    later(HALF - 10);
    expect((await load()).status).toBe(200);
    expect(await countRefreshes()).toBe(0);
    later(20);
    announceLifetime();
    const held = holdNext(provider, "/oauth2/token");
    expect((await load()).status).toBe(200);
    await held.arrived; // the app has responded before the provider
    held.letGo();
    expect(await countRefreshes()).toBe(1);
    const after = await tokens();
    expect(after.refresh_token).not.toBe(before.refresh_token);
    expect(after.refresh_expires_at).toBeGreaterThan(before.refresh_expires_at ?? 0);
    await load();
    expect(await countRefreshes()).toBe(1);
  });

  test("does not end the session of a user who makes a request every ten minutes", async () => {
    const { load, later, ask, announceLifetime, countRefreshes } = await start({ session });
    for (let minutes = 0; minutes < 180; minutes += 10) {
      later(600);
      announceLifetime();
      expect((await load()).status).toBe(200);
      await countRefreshes();
    }
    expect(await countRefreshes()).toBe(9);
    expect((await ask()).status).toBe(200);
  });

  test("is refreshed once for 100 concurrent requests", async () => {
    const { load, later, announceLifetime, countRefreshes } = await start({ session });
    later(HALF + 10);
    announceLifetime();
    const responses = await Promise.all(Array.from({ length: 100 }, () => load()));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await countRefreshes()).toBe(1);
  });
});

test("the refresh token is refreshed once by two processes that share a store", async () => {
  const world = await start({ session: "ours" });
  const { browser, url, clock, store, provider, later, announceLifetime, countRefreshes, refreshes } = world;
  const second = portalAuth({
    ...getClientOptions({ provider, url }),
    profile: "tencent-ciam",
    clock,
    store,
  });
  const app = express().use(second);
  app.get("/account", requireAuth(), (_req, res) => void res.send("account"));
  const other = await serve(app);
  later(HALF + 10);
  announceLifetime();
  const responses = await Promise.all(
    [url, other, url, other].map((origin) => browser.fetch(`${origin}/account`)),
  );
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await Promise.all([countRefreshes(), second.close()]);
  expect(refreshes()).toHaveLength(1);
});

test("polling the session route does not count as activity", async () => {
  const { load, later, countRefreshes } = await start({ options: { routes: { session: "/session" } } });
  later(HALF + 10);
  expect((await load("/session")).body).toContain('"isAuthenticated":true');
  expect(await countRefreshes()).toBe(0);
});

test("an expired refresh token is not sent until a request needs a token", async () => {
  const { load, later, countRefreshes } = await start();
  later(REFRESH_SECONDS + 1);
  expect((await load()).status).toBe(200);
  expect(await countRefreshes()).toBe(0);
});

test("requests in the first half of its lifetime read the store once and write nothing", async () => {
  const { load, later, store, countRefreshes } = await start();
  later(HALF - 100);
  await load(); // extends the idle timeout
  store.calls();
  await load();
  expect(await countRefreshes()).toBe(0);
  expect(store.calls()).toEqual(["readEntry"]);
});

describe("a failed refresh in the background", () => {
  test("because the provider is down ends no session, and is repeated after a pause", async () => {
    const { load, later, me, provider, announceLifetime, countRefreshes, log } = await start({
      log: [/portal_failed/],
    });
    provider.answerNext("/oauth2/token", json(503, {}));
    later(HALF + 10);
    for (let count = 0; count < 3; count += 1) {
      expect((await load()).status).toBe(200);
      expect(await countRefreshes()).toBe(1); // no other refresh during the pause
    }
    later(60);
    announceLifetime();
    await load();
    expect(await countRefreshes()).toBe(2);
    expect((await me()).isAuthenticated).toBe(true);
    expect(log.filter((line) => line.includes("portal_failed"))).toHaveLength(1);
  });

  test("because the provider refuses the token ends the session after the request", async () => {
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

  test("with an unclear error does not end the session, because no request needs a token", async () => {
    const { load, later, me, provider, countRefreshes } = await start({ log: [/token_refused/] });
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_request" }));
    later(HALF + 10);
    await load();
    expect(await countRefreshes()).toBe(1);
    expect((await me()).isAuthenticated).toBe(true);
  });

  test("because the store fails is logged, and the request succeeds", async () => {
    const { load, later, store, countRefreshes, log } = await start({
      log: [/session_store_failed \(503\).*the store is unreachable/],
    });
    later(HALF - 30);
    await load(); // extends the idle timeout, so the next request writes only the claim of the refresh
    later(40);
    store.fail("replace");
    expect((await load()).status).toBe(200);
    expect(await countRefreshes()).toBe(0);
    expect(log.join()).toContain("session_store_failed");
  });
});
