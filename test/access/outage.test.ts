import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { createOutage } from "../../lib/access/outage.js";
import { PortalAuthError } from "../../lib/errors.js";
import type { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { html, json, logIn, TOKEN_SECONDS } from "./logged-in.js";

const MANY = 10_000;

async function logInAll() {
  const world = await logIn({ log: [/portal_failed|refresh_refused/] });
  const others: Browser[] = [];
  while (others.length < 4) others.push(await world.another());
  const everybody = [world.browser, ...others];
  world.later(TOKEN_SECONDS);
  return {
    ...world,
    others,
    everybody,
    /** So many requests at once, of everybody in turn; gives how often each status came. */
    async hundred() {
      const asking = Array.from({ length: 100 }, (_, n) => world.ask(everybody[n % everybody.length]));
      const statuses = (await Promise.all(asking)).map(({ status }) => status);
      return Object.fromEntries(
        [...new Set(statuses)].map((status) => [status, statuses.filter((s) => s === status).length]),
      );
    },
  };
}

describe("a portal that fails to refresh", () => {
  test("is asked once, and then left alone for a while by a hundred requests of five sessions", async () => {
    const { ask, hundred, portal, refreshes } = await logInAll();
    portal.answerNext("/oauth2/token", html(500), MANY);
    expect((await ask()).status).toBe(503);
    expect(await hundred()).toEqual({ 503: 100 });
    expect(refreshes()).toHaveLength(1);
  });

  test("gets one request after the pause, though a hundred would like to", async () => {
    const { ask, hundred, later, portal, refreshes } = await logInAll();
    portal.answerNext("/oauth2/token", html(500), MANY);
    await ask();
    later(1);
    expect(await hundred()).toEqual({ 503: 100 });
    expect(refreshes()).toHaveLength(2);
  });

  test("is asked more and more seldom, but twice a minute at least", async () => {
    const { ask, later, portal, refreshes } = await logInAll();
    portal.answerNext("/oauth2/token", html(500), MANY);
    const askedAt: number[] = [];
    for (let second = 0; second <= 100; second += 1) {
      const before = refreshes().length;
      await ask();
      if (refreshes().length > before) askedAt.push(second);
      later(1);
    }
    expect(askedAt).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  });

  test("is trusted again after one success: everybody else refreshes at once, and the next pause is short", async () => {
    const { ask, others, hundred, later, portal, refreshes } = await logInAll();
    portal.answerNext("/oauth2/token", html(500), 3);
    for (const seconds of [0, 1, 2]) {
      later(seconds);
      expect((await ask()).status).toBe(503);
    }
    later(4);
    expect((await ask(others[0])).status).toBe(200);
    expect(await hundred()).toEqual({ 200: 100 });
    expect(refreshes()).toHaveLength(3 + 5);
    later(TOKEN_SECONDS);
    portal.answerNext("/oauth2/token", html(500));
    expect((await ask()).status).toBe(503);
    later(1);
    expect((await ask()).status).toBe(200);
  });

  test("is back when it refuses one refresh token: that is an answer", async () => {
    const { ask, others, later, portal } = await logInAll();
    portal.answerNext("/oauth2/token", html(500));
    expect((await ask()).status).toBe(503);
    later(1);
    portal.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    expect((await ask()).status).toBe(401);
    expect((await ask(others[0])).status).toBe(200);
  });

  test("says the same to everybody while it is left alone", async () => {
    const { ask, others, portal } = await logInAll();
    portal.answerNext("/oauth2/token", html(500));
    const first = await ask();
    expect(first).toEqual({ status: 503, code: "portal_failed", retryAfter: "5" });
    expect(await ask(others[0])).toEqual(first);
  });

  test("costs the store no write while it is left alone", async () => {
    const set = vi.spyOn(session.MemoryStore.prototype, "set");
    const { ask, hundred, portal } = await logInAll();
    portal.answerNext("/oauth2/token", html(500), MANY);
    await ask();
    await hundred(); // which also writes, once a minute, that these people are still here
    set.mockClear();
    expect(await hundred()).toEqual({ 503: 100 });
    expect(set).not.toHaveBeenCalled();
  });

  test("keeps nobody from tokens that another process has brought", async () => {
    const { ask, inRequest, others, store, portal } = await logInAll();
    portal.answerNext("/oauth2/token", html(500), MANY);
    await ask();
    const given = inRequest((req) => {
      const { sessions } = store as unknown as { sessions: Record<string, string> };
      const { portal: login, ...rest } = JSON.parse(sessions[req.sessionID] ?? "");
      const tokens = { ...login.tokens, access_token: "brought", expires_at: login.tokens.expires_at + TOKEN_SECONDS };
      sessions[req.sessionID] = JSON.stringify({ ...rest, portal: { ...login, tokens, version: login.version + 1 } });
      return req.portal.accessToken();
    }, others[0]);
    expect(await given).toBe("brought");
  });

  test("keeps nobody from a token that is still good", async () => {
    const { ask, another, portal } = await logInAll();
    portal.answerNext("/oauth2/token", html(500));
    expect((await ask()).status).toBe(503);
    const newcomer = await another();
    expect((await ask(newcomer)).status).toBe(200);
  });
});

describe("what is wrong with one person's refresh token, and not with the portal,", () => {
  test.each(["invalid_scope", "access_denied"])("such as %s, keeps nobody else from a refresh", async (error) => {
    const { ask, others, portal } = await logInAllQuietly();
    portal.answerNext("/oauth2/token", json(400, { error }));
    expect((await ask()).status).toBe(503);
    expect((await ask(others[0])).status).toBe(200);
  });
});

async function logInAllQuietly() {
  const world = await logIn({ log: [/token_refused/] });
  const others = [await world.another()];
  world.later(TOKEN_SECONDS);
  return { ...world, others };
}

describe("what is remembered", () => {
  const failure = new PortalAuthError("portal_failed");

  test("is nothing at first, and nothing any more after a success", () => {
    const outage = createOutage(() => 0);
    outage.check("amara");
    expect(outage.current("amara")).toBeUndefined();
    outage.remember("amara", failure);
    expect(() => outage.check("amara")).toThrow(failure);
    expect(outage.current("amara")).toBe(failure);
    outage.forget("amara");
    outage.check("amara");
    expect(outage.current("amara")).toBeUndefined();
  });

  test("can be looked at after the pause, by as many as like to: looking is not trying", () => {
    const { clock, later } = createClock();
    const outage = createOutage(clock);
    outage.remember("amara", failure);
    later(1);
    for (let time = 0; time < 3; time += 1) expect(outage.current("amara")).toBeUndefined();
    outage.check("amara");
    expect(outage.current("amara")).toBe(failure);
  });

  test("lets one through after the pause, and holds the others back until that one is done", () => {
    const { clock, later } = createClock();
    const outage = createOutage(clock);
    outage.remember("amara", failure);
    later(1);
    outage.check("amara"); // this one asks, and its answer takes a while
    expect(() => outage.check("amara")).toThrow(failure);
    later(0.9);
    expect(() => outage.check("amara")).toThrow(failure);
    later(0.1);
    outage.check("amara"); // whoever asked may have been killed
  });
});
