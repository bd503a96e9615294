import { describe, expect, test } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { RefreshCircuitBreaker } from "../../lib/refresh/refresh-circuit-breaker.js";
import { html, json, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import type { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";

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
    /** The first two, one after the other; gives the answer to the second. */
    async twoFail() {
      expect((await world.ask()).status).toBe(503);
      const second = await world.ask(others[0]);
      expect(second.status).toBe(503);
      return second;
    },
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
  test("for two people is left alone for a while by a hundred requests of five", async () => {
    const { hundred, provider, refreshes, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await twoFail();
    expect(await hundred()).toEqual({ 503: 100 });
    expect(refreshes()).toHaveLength(2);
  });

  test("gets one request after the pause, though a hundred would like to", async () => {
    const { hundred, later, provider, refreshes, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await twoFail();
    later(1);
    expect(await hundred()).toEqual({ 503: 100 });
    expect(refreshes()).toHaveLength(3);
  });

  test.each([
    ["one person, but twice a minute at least", 1, [0, 1, 3, 7, 15, 31, 61, 91]],
    ["all together, but every 35 seconds at least", 5, [0, 0, 1, 3, 7, 20, 41, 76]],
  ])("is asked more and more seldom by %s", async (_whom, count, expected) => {
    const { ask, everybody, later, provider, refreshes } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), MANY);
    const askedAt: number[] = [];
    for (let second = 0; second <= 100; second += 1) {
      for (const person of everybody.slice(0, count)) {
        const before = refreshes().length;
        await ask(person);
        if (refreshes().length > before) askedAt.push(second);
      }
      later(1);
    }
    expect(askedAt).toEqual(expected);
  });

  test("is trusted again after one success: everybody else refreshes at once, and the next pause is short", async () => {
    const { ask, others, hundred, later, provider, refreshes, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), 3);
    await twoFail();
    later(1);
    expect((await ask(others[1])).status).toBe(503);
    later(2);
    expect((await ask(others[2])).status).toBe(200);
    expect(await hundred()).toEqual({ 200: 100 });
    expect(refreshes()).toHaveLength(3 + 5);
    later(TOKEN_SECONDS);
    provider.answerNext("/oauth2/token", html(500), 2);
    await twoFail();
    later(1);
    expect((await ask(others[3])).status).toBe(200);
    expect((await ask()).status).toBe(200);
  });

  test("is back when it refuses one refresh token: that is an answer", async () => {
    const { ask, others, later, provider, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), 2);
    await twoFail();
    later(1);
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    expect((await ask(others[1])).status).toBe(401);
    expect((await ask(others[2])).status).toBe(200);
    expect((await ask()).status).toBe(200);
  });

  test("says the same to everybody while it is left alone", async () => {
    const { ask, others, provider, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), 2);
    const first = await twoFail();
    expect(first).toEqual({ status: 503, code: "portal_failed", retryAfter: "5" });
    expect(await ask(others[1])).toEqual(first);
  });

  test("costs the store no write while it is left alone", async () => {
    const { hundred, provider, store, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await twoFail();
    await hundred(); // which also writes, once a minute, that these people are still here
    store.calls();
    expect(await hundred()).toEqual({ 503: 100 });
    expect(new Set(store.calls())).toEqual(new Set(["readEntry", "read"]));
  });

  test("keeps nobody from tokens that another process has brought", async () => {
    const { inRequest, others, store, provider, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await twoFail();
    const given = inRequest(async (req) => {
      await store.changeLogin(req.session.portal?.login_id, ({ tokens: old, ...record }) => {
        const tokens = {
          ...old,
          access_token: "brought",
          expires_at: Number(old.expires_at) + TOKEN_SECONDS,
        };
        return { ...record, tokens, version: record.version + 1 };
      });
      return req.portal.accessToken();
    }, others[1]);
    expect(await given).toBe("brought");
  });

  test("keeps nobody from a token that is still good", async () => {
    const { ask, another, provider, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), 2);
    await twoFail();
    const newcomer = await another();
    expect((await ask(newcomer)).status).toBe(200);
  });
});

describe("one person for whom the portal always fails", () => {
  test("keeps nobody else from a refresh, however often they try", async () => {
    const { ask, others, later, provider, refreshes } = await logInAll();
    for (let time = 0; time < 5; time += 1) {
      provider.answerNext("/oauth2/token", html(500));
      expect((await ask()).status).toBe(503);
      expect((await ask()).status).toBe(503); // without asking the portal
      expect(refreshes()).toHaveLength(2 * time + 1);
      expect((await ask(others[time % others.length])).status).toBe(200);
      later(TOKEN_SECONDS);
    }
  });

  test("is not the one who tries for all, where others would", async () => {
    const { ask, others, later, provider, refreshes, twoFail } = await logInAll();
    provider.answerNext("/oauth2/token", html(500), 2);
    await twoFail();
    later(1);
    expect((await ask()).status).toBe(503);
    expect(refreshes()).toHaveLength(2);
    expect((await ask(others[1])).status).toBe(200);
  });
});

describe("what is wrong with one person's refresh token, and not with the portal,", () => {
  test.each(["invalid_scope"])("such as %s, keeps nobody else from a refresh", async (error) => {
    const { ask, others, provider } = await logInAllQuietly();
    provider.answerNext("/oauth2/token", json(400, { error }));
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

  function start() {
    const { clock, later } = createClock();
    const outage = new RefreshCircuitBreaker(clock);
    const fail = (id: string) => outage.recordFailure(id, failure, "provider");
    return { outage, later, fail };
  }

  test("is nothing at first, and nothing any more after a success", () => {
    const { outage, fail } = start();
    outage.beginAttempt("amara");
    expect(outage.getFailure("amara")).toBeUndefined();
    fail("amara");
    expect(() => outage.beginAttempt("amara")).toThrow(failure);
    expect(outage.getFailure("amara")).toBe(failure);
    outage.recordProviderSuccess();
    outage.recordSessionSuccess("amara");
    outage.beginAttempt("amara");
    expect(outage.getFailure("amara")).toBeUndefined();
  });

  test("can be looked at after the pause, by as many as like to: looking is not trying", () => {
    const { outage, fail, later } = start();
    fail("amara");
    later(1);
    for (let time = 0; time < 3; time += 1) expect(outage.getFailure("amara")).toBeUndefined();
    outage.beginAttempt("amara");
    expect(outage.getFailure("amara")).toBe(failure);
  });

  test("lets one through after the pause, and holds the others back until that one is done", () => {
    const { outage, fail, later } = start();
    fail("amara");
    fail("jonas");
    later(1);
    outage.beginAttempt("mei"); // this one asks, and its answer takes a while
    expect(() => outage.beginAttempt("ravi")).toThrow(failure);
    later(20);
    expect(() => outage.beginAttempt("ravi")).toThrow(failure);
    outage.recordProviderSuccess();
    outage.beginAttempt("ravi");
  });

  test("is a failure of the portal only when two have failed with no success between", () => {
    const { outage, fail } = start();
    for (const id of ["amara", "jonas", "mei"]) {
      fail(id);
      outage.recordProviderSuccess();
    }
    expect(outage.getFailure("ravi")).toBeUndefined();
    fail("amara");
    fail("amara");
    expect(outage.getFailure("ravi")).toBeUndefined();
    fail("jonas");
    expect(outage.getFailure("ravi")).toBe(failure);
  });

  test("is no failure of the portal when it speaks of one person's tokens", () => {
    const { outage } = start();
    for (const id of ["amara", "jonas", "mei"]) outage.recordFailure(id, failure, "session");
    expect(outage.getFailure("ravi")).toBeUndefined();
  });

  test("is that one person's still when the portal is back, if it was never the portal's", () => {
    const { outage, fail } = start();
    outage.recordFailure("amara", failure, "session");
    fail("jonas");
    fail("mei");
    outage.recordProviderSuccess();
    expect([outage.getFailure("amara"), outage.getFailure("jonas")]).toEqual([failure, undefined]);
  });

  test("grows with each try of a portal that hangs: nobody else tries until the one who does has come to an end", () => {
    const { outage, fail, later } = start();
    fail("a");
    fail("b");
    const trials: { id: string; endsIn: number }[] = [];
    let asked = 0;
    for (let second = 0; second < 600; second += 1) {
      later(1);
      for (const trial of trials) trial.endsIn -= 1;
      while (trials[0]?.endsIn === 0) fail(trials.shift()?.id ?? "");
      const id = `person ${second}`;
      if (outage.getFailure(id)) continue;
      outage.beginAttempt(id);
      asked += 1;
      trials.push({ id, endsIn: 10 });
    }
    expect(trials.length).toBeLessThanOrEqual(1);
    expect(asked).toBeLessThanOrEqual(20);
  });

  test("waits for who tries for all no longer than a minute, and not at all when that says nothing of the portal", () => {
    const { outage, fail, later } = start();
    fail("a");
    fail("b");
    later(1);
    outage.beginAttempt("c"); // and is never heard of again
    later(59.9);
    expect(outage.getFailure("d")).toBe(failure);
    later(0.1);
    outage.beginAttempt("d");
    outage.recordFailure("d", failure, "session");
    expect(outage.getFailure("e")).toBeUndefined();
  });

  test("lasts no longer because the clock is set back", () => {
    const { outage, fail, later } = start();
    fail("a");
    fail("b");
    later(-3600);
    expect([outage.getFailure("a"), outage.getFailure("c")]).toEqual([undefined, undefined]);
  });

  test("makes the pause no longer for many who were under way when the portal went down", () => {
    const { outage, fail, later } = start();
    for (const id of ["a", "b", "c", "d", "e", "f"]) fail(id);
    later(1);
    outage.beginAttempt("g");
  });
});
