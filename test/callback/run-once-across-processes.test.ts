import express from "express";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { PortalAuthError, type PortalAuthOptions, portalAuth } from "../../lib/index.js";
import { holdNext, json } from "../access/signed-in-request.js";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { type Answer, Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { listenToEvents } from "../support/events.js";
import { type Fleet, startFleet } from "../support/fleet.js";
import { serve } from "../support/serve.js";
import { describeWithRedis } from "../support/servers/describe.js";
import { noRedis, startRedis } from "../support/servers/redis.mjs";
import { observedStore } from "../support/stored-sessions.js";
import { getClientOptions, startWorld } from "../support/world.js";

// A double click sends the same callback twice, and a load balancer may choose another process for each.

const WAIT_MS = 30_000;

const sessionCookieOf = ({ headers }: Answer): string | undefined =>
  headers["set-cookie"]?.find((line) => /^(portal-session|connect\.sid)=/.test(line))?.split(";")[0];

const toCookieHeader = async (browser: Browser, url: string): Promise<string> =>
  [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");

/**
 * Starts a login. click() sends its callback with the cookies that the browser had before the first response.
 */
async function startLogin(browser: Browser, url: string) {
  const callback = await browser.loginUntilCallback(`${url}/account`);
  const cookie = await toCookieHeader(browser, url);
  return {
    callback,
    /** Sends the callback to the process at this origin. */
    click: (origin: string, query = callback.search): Promise<Answer> =>
      new Browser().navigate(new URL(callback.pathname + query, origin), { headers: { cookie } }),
  };
}

/** Two routers of one application that share only a store, as two processes do. */
async function startTwo(more: PortalAuthOptions = {}, log: RegExp[] = []) {
  const { clock, later } = createClock();
  const store = observedStore(clock);
  const world = await startWorld({ options: { clock, store, ...more }, log });
  const { url, provider, browser, asked } = world;
  const client = getClientOptions({ provider, url });
  const second = portalAuth({ ...client, profile: "tencent-ciam", clock, store, ...more });
  const app = express().use(second);
  app.get("/test/me", (req, res) => void res.json(req.portal.isAuthenticated));
  const other = await serve(app);
  return {
    ...world,
    ...(await startLogin(browser, url)),
    other,
    store,
    later,
    countCodesSent: () => asked("/oauth2/token").length,
    isSignedIn: async (origin: string, cookie: string | undefined) =>
      JSON.parse(
        (await new Browser().fetch(`${origin}/test/me`, { headers: { cookie: cookie ?? "" } })).body,
      ),
  };
}

describe("two processes that get the same callback", () => {
  test("send the code once, and respond with the same session", async () => {
    const events = listenToEvents();
    const { url, other, click, countCodesSent, isSignedIn } = await startTwo();
    const answers = await Promise.all([click(url), click(other)]);
    expect(answers.map(({ status, headers }) => [status, headers.location])).toEqual(
      Array(2).fill([303, "/account"]),
    );
    expect(countCodesSent()).toBe(1);
    const [session, second] = answers.map(sessionCookieOf);
    expect(session).toBeDefined();
    expect(second).toBe(session);
    expect(await isSignedIn(other, session)).toBe(true);
    expect(events.names()).toEqual(["login.started", "login.finished"]);
  });

  test("store only a hash of a very long code", async () => {
    const { url, click, callback, store, provider } = await startTwo({}, [/code_refused|refused/]);
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    const query = new URLSearchParams(callback.search);
    query.set("code", "c".repeat(8000));
    await click(url, `?${query}`);
    const [key = ""] = await store.keys("a:");
    expect((await store.read(key))?.text.length).toBeLessThan(700);
  });

  test("share the outcome if one gets the callback nine seconds after the other's response", async () => {
    const { url, other, click, later, provider } = await startTwo();
    const held = holdNext(provider, "/oauth2/token");
    const first = click(url);
    await held.arrived;
    later(9);
    held.letGo();
    const session = sessionCookieOf(await first);
    later(9);
    expect(session).toBeDefined();
    expect(sessionCookieOf(await click(other))).toBe(session);
  });

  test("report the same failure, each with an id that is in its log, and emit one event", async () => {
    const events = listenToEvents();
    const { url, other, click, provider, log } = await startTwo({}, [/code_refused/]);
    provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
    const answers = await Promise.all([click(url), click(other)]);
    for (const { status, body } of answers) {
      expect(status).toBe(400);
      const [, id = "none"] = /code_refused · request ([0-9a-f]{12})/.exec(body) ?? [];
      expect(log.filter((line) => line.includes(`request ${id}`))).toHaveLength(1);
    }
    expect(events.of("login.failed")).toHaveLength(1);
  });

  test("both show the message of a hook that rejects the user", async () => {
    const onLogin = vi.fn(() => {
      throw new PortalAuthError("login_refused", { sentence: "Members only." });
    });
    const { url, other, click } = await startTwo({ hooks: { onLogin } });
    const answers = await Promise.all([click(url), click(other)]);
    expect(answers.map(({ status, body }) => [status, body.includes("Members only.")])).toEqual(
      Array(2).fill([403, true]),
    );
    expect(onLogin).toHaveBeenCalledOnce();
  });

  test("reject a second code for the same state, and do not send it", async () => {
    const { url, other, click, callback, countCodesSent } = await startTwo({}, [/login_state_reused/]);
    await click(url);
    callback.searchParams.set("code", "another-code-for-the-same-state");
    const answer = await click(other, callback.search);
    expect([answer.status, answer.body.includes("login_state_reused")]).toEqual([400, true]);
    expect([sessionCookieOf(answer), countCodesSent()]).toEqual([undefined, 1]);
  });
});

test("ten seconds later, a copied login cookie gets no session", async () => {
  const { url, other, click, countCodesSent, later } = await startTwo();
  await click(url);
  later(10);
  const late = await click(other);
  expect([late.status, late.headers.location, sessionCookieOf(late)]).toEqual([303, "/account", undefined]);
  expect(countCodesSent()).toBe(1);
});

test("the login fails with 503 if the store fails before the claim, and can be finished later", async () => {
  const events = listenToEvents();
  const { url, other, click, countCodesSent, store, log } = await startTwo({}, [/session_store_failed/]);
  store.fail("create");
  const answers = await Promise.all([click(url), click(url)]);
  expect(answers.map(({ status, headers }) => [status, headers["retry-after"]])).toEqual(
    Array(2).fill([503, "5"]),
  );
  expect(countCodesSent()).toBe(0);
  const lines = log.filter((line) => line.includes("session_store_failed"));
  expect(lines).toEqual([expect.stringContaining("[begin: Error: the store is unreachable]")]);
  expect(events.of("login.failed")).toMatchObject([{ code: "session_store_failed" }]);
  store.recover();
  expect((await click(other)).status).toBe(303);
  expect(countCodesSent()).toBe(1);
});

test("the login succeeds if the outcome cannot be saved", async () => {
  const { url, click, store, isSignedIn } = await startTwo();
  store.fail("replace");
  const answer = await click(url);
  expect(answer.status).toBe(303);
  expect(await isSignedIn(url, sessionCookieOf(answer))).toEqual(
    expect.objectContaining({ isAuthenticated: true }),
  );
});

test("a callback is rejected if another process does not finish its login within 30 s", async () => {
  const { url, other, click, provider, store } = await startTwo({}, [/login_expired.*does not finish it/]);
  const { arrived, letGo } = holdNext(provider, "/oauth2/token");
  const first = click(url);
  await arrived;
  store.calls();
  const second = click(other);
  await vi.waitFor(() => expect(store.calls()).toContain("read"));
  const now = performance.now.bind(performance);
  vi.spyOn(performance, "now").mockImplementation(() => now() + WAIT_MS);
  const answer = await second;
  expect([answer.status, answer.body.includes("login_expired")]).toEqual([400, true]);
  expect(answer.body).toContain('href="/login?returnTo=%2Faccount"');
  letGo();
  expect((await first).status).toBe(303);
});

test("a copy of another attempt's outcome is rejected with login_expired", async () => {
  const { url, other, click, browser, store } = await startTwo({}, [/login_expired/]);
  const victim = new Browser();
  await victim.visit(`${url}/account`);
  const [of = ""] = await store.keys("a:");
  const claimed = await store.read(of);
  await click(url);
  const own = (await store.keys("a:")).find((key) => key !== of) ?? "";
  expect(await store.replace(own, 2, claimed?.text ?? "")).toBe(true);
  const answer = await click(other);
  expect([answer.status, sessionCookieOf(answer)]).toEqual([400, undefined]);
  expect((await browser.fetch(`${url}/test/me`)).body).toContain('"isAuthenticated":false');
});

test.each(["", "{}", "not a claim"])(
  "a callback whose claim was replaced by %j is rejected with login_expired",
  async (text) => {
    const { url, other, click, store } = await startTwo({}, [/login_expired/]);
    await click(url);
    const [key = ""] = await store.keys("a:");
    expect(await store.replace(key, 2, text)).toBe(true);
    expect((await click(other)).status).toBe(400);
  },
);

test("the store contains neither code nor state nor session id of an attempt in clear text", async () => {
  const { url, click, callback, store } = await startTwo();
  const session = decodeURIComponent(sessionCookieOf(await click(url)) ?? "").replace(
    /^portal-session=s:|\..+$/g,
    "",
  );
  const [key = ""] = await store.keys("a:");
  const { text = "" } = (await store.read(key)) ?? {};
  for (const secret of [
    callback.searchParams.get("code") ?? "",
    callback.searchParams.get("state") ?? "",
    session,
  ]) {
    expect(secret.length).toBeGreaterThan(8);
    expect(key + text).not.toContain(secret);
  }
});

const countCodesSentBy = (fleet: Fleet<2>): number => fleet.asked("/oauth2/token").length;

describeWithRedis("processes with one Redis", (redis) => {
  const start = (session?: AppSession["kind"]) =>
    startFleet(2, {
      options: { store: redis().url },
      session: session && { kind: session, url: redis().url },
    });

  test.each<[string, AppSession["kind"] | undefined]>([
    ["our session", undefined],
    ["an application's session in a store of its own", "connect-redis"],
    ["an application's session in a store of ours", "createStore"],
  ])("send the code once, and respond with the same session, for %s", async (_name, session) => {
    const fleet = await start(session);
    const [one, other] = fleet.apps;
    for (let round = 1; round <= 5; round += 1) {
      const { click } = await startLogin(new Browser(), fleet.url);
      const answers = await Promise.all([one, other, one, other].map((app) => click(app.url)));
      expect(answers.map(({ status }) => status)).toEqual(Array(4).fill(303));
      expect(countCodesSentBy(fleet)).toBe(round);
      expect(new Set(answers.map(sessionCookieOf)).size).toBe(1);
      expect(await isSignedIn(other, sessionCookieOf(answers[0] as Answer))).toBe(true);
    }
  });

  test("wait for one that is paused, and respond with its session", async () => {
    const fleet = await start();
    const [one, other] = fleet.apps;
    const { click } = await startLogin(fleet.browser, fleet.url);
    const held = holdNext(fleet.provider, "/oauth2/token");
    const first = click(one.url);
    await held.arrived;
    one.kill("SIGSTOP");
    held.letGo();
    const second = click(other.url);
    await fleet.me(other); // This request completes while the callback still waits.
    one.kill("SIGCONT");
    const sessions = (await Promise.all([first, second])).map(sessionCookieOf);
    expect(sessions[0]).toBeDefined();
    expect(sessions[1]).toBe(sessions[0]);
  });

  test("reject the callback if one was killed with the code, and do not send it again", {
    timeout: 2 * WAIT_MS,
  }, async () => {
    const fleet = await start();
    const [one, other] = fleet.apps;
    const { click } = await startLogin(fleet.browser, fleet.url);
    const asked = new Promise<void>((resolve) => {
      fleet.provider.answerNext("/oauth2/token", () => resolve()); // and never answers
    });
    const first = expect(click(one.url)).rejects.toThrow("socket hang up");
    await asked;
    await one.stop();
    await first;
    const answer = await click(other.url);
    expect([answer.status, answer.body.includes("login_expired")]).toEqual([400, true]);
    expect(countCodesSentBy(fleet)).toBe(1);
    const next = await startLogin(new Browser(), other.url);
    expect(await isSignedIn(other, sessionCookieOf(await next.click(other.url)))).toBe(true);
  });
});

test.skipIf(noRedis)("a callback gets 503 if Redis is down, and the code is not sent", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const fleet = await startFleet(1, { options: { store: redis.url } });
  const { click } = await startLogin(fleet.browser, fleet.url);
  await redis.kill();
  expect((await click(fleet.url)).status).toBe(503);
  expect(fleet.asked("/oauth2/token")).toEqual([]);
});

const isSignedIn = async (app: AppProcess, cookie: string | undefined): Promise<boolean> => {
  const { body } = await new Browser().fetch(`${app.url}/test/me`, { headers: { cookie: cookie ?? "" } });
  return JSON.parse(body).isAuthenticated;
};
