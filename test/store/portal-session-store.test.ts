import type { Request } from "express";
import type { SessionData } from "express-session";
import express4 from "express4";
import request from "supertest";
import { describe, expect, test, vi } from "vitest";
import { addNewRecord, getEntryKey, getLoadedEntry } from "../../lib/store/loaded-entry.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../lib/store/portal-session-store.js";
import { fake, fakeTimeouts } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";
import { type AppOptions, called, keysOf, put, startSessionApp } from "./session-app.js";

const MINUTE = 60_000;

const save = (req: Request) => called((done) => req.session.save(done));
const destroy = (req: Request) => called((done) => req.session.destroy(done));
const regenerate = (req: Request) => called((done) => req.session.regenerate(done));
const reload = (req: Request) => called((done) => req.session.reload(done));

const cookieLine = ({ headers }: { headers: Record<string, unknown> }) => String(headers["set-cookie"] ?? "");

/** An application whose browser has a session with these keys. */
async function startWith(keys: object, options: AppOptions = {}) {
  const app = startSessionApp(options);
  await app.visit(put(keys));
  app.calls();
  return app;
}

const COMBINATIONS = [true, false].flatMap((resave) =>
  [true, false].flatMap((rolling) =>
    [true, false].flatMap((saveUninitialized) =>
      (["destroy", "keep"] as const).map((unset) => ({ resave, rolling, saveUninitialized, unset })),
    ),
  ),
);

describe.each(COMBINATIONS)(
  "with resave $resave, rolling $rolling, saveUninitialized $saveUninitialized, unset $unset",
  (options) => {
    test("requests at the same time lose nothing that they do to different keys", async () => {
      const { beginVisit, stored } = await startWith({ old: 1, kept: 1 }, options);
      const adds = await beginVisit(put({ left: 1 }));
      const removes = await beginVisit((req) => void delete keysOf(req)["old"]);
      const reads = await beginVisit();
      await (await beginVisit(put({ right: 1 }))).finish();
      for (const { finish } of [adds, removes, reads]) await finish();
      expect(await stored()).toEqual({ kept: 1, left: 1, right: 1 });
    });

    test("a slow request does not bring a destroyed session back, whether or not it changes it", async () => {
      const { beginVisit, visit, store, browser } = await startWith({ userId: 7 }, options);
      const changes = await beginVisit(put({ late: 1 }));
      const saves = await beginVisit(save);
      const reads = await beginVisit();
      let id = "";
      await visit((req) => {
        id = req.sessionID;
        return destroy(req);
      });
      for (const { finish } of [changes, saves, reads]) expect((await finish()).status).toBe(200);
      expect(await called((done) => store.get(id, done))).toBeNull();
      expect((await visit((req) => ({ id: req.sessionID }), browser)).body).not.toEqual({ id });
    });

    test("a new session is stored if it has a key, or with saveUninitialized", async () => {
      const { calls, visit } = startSessionApp(options);
      const answer = await visit();
      expect(calls()).toEqual(options.saveUninitialized ? ["createEntry"] : []);
      expect(cookieLine(answer) !== "").toBe(options.saveUninitialized);
    });

    test("a session that is only read is not written", async () => {
      const { calls, visit, stored } = await startWith({ userId: 7 }, options);
      await visit();
      expect(calls()).toEqual(["readEntry"]);
      expect(await stored()).toEqual({ userId: 7 });
    });

    test("req.session = null ends the session with unset: destroy, and else leaves it", async () => {
      const { visit, stored } = await startWith({ userId: 7 }, options);
      await visit((req) => void Object.assign(req, { session: null }));
      expect(await stored()).toEqual(options.unset === "destroy" ? {} : { userId: 7 });
    });

    test("a regenerated session has another id, and the old one is gone", async () => {
      const { visit, stored, store } = await startWith({ userId: 7 }, options);
      let id = "";
      await visit(async (req) => {
        id = req.sessionID;
        await regenerate(req);
        Object.assign(req.session, { userId: 8 });
      });
      expect(await stored()).toEqual({ userId: 8 });
      expect(await called((done) => store.get(id, done))).toBeNull();
    });

    test("a handler that saves is followed by one write at most", async () => {
      const { visit, calls, stored } = await startWith({ userId: 7 }, options);
      await visit(async (req) => {
        Object.assign(req.session, { userId: 8 });
        await save(req);
        expect(calls()).toEqual(["readEntry", "updateEntry"]);
      });
      expect(calls()).toEqual([]);
      await visit(async (req) => {
        Object.assign(req.session, { userId: 9 });
        await save(req);
        Object.assign(req.session, { more: 1 });
      });
      expect(calls()).toEqual(["readEntry", "updateEntry", "updateEntry"]);
      expect(await stored()).toEqual({ userId: 9, more: 1 });
    });
  },
);

test("a changed session is saved by its changed keys alone", async () => {
  const { visit, argumentsOfLast } = await startWith({ same: [1], old: 1, list: [1] });
  await visit((req) => {
    (keysOf(req)["list"] as number[]).push(2);
    delete keysOf(req)["old"];
  });
  expect(argumentsOfLast("updateEntry")?.slice(1, 3)).toEqual([{ list: "[1,2]" }, ["old"]]);
});

test("Express 4 does the same", async () => {
  const { beginVisit, visit, stored } = await startWith({ kept: 1 }, { framework: express4 as never });
  const { finish } = await beginVisit(put({ left: 1 }));
  await visit(put({ right: 1 }));
  await finish();
  expect(await stored()).toEqual({ kept: 1, left: 1, right: 1 });
});

describe("values", () => {
  test("come back as JSON makes them", async () => {
    const { visit, stored } = startSessionApp();
    await visit(
      put({
        date: new Date(0),
        map: { toJSON: () => ({ size: 1 }) },
        missing: undefined,
        method: () => 1,
        nothing: null,
        text: "ü\u0000\ud800 \"'",
        "": "empty",
        7: "number",
        constructor: "not the class",
      }),
    );
    expect(await stored()).toEqual({
      date: "1970-01-01T00:00:00.000Z",
      map: { size: 1 },
      nothing: null,
      text: "ü\u0000\ud800 \"'",
      "": "empty",
      7: "number",
    });
  });

  test("that become undefined are removed", async () => {
    const { visit, stored } = await startWith({ a: 1, b: 1 });
    await visit(put({ a: undefined, b: () => 1 }));
    expect(await stored()).toEqual({});
  });

  test.each<[string, (value: Record<string, unknown>) => void]>([
    ["changed", (value) => void Object.assign(value, { deep: { list: [2] } })],
    ["removed", (value) => void delete value["deep"]],
    ["added", (value) => void Object.assign(value, { more: 1 })],
  ])("that are %s in place are saved", async (_how, change) => {
    const { visit, stored } = await startWith({ nested: { deep: { list: [1] } } });
    const expected: Record<string, unknown> = { deep: { list: [1] } };
    change(expected);
    await visit((req) => change(keysOf(req)["nested"] as Record<string, unknown>));
    expect(await stored()).toEqual({ nested: expected });
  });

  test("under the key __proto__ are not stored, and change no prototype", async () => {
    const { visit, calls, stored } = await startWith({ a: 1 });
    await visit((req) => {
      Object.defineProperty(req.session, "__proto__", { value: { admin: true }, enumerable: true });
      Object.assign(req.session, { b: JSON.parse('{"__proto__":{"admin":true}}') });
    });
    const { body } = await visit((req) => ({
      admin: keysOf(req)["admin"],
      b: JSON.stringify(keysOf(req)["b"]),
    }));
    expect(body).toEqual({ b: '{"__proto__":{"admin":true}}' });
    calls();
    await visit();
    expect(calls()).toEqual(["readEntry"]);
    expect(Object.keys(await stored())).toEqual(["a", "b"]);
  });

  test("under the key __proto__ in the store are ignored", async () => {
    const { visit, entries, calls } = await startWith({ a: 1 });
    await visit(async (req) => {
      const planted = Object.fromEntries([["__proto__", '{"admin":true}']]);
      await entries.updateEntry(getEntryKey(req.sessionID), planted, [], undefined);
    });
    calls();
    const { body } = await visit((req) => ({ admin: keysOf(req)["admin"] ?? "no" }));
    expect(body).toEqual({ admin: "no" });
    expect(calls()).toEqual(["readEntry"]);
  });

  test("that cannot be serialized reject the save", async () => {
    const { visit } = await startWith({ a: 1 });
    const { body } = await visit(async (req) => {
      const copy = { ...req.session, big: 1n };
      await called((done) => req.sessionStore.set(req.sessionID, copy as never, done));
    });
    expect(body.message).toMatch(/BigInt/);
  });
});

describe("the cookie", () => {
  const COOKIE = { path: "/", httpOnly: false, sameSite: "strict", maxAge: 10 * MINUTE } as const;

  test("has its members again in a later request", async () => {
    const { visit } = await startWith(
      { a: 1 },
      { cookie: { ...COOKIE, domain: "localhost", priority: "high" } },
    );
    const { body } = await visit((req) => ({
      cookie: req.session.cookie,
      isInstance: typeof req.session.cookie.expires?.getTime(),
      maxAge: req.session.cookie.maxAge,
    }));
    expect(body.cookie).toMatchObject({
      originalMaxAge: expect.closeTo(10 * MINUTE, -2),
      httpOnly: false,
      sameSite: "strict",
      path: "/",
    });
    expect(body.cookie).toMatchObject({ domain: "localhost", priority: "high" });
    expect(body.isInstance).toBe("number");
    expect(body.maxAge).toBeGreaterThan(9 * MINUTE);
  });

  test("has its members again after reload(), which loads what is stored", async () => {
    const { visit, beginVisit } = await startWith({ a: 1 }, { cookie: { ...COOKIE, secure: false } });
    const { finish } = await beginVisit(async (req) => {
      await reload(req);
      return { ...keysOf(req), entry: getLoadedEntry(req.session) !== undefined };
    });
    await visit(put({ b: 2 }));
    const { body } = await finish();
    expect(body).toMatchObject({ a: 1, b: 2, entry: true });
    expect(body.cookie).toMatchObject({ httpOnly: false, sameSite: "strict", path: "/", secure: false });
  });

  test("tells how long the session still lives, by the store's clock", async () => {
    const { visit, time } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    time.later(60);
    await visit();
    time.later(30);
    const { body } = await visit((req) => ({ maxAge: req.session.cookie.maxAge }));
    expect(body.maxAge / 1000).toBeCloseTo(600 - 30, -1);
  });

  test("without a life of its own ends with the browser, and the session after a day", async () => {
    const { visit, time, stored } = await startWith({ a: 1 });
    expect((await visit((req) => req.session.cookie)).body).toMatchObject({
      originalMaxAge: null,
      expires: null,
    });
    time.later(24 * 60 * 60 - 1);
    expect(await stored()).toEqual({ a: 1 });
    time.later(24 * 60 * 60);
    expect(await stored()).toEqual({});
  });

  test("with another life is stored, though the request changes nothing else", async () => {
    const { visit, calls, time, stored } = await startWith({ a: 1 }, { cookie: { maxAge: MINUTE } });
    await visit((req) => {
      req.session.cookie.maxAge = 30 * MINUTE;
    });
    expect(calls()).toEqual(["readEntry", "updateEntry"]);
    time.later(29 * 60);
    expect(await stored()).toEqual({ a: 1 });
    expect((await visit((req) => req.session.cookie)).body.originalMaxAge / MINUTE).toBeCloseTo(30, 1);
  });

  test("keeps its new life when a request saves that had loaded it before", async () => {
    const { visit, beginVisit, time, stored } = await startWith({ a: 1 }, { cookie: { maxAge: MINUTE } });
    const slow = await beginVisit(put({ b: 1 }));
    await visit((req) => {
      req.session.cookie.maxAge = 30 * MINUTE;
    });
    await slow.finish();
    expect((await visit((req) => req.session.cookie)).body.originalMaxAge / MINUTE).toBeCloseTo(30, 1);
    time.later(50);
    expect(await stored()).toEqual({ a: 1, b: 1 });
  });

  test("with a changed member is stored", async () => {
    const { visit } = await startWith({ a: 1 });
    await visit((req) => {
      req.session.cookie.sameSite = "strict";
    });
    expect((await visit((req) => req.session.cookie)).body).toMatchObject({ sameSite: "strict" });
  });

  test("that a request ends at once ends the session", async () => {
    const { visit, stored } = await startWith({ a: 1 });
    await visit((req) => {
      req.session.cookie.maxAge = 0;
    });
    expect(await stored()).toEqual({});
  });

  test("that a new session ends at once leaves nothing", async () => {
    const { visit, calls, store } = startSessionApp({ cookie: { maxAge: 0 } });
    const { body } = await visit((req) => {
      keysOf(req)["a"] = 1;
      return { id: req.sessionID };
    });
    expect(calls()).not.toContain("createEntry");
    expect(await called((done) => store.get(body.id, done))).toBeNull();
  });

  test("whose life express-session itself moves by milliseconds causes no write", async () => {
    const { visit, calls } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    await visit((req) => {
      req.session.cookie.originalMaxAge = 10 * MINUTE - 3;
    });
    expect(calls()).toEqual(["readEntry"]);
  });

  test("is set once if the store says so, and never stored anew", async () => {
    const lives = { getLifeMs: () => 10 * MINUTE, isCookieSetOnce: true };
    const app = startSessionApp({ lives, cookie: { maxAge: 60 * MINUTE } });
    expect(cookieLine(await app.visit(put({ a: 1 })))).toMatch(/Expires=/);
    app.calls();
    await app.visit();
    expect(app.calls()).toEqual(["readEntry"]);
    expect(cookieLine(await app.visit(put({ a: 2 })))).toBe("");
    expect(app.argumentsOfLast("updateEntry")?.[1]).toEqual({ a: "2" });
    expect(await app.stored()).toEqual({ a: 2 });
  });
});

describe("the end of a session", () => {
  test.each([
    ["a minute", 60 * MINUTE, 60],
    ["a tenth of the life", 5 * MINUTE, 30],
  ])("is moved if that moves it by %s, and not before", async (_step, maxAge, seconds) => {
    const { visit, calls, time } = await startWith({ a: 1 }, { cookie: { maxAge } });
    time.later(seconds - 1);
    await visit();
    expect(calls()).toEqual(["readEntry"]);
    time.later(1);
    await visit();
    expect(calls()).toEqual(["readEntry", "touch"]);
    await visit();
    expect(calls()).toEqual(["readEntry"]);
  });

  test.each([{ resave: true }, { rolling: true }, { resave: true, rolling: true }])(
    "is moved as seldom with %o",
    async (options) => {
      const { visit, calls, time } = await startWith(
        { a: 1 },
        { ...options, cookie: { maxAge: 60 * MINUTE } },
      );
      time.later(59);
      await visit();
      expect(calls()).toEqual(["readEntry"]);
      time.later(1);
      await visit();
      expect(calls()).toEqual(["readEntry", "touch"]);
    },
  );

  test("keeps a session alive that is used, and no other", async () => {
    const { stored, visit, time } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    for (let turn = 0; turn < 5; turn += 1) {
      time.later(9 * 60);
      await visit();
    }
    expect(await stored()).toEqual({ a: 1 });
    time.later(10 * 60);
    expect(await stored()).toEqual({});
  });

  test("is moved by one write for requests that end at the same moment", async () => {
    const { beginVisit, calls, time, inNext, store } = await startWith(
      { a: 1 },
      { cookie: { maxAge: 10 * MINUTE } },
    );
    time.later(120);
    const visits = await Promise.all([1, 2, 3, 4].map(() => beginVisit()));
    calls();
    const touch = vi.spyOn(store, "touch");
    const gate = createGate();
    inNext("touch", () => gate.opened);
    const answers = visits.map(({ finish }) => finish());
    await vi.waitFor(() => expect(touch).toHaveBeenCalledTimes(4));
    gate.open();
    await Promise.all(answers);
    expect(calls()).toEqual(["touch"]);
  });

  test("is where the application wants it, with a life that nothing extends", async () => {
    const app = startSessionApp({
      lives: { getLifeMs: (session) => Number(Reflect.get(session, "endsAt")) - app.time.clock() },
    });
    await app.visit(put({ endsAt: app.time.clock() + 10 * MINUTE }));
    for (let turn = 0; turn < 9; turn += 1) {
      app.time.later(60);
      await app.visit(put({ turn }));
      await app.visit();
    }
    expect(app.calls()).not.toContain("touch");
    expect(await app.stored()).toMatchObject({ turn: 8 });
    app.time.later(60);
    expect(await app.stored()).toEqual({});
  });

  test("is moved once by one request", async () => {
    const { visit, calls, time, store } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    time.later(120);
    await visit(async (req) => {
      for (let turn = 0; turn < 3; turn += 1)
        await called((done) => store.touch(req.sessionID, req.session as never, done));
    });
    expect(calls()).toEqual(["readEntry", "touch"]);
  });

  test("is moved by a request that runs for long", async () => {
    const { beginVisit, calls, store } = await startWith({ a: 1 }, { cookie: { maxAge: 60 * MINUTE } });
    fake({ toFake: ["performance"] });
    const touchAgain = async (req: Request) => {
      for (const elapsed of [MINUTE, MINUTE - 1, 1]) {
        vi.advanceTimersByTime(elapsed);
        await called((done) => store.touch(req.sessionID, req.session as never, done));
      }
    };
    await (await beginVisit(touchAgain)).finish();
    expect(calls()).toEqual(["readEntry", "touch", "touch"]);
  });

  test("is final: a request that loaded it before changes nothing", async () => {
    const { beginVisit, time, stored } = await startWith({ a: 1 }, { cookie: { maxAge: MINUTE } });
    const { finish } = await beginVisit(put({ late: 1 }));
    time.later(60);
    expect((await finish()).status).toBe(200);
    expect(await stored()).toEqual({});
  });
});

describe("saves by a handler", () => {
  test("of one session at the same time end with what it was last", async () => {
    const { visit, calls, stored, inNext } = await startWith({ a: 1 });
    await visit(async (req) => {
      const gate = createGate();
      inNext("updateEntry", () => gate.opened);
      keysOf(req)["a"] = 2;
      const first = save(req);
      keysOf(req)["a"] = 1;
      const second = save(req);
      gate.open();
      await Promise.all([first, second]);
    });
    expect(calls()).toEqual(["readEntry", "updateEntry", "updateEntry"]);
    expect(await stored()).toEqual({ a: 1 });
  });

  test("of a new session at the same time create it once", async () => {
    const { visit, calls, stored } = startSessionApp();
    await visit(async (req) => {
      keysOf(req)["a"] = 1;
      const first = save(req);
      keysOf(req)["b"] = 2;
      await Promise.all([first, save(req)]);
    });
    expect(calls()).toEqual(["createEntry", "updateEntry"]);
    expect(await stored()).toEqual({ a: 1, b: 2 });
  });

  test("that fail are made good by the next one", async () => {
    const { visit, stored, failNext } = await startWith({ a: 1, b: 1 });
    await visit(async (req) => {
      failNext("updateEntry");
      keysOf(req)["a"] = 2;
      await expect(save(req)).rejects.toMatchObject({ code: "session_store_failed", status: 503 });
      keysOf(req)["b"] = 2;
    });
    expect(await stored()).toEqual({ a: 2, b: 2 });
  });

  test("of a new session may fail: the next one creates it", async () => {
    const { visit, stored, calls, failNext } = startSessionApp();
    await visit(async (req) => {
      failNext("createEntry");
      keysOf(req)["a"] = 1;
      await expect(save(req)).rejects.toMatchObject({ code: "session_store_failed" });
      await save(req);
    });
    expect(calls()).toEqual(["createEntry", "createEntry"]);
    expect(await stored()).toEqual({ a: 1 });
  });

  test("need no callback, also if they fail", async () => {
    const { visit, failNext } = await startWith({ a: 1 });
    const { status } = await visit(async (req) => {
      failNext("updateEntry");
      keysOf(req)["a"] = 2;
      req.sessionStore.set(req.sessionID, req.session as never);
      failNext("remove");
      req.sessionStore.destroy("another");
    });
    expect(status).toBe(200);
  });
});

describe("regenerate()", () => {
  test("does not destroy a session that was never stored", async () => {
    const { visit, calls, stored } = startSessionApp();
    await visit(async (req) => {
      await regenerate(req);
      keysOf(req)["a"] = 1;
    });
    expect(calls()).toEqual(["createEntry"]);
    expect(await stored()).toEqual({ a: 1 });
  });

  test("destroys one that was loaded, or saved by this request, or whose first save has failed", async () => {
    const { app, visit, calls, failNext } = await startWith({ a: 1 });
    const regenerateOnce = async (req: Request) => {
      calls();
      await regenerate(req);
      return calls();
    };
    expect((await visit(regenerateOnce)).body).toEqual(["remove"]);
    const saveAndRegenerate = async (req: Request) => {
      keysOf(req)["a"] = 1;
      await save(req).catch(() => {});
      return regenerateOnce(req);
    };
    expect((await visit(saveAndRegenerate, request.agent(app))).body).toEqual(["remove"]);
    failNext("createEntry");
    expect((await visit(saveAndRegenerate, request.agent(app))).body).toEqual(["remove"]);
  });

  test("destroys the session of a request that has unset it", async () => {
    const { visit, calls, store } = await startWith({ a: 1 });
    const { body } = await visit(async (req) => {
      Object.assign(req, { session: null });
      await called((done) => store.regenerate(req, done));
      return { ...keysOf(req) };
    });
    expect(calls()).toEqual(["readEntry", "remove", "createEntry"]);
    expect(body).not.toHaveProperty("a");
  });

  test("reports a store that fails, and gives a new session all the same", async () => {
    const { visit, failNext } = await startWith({ a: 1 });
    const { body } = await visit(async (req) => {
      const { sessionID } = req;
      failNext("remove");
      await expect(regenerate(req)).rejects.toMatchObject({ code: "session_store_failed" });
      return { isNew: req.sessionID !== sessionID, a: keysOf(req)["a"] };
    });
    expect(body).toEqual({ isNew: true });
  });
});

describe("an application that", () => {
  test("copies its session to a new one saves a new session", async () => {
    const { visit, stored, calls } = await startWith({ a: 1 });
    await visit(async (req) => {
      const copy = { ...req.session };
      await regenerate(req);
      Object.assign(req.session, copy, { b: 1 });
    });
    expect(calls()).toEqual(["readEntry", "remove", "createEntry"]);
    expect(await stored()).toEqual({ a: 1, b: 1 });
  });

  test("copies another session into a loaded one changes the loaded one", async () => {
    const { visit, stored, calls, store } = await startWith({ a: 1 });
    const other = await startOther(store);
    calls();
    await visit(async (req) => {
      const { cookie: _, ...data } =
        (await called<SessionData>((done) => store.get(other, done as never))) ?? {};
      Object.assign(req.session, data);
    });
    expect(calls()).not.toContain("createEntry");
    expect(await stored()).toEqual({ a: 1, other: 1 });
  });

  test.each<[string, (data: object) => object]>([
    ["as it is", (data) => Object.assign(data, { b: 2 })],
    ["as a copy", (data) => ({ ...data, b: 2 })],
  ])("reads a session by its id and writes it back %s changes only that", async (_how, change) => {
    const { visit, stored, store } = await startWith({ a: 1, gone: 1 });
    await visit(async (req) => {
      const id = req.sessionID;
      const data = (await called<object>((done) => store.get(id, done as never))) as Record<string, unknown>;
      await visit(put({ c: 3 }));
      delete data["gone"];
      await called((done) => store.set(id, change(data) as never, done));
    });
    expect(await stored()).toEqual({ a: 1, b: 2, c: 3 });
  });

  test("writes back what it has read of a session that has ended changes nothing", async () => {
    const { visit, store } = await startWith({ a: 1 });
    await visit(async (req) => {
      const id = req.sessionID;
      const data = await called<object>((done) => store.get(id, done as never));
      await destroy(req);
      await called((done) => store.set(id, { ...data, b: 1 } as never, done));
      await called((done) => store.touch(id, data as never, done));
      expect(await called((done) => store.get(id, done))).toBeNull();
    });
  });

  test("writes its session under another id creates a session there, without the login", async () => {
    const { visit, store, calls, entries } = startSessionApp();
    await visit(async (req) => {
      keysOf(req)["a"] = 1;
      addNewRecord(req.session, "record 1");
      await called((done) => store.set("before", req.session as never, done));
      await save(req);
      await called((done) => store.set("after", req.session as never, done));
      keysOf(req)["a"] = 2;
    });
    expect(calls()).toEqual(["createEntry", "createEntry", "createEntry", "updateEntry"]);
    for (const id of ["before", "after"])
      expect(await entries.readEntry(getEntryKey(id))).toMatchObject({ app: { a: "1" }, record: undefined });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toMatchObject({
      text: "record 1",
    });
  });

  test.each([null, undefined])(
    "takes the cookie out of a session (%s) leaves the stored cookie",
    async (cookie) => {
      const { visit, store, stored } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
      await visit(async (req) => {
        const id = req.sessionID;
        const data = await called<object>((done) => store.get(id, done as never));
        await called((done) => store.set(id, { ...data, cookie, b: 1 } as never, done));
      });
      expect(await stored()).toEqual({ a: 1, b: 1 });
      expect((await visit((req) => req.session.cookie)).body).toMatchObject({
        originalMaxAge: expect.closeTo(10 * MINUTE, -2),
      });
    },
  );

  test("writes a session under an id of its own creates it", async () => {
    const { store } = startSessionApp();
    await startOther(store);
    expect(await called((done) => store.load("other", done))).toMatchObject({ other: 1, id: "other" });
  });

  test("logs its session shows no login record", async () => {
    const { visit } = startSessionApp();
    const { inspect } = await import("node:util");
    const { body } = await visit(async (req) => {
      addNewRecord(req.session, "the tokens");
      const before = inspect(req.session, { showHidden: true, depth: 9 });
      await save(req);
      const { req: _, ...shown } = req.session as unknown as { req: unknown };
      return {
        before: before.includes("the tokens"),
        after: inspect(shown, { showHidden: true }).includes("tokens"),
      };
    });
    expect(body).toEqual({ before: false, after: false });
  });

  async function startOther(store: PortalSessionStore): Promise<string> {
    await called((done) =>
      store.set("other", { cookie: { originalMaxAge: MINUTE }, other: 1 } as never, done),
    );
    return "other";
  }
});

describe("a login record", () => {
  const begin = (keys: object) => (req: Request) => {
    Object.assign(req.session, keys);
    addNewRecord(req.session, "record 1");
  };

  test("is created with its session, in one write, and loaded with it", async () => {
    const { visit, calls } = startSessionApp();
    const { body } = await visit(async (req) => {
      begin({ a: 1 })(req);
      await save(req);
      return getLoadedEntry(req.session)?.record;
    });
    expect(body).toEqual({ text: "record 1", version: 1 });
    expect(calls()).toEqual(["createEntry"]);
    const later = await visit((req) => ({
      ...getLoadedEntry(req.session)?.record,
      lifeMs: getLoadedEntry(req.session)?.lifeMs,
    }));
    expect(later.body).toMatchObject({ text: "record 1", version: 1 });
    expect(later.body.lifeMs).toBeGreaterThan(23 * 60 * MINUTE);
    expect(calls()).toEqual(["readEntry"]);
  });

  test("is kept for the next save if the first one fails", async () => {
    const { visit, failNext } = startSessionApp();
    await visit(async (req) => {
      failNext("createEntry");
      begin({ a: 1 })(req);
      await save(req).catch(() => {});
      expect(getLoadedEntry(req.session)).toBeUndefined();
      await save(req);
    });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toMatchObject({
      text: "record 1",
    });
  });

  test("is created also if the session was saved before", async () => {
    const { visit, stored } = startSessionApp();
    await visit(async (req) => {
      keysOf(req)["a"] = 1;
      await save(req);
      begin({ b: 1 })(req);
    });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toMatchObject({
      text: "record 1",
    });
    expect(await stored()).toEqual({ a: 1, b: 1 });
  });

  test("stays where it is, whatever is saved", async () => {
    const { visit, entries, beginVisit, stored } = startSessionApp();
    await visit(begin({ a: 1 }));
    const slow = await beginVisit(put({ a: 2 }));
    await visit(async (req) => {
      expect(await entries.replace(getEntryKey(req.sessionID), 1, "record 2")).toBe(true);
      await save(req);
      keysOf(req)["b"] = 1;
    });
    await slow.finish();
    expect(await stored()).toEqual({ a: 2, b: 1 });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toEqual({
      text: "record 2",
      version: 2,
    });
  });

  test("is written once: a second save of the request that created it leaves it as it is by then", async () => {
    const { visit, entries } = startSessionApp();
    await visit(async (req) => {
      begin({ a: 1 })(req);
      await save(req);
      await entries.replace(getEntryKey(req.sessionID), 1, "record 2");
      keysOf(req)["a"] = 2;
    });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toEqual({
      text: "record 2",
      version: 2,
    });
  });

  test("does not go along with a copy of its session", async () => {
    const { visit } = startSessionApp();
    await visit(async (req) => {
      begin({ a: 1 })(req);
      const copy = { ...req.session };
      await save(req);
      const saved = { ...req.session };
      await regenerate(req);
      Object.assign(req.session, copy, saved);
    });
    expect(
      (await visit((req) => ({ record: getLoadedEntry(req.session)?.record, a: keysOf(req)["a"] }))).body,
    ).toEqual({
      a: 1,
    });
  });
});

describe("a store that fails", () => {
  test.each<[string, "readEntry" | "updateEntry" | "touch" | "remove", (req: Request) => unknown]>([
    ["load", "readEntry", () => {}],
    [
      "save",
      "updateEntry",
      (req) => save(Object.assign(req, { session: Object.assign(req.session, { a: 2 }) })),
    ],
    ["destroy", "remove", destroy],
  ])("to %s is reported as session_store_failed", async (verb, method, work) => {
    const { visit, failNext } = await startWith({ a: 1 });
    failNext(method, new Error("redis://user:pass-word@host refused"));
    const { body } = await visit(work);
    expect(body).toMatchObject({ code: "session_store_failed" });
    expect(body.message, verb).not.toContain("pass-word");
  });

  test("to move the end of a session is reported as session_store_failed", async () => {
    const { visit, failNext, store } = await startWith({ a: 1 });
    failNext("touch");
    const { body } = await visit(async (req) => {
      const unmarked = { cookie: req.session.cookie };
      await called((done) => store.touch(req.sessionID, unmarked as never, done));
    });
    expect(body).toMatchObject({ code: "session_store_failed" });
  });

  test("is reported without what is stored, if that is not JSON", async () => {
    const { visit, entries } = await startWith({ a: 1 });
    await visit((req) => entries.updateEntry(getEntryKey(req.sessionID), { a: "secret" }, [], MINUTE));
    const { body } = await visit();
    expect(body).toMatchObject({ code: "session_store_failed" });
    expect(body.message).not.toContain("secret");
  });

  test("holds an entry without a cookie for no session", async () => {
    const { visit, entries } = await startWith({ a: 1 });
    let id = "";
    await visit(async (req) => {
      id = req.sessionID;
      await destroy(req);
      await entries.create(getEntryKey(id), "record", MINUTE);
    });
    const { status, body } = await visit((req) => ({ id: req.sessionID }));
    expect(status).toBe(200);
    expect(body).not.toEqual({ id });
  });

  test("to answer fails after ten seconds", async () => {
    fakeTimeouts();
    const { store, inNext } = startSessionApp();
    inNext("readEntry", () => new Promise(() => {}));
    const loading = called((done) => store.get("a", done));
    await vi.advanceTimersByTimeAsync(9_999);
    const failing = expect(loading).rejects.toMatchObject({ code: "session_store_failed" });
    await vi.advanceTimersByTimeAsync(1);
    await failing;
  });
});

test("a session that is destroyed while it is created does not survive", async () => {
  const { visit, inNext, calls, store } = startSessionApp();
  let id = "";
  await visit(async (req) => {
    id = req.sessionID;
    const gate = createGate();
    inNext("createEntry", () => gate.opened);
    keysOf(req)["a"] = 1;
    const saving = save(req);
    const destroying = destroy(req);
    gate.open();
    await Promise.all([saving, destroying]);
  });
  expect(calls()).toEqual(["createEntry", "remove"]);
  expect(await called((done) => store.get(id, done))).toBeNull();
});

test("a store that is still being opened is waited for, and can be closed", async () => {
  const opened = createGate();
  const close = vi.fn();
  const store = new PortalSessionStore(createMemoryStore(), undefined, { opened: opened.opened, close });
  const found = vi.fn();
  const loading = called((done) => store.get("a", done)).then(found);
  await new Promise(setImmediate);
  expect(found).not.toHaveBeenCalled();
  opened.open();
  await loading;
  expect(found).toHaveBeenCalledWith(null);
  await store.close();
  expect(close).toHaveBeenCalledOnce();
});

test("a store of ours is recognized, also as a subclass and by another copy of this package", async () => {
  class Encrypting extends PortalSessionStore {}
  vi.resetModules();
  const copy = await import("../../lib/store/portal-session-store.js");
  expect(copy.PortalSessionStore).not.toBe(PortalSessionStore);
  for (const Store of [PortalSessionStore, Encrypting])
    expect(copy.PortalSessionStore.isOurs(new Store(createMemoryStore()))).toBe(true);
  const { default: session } = await import("express-session");
  for (const other of [new session.MemoryStore(), undefined, null, "store"])
    expect(PortalSessionStore.isOurs(other)).toBe(false);
});

test("another copy of this package reads the record of a session, and begins one", async () => {
  vi.resetModules();
  const copy = await import("../../lib/store/loaded-entry.js");
  const { visit } = startSessionApp();
  await visit((req) => {
    keysOf(req)["a"] = 1;
    copy.addNewRecord(req.session, "record 1");
  });
  expect((await visit((req) => copy.getLoadedEntry(req.session)?.record)).body).toEqual({
    text: "record 1",
    version: 1,
  });
});
