import { describe, expect, test } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { RefreshCircuitBreaker } from "../../lib/refresh/refresh-circuit-breaker.js";
import { html, json, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import type { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";

const MANY = 10_000;

/** Signs five users in. Their access tokens have expired. */
async function signInFive() {
  const world = await logIn({ log: [/portal_failed|refresh_refused/] });
  const others: Browser[] = [];
  while (others.length < 4) others.push(await world.another());
  const users = [world.browser, ...others];
  world.later(TOKEN_SECONDS);
  return {
    ...world,
    others,
    users,
    /** Lets the first two users fail, one after the other. Returns the response to the second one. */
    async failTwice() {
      expect((await world.ask()).status).toBe(503);
      const second = await world.ask(others[0]);
      expect(second.status).toBe(503);
      return second;
    },
    /** Sends a hundred requests at once, of all users. Returns the number of responses with each status. */
    async sendHundred() {
      const responses = Array.from({ length: 100 }, (_, n) => world.ask(users[n % users.length]));
      const statuses = (await Promise.all(responses)).map(({ status }) => status);
      return Object.fromEntries(
        [...new Set(statuses)].map((status) => [status, statuses.filter((s) => s === status).length]),
      );
    },
  };
}

describe("a provider that fails to refresh", () => {
  test("for two users gets no further request during the pause", async () => {
    const { sendHundred, provider, refreshes, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await failTwice();
    expect(await sendHundred()).toEqual({ 503: 100 });
    expect(refreshes()).toHaveLength(2);
  });

  test("gets one request after the pause, even if a hundred need a refresh", async () => {
    const { sendHundred, later, provider, refreshes, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await failTwice();
    later(1);
    expect(await sendHundred()).toEqual({ 503: 100 });
    expect(refreshes()).toHaveLength(3);
  });

  test.each([
    ["one user, but at least twice a minute", 1, [0, 1, 3, 7, 15, 31, 61, 91]],
    ["all users, but at least every 35 seconds", 5, [0, 0, 1, 3, 7, 20, 41, 76]],
  ])("gets requests with growing pauses from %s", async (_users, count, expected) => {
    const { ask, users, later, provider, refreshes } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), MANY);
    const requestedAt: number[] = [];
    for (let second = 0; second <= 100; second += 1) {
      for (const user of users.slice(0, count)) {
        const before = refreshes().length;
        await ask(user);
        if (refreshes().length > before) requestedAt.push(second);
      }
      later(1);
    }
    expect(requestedAt).toEqual(expected);
  });

  test("gets requests of all users after one success, and the next pause is short", async () => {
    const { ask, others, sendHundred, later, provider, refreshes, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), 3);
    await failTwice();
    later(1);
    expect((await ask(others[1])).status).toBe(503);
    later(2);
    expect((await ask(others[2])).status).toBe(200);
    expect(await sendHundred()).toEqual({ 200: 100 });
    expect(refreshes()).toHaveLength(3 + 5);
    later(TOKEN_SECONDS);
    provider.answerNext("/oauth2/token", html(500), 2);
    await failTwice();
    later(1);
    expect((await ask(others[3])).status).toBe(200);
    expect((await ask()).status).toBe(200);
  });

  test("counts as available when it refuses a refresh token", async () => {
    const { ask, others, later, provider, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), 2);
    await failTwice();
    later(1);
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    expect((await ask(others[1])).status).toBe(401);
    expect((await ask(others[2])).status).toBe(200);
    expect((await ask()).status).toBe(200);
  });

  test("causes the same response for all users during the pause", async () => {
    const { ask, others, provider, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), 2);
    const first = await failTwice();
    expect(first).toEqual({ status: 503, code: "portal_failed", retryAfter: "5" });
    expect(await ask(others[1])).toEqual(first);
  });

  test("causes no write of the store during the pause", async () => {
    const { sendHundred, provider, store, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await failTwice();
    await sendHundred(); // These requests also extend the sessions, once a minute.
    store.calls();
    expect(await sendHundred()).toEqual({ 503: 100 });
    expect(new Set(store.calls())).toEqual(new Set(["readEntry", "read"]));
  });

  test("does not block tokens that another process has saved", async () => {
    const { inRequest, others, store, provider, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), MANY);
    await failTwice();
    const token = inRequest(async (req) => {
      await store.changeLogin(req.session.portal?.login_id, ({ tokens: old, ...record }) => {
        const tokens = {
          ...old,
          access_token: "saved",
          expires_at: Number(old.expires_at) + TOKEN_SECONDS,
        };
        return { ...record, tokens, version: record.version + 1 };
      });
      return req.portal.accessToken();
    }, others[1]);
    expect(await token).toBe("saved");
  });

  test("does not block an access token that is valid", async () => {
    const { ask, another, provider, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), 2);
    await failTwice();
    const newUser = await another();
    expect((await ask(newUser)).status).toBe(200);
  });
});

describe("one user for whom the provider always fails", () => {
  test("does not block the refreshes of other users", async () => {
    const { ask, others, later, provider, refreshes } = await signInFive();
    for (let time = 0; time < 5; time += 1) {
      provider.answerNext("/oauth2/token", html(500));
      expect((await ask()).status).toBe(503);
      expect((await ask()).status).toBe(503); // The provider gets no request.
      expect(refreshes()).toHaveLength(2 * time + 1);
      expect((await ask(others[time % others.length])).status).toBe(200);
      later(TOKEN_SECONDS);
    }
  });

  test("does not make the trial if another user can", async () => {
    const { ask, others, later, provider, refreshes, failTwice } = await signInFive();
    provider.answerNext("/oauth2/token", html(500), 2);
    await failTwice();
    later(1);
    expect((await ask()).status).toBe(503);
    expect(refreshes()).toHaveLength(2);
    expect((await ask(others[1])).status).toBe(200);
  });
});

describe("a failure of one refresh token", () => {
  test.each(["invalid_scope"])("with %s does not block the refreshes of other users", async (error) => {
    const { ask, others, provider } = await signInTwo();
    provider.answerNext("/oauth2/token", json(400, { error }));
    expect((await ask()).status).toBe(503);
    expect((await ask(others[0])).status).toBe(200);
  });
});

async function signInTwo() {
  const world = await logIn({ log: [/token_refused/] });
  const others = [await world.another()];
  world.later(TOKEN_SECONDS);
  return { ...world, others };
}

describe("the circuit breaker", () => {
  const failure = new PortalAuthError("portal_failed");

  function start() {
    const { clock, later } = createClock();
    const circuitBreaker = new RefreshCircuitBreaker(clock);
    const fail = (id: string) => circuitBreaker.recordFailure(id, failure, "provider");
    return { circuitBreaker, later, fail };
  }

  test("has no failure at first and after a success", () => {
    const { circuitBreaker, fail } = start();
    circuitBreaker.beginAttempt("amara");
    expect(circuitBreaker.getFailure("amara")).toBeUndefined();
    fail("amara");
    expect(() => circuitBreaker.beginAttempt("amara")).toThrow(failure);
    expect(circuitBreaker.getFailure("amara")).toBe(failure);
    circuitBreaker.recordProviderSuccess();
    circuitBreaker.recordSessionSuccess("amara");
    circuitBreaker.beginAttempt("amara");
    expect(circuitBreaker.getFailure("amara")).toBeUndefined();
  });

  test("returns no failure after the pause, until the next attempt begins", () => {
    const { circuitBreaker, fail, later } = start();
    fail("amara");
    later(1);
    for (let time = 0; time < 3; time += 1) expect(circuitBreaker.getFailure("amara")).toBeUndefined();
    circuitBreaker.beginAttempt("amara");
    expect(circuitBreaker.getFailure("amara")).toBe(failure);
  });

  test("allows one attempt after the pause, and others after its success", () => {
    const { circuitBreaker, fail, later } = start();
    fail("amara");
    fail("jonas");
    later(1);
    circuitBreaker.beginAttempt("mei"); // The response takes some time.
    expect(() => circuitBreaker.beginAttempt("ravi")).toThrow(failure);
    later(20);
    expect(() => circuitBreaker.beginAttempt("ravi")).toThrow(failure);
    circuitBreaker.recordProviderSuccess();
    circuitBreaker.beginAttempt("ravi");
  });

  test("stops all sessions only if two have failed without a success in between", () => {
    const { circuitBreaker, fail } = start();
    for (const id of ["amara", "jonas", "mei"]) {
      fail(id);
      circuitBreaker.recordProviderSuccess();
    }
    expect(circuitBreaker.getFailure("ravi")).toBeUndefined();
    fail("amara");
    fail("amara");
    expect(circuitBreaker.getFailure("ravi")).toBeUndefined();
    fail("jonas");
    expect(circuitBreaker.getFailure("ravi")).toBe(failure);
  });

  test("does not stop other sessions after failures of single sessions", () => {
    const { circuitBreaker } = start();
    for (const id of ["amara", "jonas", "mei"]) circuitBreaker.recordFailure(id, failure, "session");
    expect(circuitBreaker.getFailure("ravi")).toBeUndefined();
  });

  test("keeps the failure of a single session after a success of the provider", () => {
    const { circuitBreaker, fail } = start();
    circuitBreaker.recordFailure("amara", failure, "session");
    fail("jonas");
    fail("mei");
    circuitBreaker.recordProviderSuccess();
    expect([circuitBreaker.getFailure("amara"), circuitBreaker.getFailure("jonas")]).toEqual([
      failure,
      undefined,
    ]);
  });

  test("allows no other attempt during a trial that takes 10 s, and pauses grow", () => {
    const { circuitBreaker, fail, later } = start();
    fail("a");
    fail("b");
    const trials: { id: string; endsIn: number }[] = [];
    let attempts = 0;
    for (let second = 0; second < 600; second += 1) {
      later(1);
      for (const trial of trials) trial.endsIn -= 1;
      while (trials[0]?.endsIn === 0) fail(trials.shift()?.id ?? "");
      const id = `user ${second}`;
      if (circuitBreaker.getFailure(id)) continue;
      circuitBreaker.beginAttempt(id);
      attempts += 1;
      trials.push({ id, endsIn: 10 });
    }
    expect(trials.length).toBeLessThanOrEqual(1);
    expect(attempts).toBeLessThanOrEqual(20);
  });

  test("waits a minute for a trial, and not after a trial whose failure concerns its session alone", () => {
    const { circuitBreaker, fail, later } = start();
    fail("a");
    fail("b");
    later(1);
    circuitBreaker.beginAttempt("c"); // This trial has no outcome.
    later(59.9);
    expect(circuitBreaker.getFailure("d")).toBe(failure);
    later(0.1);
    circuitBreaker.beginAttempt("d");
    circuitBreaker.recordFailure("d", failure, "session");
    expect(circuitBreaker.getFailure("e")).toBeUndefined();
  });

  test("does not extend a pause if the clock is set back", () => {
    const { circuitBreaker, fail, later } = start();
    fail("a");
    fail("b");
    later(-3600);
    expect([circuitBreaker.getFailure("a"), circuitBreaker.getFailure("c")]).toEqual([undefined, undefined]);
  });

  test("counts concurrent failures as one", () => {
    const { circuitBreaker, fail, later } = start();
    for (const id of ["a", "b", "c", "d", "e", "f"]) fail(id);
    later(1);
    circuitBreaker.beginAttempt("g");
  });
});
