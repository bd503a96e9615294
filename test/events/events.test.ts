import { channel } from "node:diagnostics_channel";
import { Writable } from "node:stream";
import pino from "pino";
import { describe, expect, test, vi } from "vitest";
import { createEventEmitter, EVENT_NAMES, getChannelName } from "../../lib/events/event-emitter.js";
import { PortalAuthError, requireAuth } from "../../lib/index.js";
import { holdNext, json, logIn, TOKEN_SECONDS } from "../access/signed-in-request.js";
import { listenToEvents } from "../support/events.js";
import { CLIENT_ID, secretsOf, startWorld } from "../support/world.js";

const areConsecutive = (steps: readonly { from: number; took: number }[]): boolean =>
  steps.every(({ from, took }, index) => {
    const before = steps[index - 1];
    return took >= 0 && from === (before ? before.from + before.took : 0);
  });

test("a login emits login.started and login.finished with the same id and all steps", async () => {
  const events = listenToEvents();
  const { url, browser, provider } = await startWorld();
  await browser.visit(`${url}/account`);
  expect(events.names()).toEqual(["login.started", "login.finished"]);
  const [started] = events.of("login.started");
  const [finished] = events.of("login.finished");
  expect(started).toEqual({
    at: expect.any(Number),
    instance: "default",
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    login: finished?.login,
    silent: false,
  });
  expect(finished?.steps.map(({ step }) => step)).toEqual([
    "callback",
    "discovery",
    "state",
    "exchange",
    "checks",
    "hooks",
    "session",
  ]);
  expect(areConsecutive(finished?.steps ?? [])).toBe(true);
  const { took = 0, since_started = 0 } = finished ?? {};
  expect(took).toBeLessThanOrEqual(since_started + 1);
});

test.each([
  ["a user who denies", { code: "login_denied", status: 403 }, ["callback", "discovery", "state"]],
  ["a rejected code", { code: "code_refused", status: 400 }, ["callback", "discovery", "state", "exchange"]],
  [
    "an invalid ID token",
    { code: "id_token_invalid", status: 400 },
    ["callback", "discovery", "state", "exchange", "checks"],
  ],
  [
    "a hook that rejects",
    { code: "login_refused", status: 403 },
    ["callback", "discovery", "state", "exchange", "checks", "hooks"],
  ],
])("a failed login emits the steps until the failure: %s", async (cause, failure, steps) => {
  const { url, browser, provider, asked } = await startWorld({
    log: [/code_refused|id_token_invalid/],
    options: {
      hooks: {
        onLogin: () => {
          if (cause.includes("hook")) throw new PortalAuthError("login_refused");
        },
      },
    },
  });
  const events = listenToEvents();
  if (cause.includes("code")) provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
  if (cause.includes("ID token")) provider.nextIdToken({ claims: { aud: "another" } });
  if (cause.includes("denies")) {
    const { headers } = await browser.navigate(`${url}/login`, { site: "same-origin" });
    const state = new URL(headers["location"] ?? "").searchParams.get("state");
    await browser.navigate(`${url}/callback?error=access_denied&state=${state}`);
  } else await browser.visit(`${url}/account`);
  if (cause.includes("hook")) await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1));
  const [failed] = events.of("login.failed");
  expect(failed).toMatchObject({ ...failure, login: events.of("login.started")[0]?.login });
  expect(failed?.steps.map(({ step }) => step)).toEqual(steps);
  expect(events.of("login.finished")).toEqual([]);
  expect(events.of("failed")).toMatchObject([
    { ...failure, request_id: expect.stringMatching(/^[0-9a-f]{12}$/) },
  ]);
});

test("a callback without a login emits login.failed without an id", async () => {
  const { url, browser } = await startWorld({ log: [/login_not_found/] });
  const events = listenToEvents();
  await browser.fetch(`${url}/callback?code=x&state=y`);
  const [failed] = events.of("login.failed");
  expect(failed).toMatchObject({ login: undefined, since_started: undefined, code: "login_not_found" });
});

test("two identical callbacks emit the events of one login", async () => {
  const { url, browser, provider } = await startWorld();
  const events = listenToEvents();
  const callback = await browser.loginUntilCallback(`${url}/account`);
  const { arrived, letGo } = holdNext(provider, "/oauth2/token");
  const first = browser.navigate(callback, { site: "cross-site" });
  await arrived;
  const second = browser.navigate(callback, { site: "cross-site" });
  letGo();
  await Promise.all([first, second]);
  expect(events.names()).toEqual(["login.started", "login.finished"]);
});

describe("a refresh", () => {
  test("emits refresh.done, and refresh.joined for each waiting request", async () => {
    const { ask, later, provider } = await logIn();
    const events = listenToEvents();
    later(301);
    const { arrived, letGo } = holdNext(provider, "/oauth2/token");
    const first = ask();
    await arrived;
    const joined = channel(getChannelName("refresh.joined"));
    const hasJoined = new Promise<unknown>((resolve) => {
      const listener = (event: unknown) => {
        joined.unsubscribe(listener);
        resolve(event);
      };
      joined.subscribe(listener);
    });
    const second = ask();
    await hasJoined;
    letGo();
    await Promise.all([first, second]);
    expect(events.names()).toEqual(["refresh.joined", "refresh.done"]);
    const [done] = events.of("refresh.done");
    expect(done).toMatchObject({ rotated: true, took: expect.any(Number) });
    expect(events.of("refresh.joined")).toMatchObject([{ refresh: done?.refresh }]);
  });

  test.each([
    [
      "permanently",
      400,
      { error: "invalid_grant" },
      { code: "refresh_refused", status: 401, ends_session: true },
    ],
    ["temporarily", 503, {}, { code: "portal_failed", status: 503, ends_session: false }],
  ])("that fails %s emits refresh.failed once", async (_kind, status, body, failure) => {
    const { ask, later, provider } = await logIn({ log: [/refresh_refused|portal_failed/] });
    const events = listenToEvents();
    later(301);
    provider.answerNext("/oauth2/token", json(status, body));
    await ask();
    expect(events.of("refresh.failed")).toMatchObject([failure]);
    expect(events.of("refresh.done")).toEqual([]);
  });
});

test("a logout emits whether there was a login and a logout at the provider", async () => {
  const { url, browser } = await logIn();
  const events = listenToEvents();
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  await browser.navigate(`${url}/logout`, { site: "same-origin" });
  expect(events.of("logout")).toMatchObject([
    { had_login: true, at_provider: true },
    { had_login: false, at_provider: true },
  ]);
});

test("the guard emits why it rejects a session", async () => {
  const { url, browser, later } = await logIn({ options: { sessionAbsolute: 600 }, session: "app" });
  const events = listenToEvents();
  await browser.fetch(`${url}/account`);
  later(601);
  await browser.fetch(`${url}/account`);
  expect(events.of("session.rejected")).toMatchObject([{ reason: "too_old" }]);
});

test("events contain no user data and no secrets", async () => {
  const events = listenToEvents();
  const { url, browser, provider, ask, later, me } = await logIn({ log: [/code_refused/] });
  later(301);
  await ask();
  provider.answerNext("/oauth2/token", json(400, { error: "invalid_grant" }));
  await browser.visit(`${url}/login`, { site: "same-origin" });
  const { claims = {} } = await me();
  const text = JSON.stringify(events.all);
  for (const secret of [...secretsOf(provider, browser.answers, url), ...provider.issued])
    expect(text).not.toContain(secret);
  expect(text).not.toContain(claims["sub"]);
  expect(events.all.length).toBeGreaterThan(4);
});

test("without subscribers no event is created", async () => {
  const createEvent = vi.fn(() => undefined);
  const emit = createEventEmitter({
    instance: "default",
    issuer: "https://portal.example",
    client_id: "app",
  });
  for (const name of EVENT_NAMES) {
    expect(channel(getChannelName(name)).hasSubscribers).toBe(false);
    emit(name, createEvent);
  }
  expect(createEvent).not.toHaveBeenCalled();
});

test("an unexpected error is emitted without its message, which can contain user data", async () => {
  const events = listenToEvents();
  const { url, browser } = await startWorld({
    log: [/unexpected/],
    after: (app) => {
      const returnTo = () => {
        throw new Error("amara@lighthouse.example has no page");
      };
      app.get("/lost", requireAuth({ returnTo }), (_req, res) => {
        res.end();
      });
    },
  });
  await browser.navigate(`${url}/lost`);
  expect(events.of("failed")).toMatchObject([{ code: "unexpected", detail: undefined }]);
  expect(JSON.stringify(events.all)).not.toContain("amara");
});

describe("a logger that fails", () => {
  const fail = () => {
    throw new Error("the disk is full");
  };
  const LOG = [/The option logger failed .*the disk is full/];

  test.each([
    ["throws", fail],
    ["rejects", () => Promise.reject(new Error("the disk is full"))],
  ])(
    "and %s does not affect logins, refreshes and error pages, and is reported once",
    async (_kind, write) => {
      const logger = { warn: write, error: write, debug: write };
      const { url, browser, log, ask, later } = await logIn({ options: { logger }, log: LOG });
      later(TOKEN_SECONDS);
      expect((await ask()).status).toBe(200);
      const page = await browser.navigate(`${url}/callback?code=x`);
      expect([page.status, page.body.includes("callback_invalid")]).toEqual([400, true]);
      await vi.waitFor(() => expect(log.filter((line) => LOG[0]?.test(line))).toHaveLength(1));
    },
  );
});

describe("the option logger", () => {
  function collect(level: string) {
    const lines: Record<string, unknown>[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    return { lines, logger: pino({ level }, stream) };
  }

  test("gets each failure as one line with its code, and the console gets nothing", async () => {
    const { lines, logger } = collect("info");
    const { url, browser, log } = await startWorld({ options: { logger } });
    await browser.fetch(`${url}/callback?code=x&state=y`);
    expect(lines).toMatchObject([
      {
        level: 40,
        component: "express-portal-auth",
        code: "login_not_found",
        status: 400,
        request_id: expect.any(String),
        msg: expect.stringContaining("login_not_found (400)"),
      },
    ]);
    expect(log).toEqual([]);
  });

  test("gets the events at the level debug", async () => {
    const { lines, logger } = collect("debug");
    const { url, browser } = await startWorld({ options: { logger } });
    await browser.visit(`${url}/account`);
    expect(lines.filter(({ level }) => level === 20)).toMatchObject([
      { event: "login.started", msg: "login.started", instance: "default" },
      { event: "login.finished", msg: "login.finished" },
    ]);
  });

  test("is rejected at start-up if it is not a logger", async () => {
    await expect(startWorld({ options: { logger: {} as never } })).rejects.toThrow(
      "option logger: write a logger",
    );
  });
});
