import type { Request } from "express";
import type { SessionData } from "express-session";
import express4 from "express4";
import request from "supertest";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { addNewRecord, getEntryKey, getLoadedEntry } from "../../lib/store/loaded-entry.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../lib/store/portal-session-store.js";
import { fake, fakeTimeouts, freezeDate } from "../support/fake-time.js";
import { createGate } from "../support/gate.js";
import { type AppOptions, callAsync, getKeys, put, startSessionApp } from "./session-app.js";

const MINUTE = 60_000;

const save = (req: Request) => callAsync((done) => req.session.save(done));
const destroy = (req: Request) => callAsync((done) => req.session.destroy(done));
const regenerate = (req: Request) => callAsync((done) => req.session.regenerate(done));
const reload = (req: Request) => callAsync((done) => req.session.reload(done));

const getCookieHeader = ({ headers }: { headers: Record<string, unknown> }) =>
  String(headers["set-cookie"] ?? "");

/** Starts an application whose browser has a session with these keys. */
async function startWith(keys: object, options: AppOptions = {}) {
  const app = startSessionApp(options);
  await app.visit(put(keys));
  app.takeCalls();
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
    test("concurrent requests lose no changes to different keys", async () => {
      const { startVisit, readStored } = await startWith({ old: 1, same: 1 }, options);
      const adds = await startVisit(put({ first: 1 }));
      const removes = await startVisit((req) => void delete getKeys(req)["old"]);
      const reads = await startVisit();
      await (await startVisit(put({ second: 1 }))).finish();
      for (const { finish } of [adds, removes, reads]) await finish();
      expect(await readStored()).toEqual({ same: 1, first: 1, second: 1 });
    });

    test("a slow request does not restore a destroyed session", async () => {
      const { startVisit, visit, store, browser } = await startWith({ userId: 7 }, options);
      const changes = await startVisit(put({ slow: 1 }));
      const saves = await startVisit(save);
      const reads = await startVisit();
      let id = "";
      await visit((req) => {
        id = req.sessionID;
        return destroy(req);
      });
      for (const { finish } of [changes, saves, reads]) expect((await finish()).status).toBe(200);
      expect(await callAsync((done) => store.get(id, done))).toBeNull();
      expect((await visit((req) => ({ id: req.sessionID }), browser)).body).not.toEqual({ id });
    });

    test("an empty new session is stored only with saveUninitialized", async () => {
      const { takeCalls, visit } = startSessionApp(options);
      const response = await visit();
      expect(takeCalls()).toEqual(options.saveUninitialized ? ["createEntry"] : []);
      expect(getCookieHeader(response) !== "").toBe(options.saveUninitialized);
    });

    test("a session that is only read is not written", async () => {
      const { takeCalls, visit, readStored } = await startWith({ userId: 7 }, options);
      await visit();
      expect(takeCalls()).toEqual(["readEntry"]);
      expect(await readStored()).toEqual({ userId: 7 });
    });

    test("req.session = null ends the session only with unset: destroy", async () => {
      const { visit, readStored } = await startWith({ userId: 7 }, options);
      await visit((req) => void Object.assign(req, { session: null }));
      expect(await readStored()).toEqual(options.unset === "destroy" ? {} : { userId: 7 });
    });

    test("a regenerated session has another id, and the old session is removed", async () => {
      const { visit, readStored, store } = await startWith({ userId: 7 }, options);
      let id = "";
      await visit(async (req) => {
        id = req.sessionID;
        await regenerate(req);
        Object.assign(req.session, { userId: 8 });
      });
      expect(await readStored()).toEqual({ userId: 8 });
      expect(await callAsync((done) => store.get(id, done))).toBeNull();
    });

    test("after a save by the handler, only later changes are written", async () => {
      const { visit, takeCalls, readStored } = await startWith({ userId: 7 }, options);
      await visit(async (req) => {
        Object.assign(req.session, { userId: 8 });
        await save(req);
        expect(takeCalls()).toEqual(["readEntry", "updateEntry"]);
      });
      expect(takeCalls()).toEqual([]);
      await visit(async (req) => {
        Object.assign(req.session, { userId: 9 });
        await save(req);
        Object.assign(req.session, { more: 1 });
      });
      expect(takeCalls()).toEqual(["readEntry", "updateEntry", "updateEntry"]);
      expect(await readStored()).toEqual({ userId: 9, more: 1 });
    });
  },
);

test("a save of a changed session writes only the changed keys", async () => {
  const { visit, getLastArguments } = await startWith({ same: [1], old: 1, list: [1] });
  await visit((req) => {
    (getKeys(req)["list"] as number[]).push(2);
    delete getKeys(req)["old"];
  });
  expect(getLastArguments("updateEntry")?.slice(1, 3)).toEqual([{ list: "[1,2]" }, ["old"]]);
});

test("with Express 4, concurrent requests lose no changes to different keys", async () => {
  const { startVisit, visit, readStored } = await startWith({ same: 1 }, { framework: express4 as never });
  const { finish } = await startVisit(put({ first: 1 }));
  await visit(put({ second: 1 }));
  await finish();
  expect(await readStored()).toEqual({ same: 1, first: 1, second: 1 });
});

describe("values", () => {
  test("are stored as JSON", async () => {
    const { visit, readStored } = startSessionApp();
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
    expect(await readStored()).toEqual({
      date: "1970-01-01T00:00:00.000Z",
      map: { size: 1 },
      nothing: null,
      text: "ü\u0000\ud800 \"'",
      "": "empty",
      7: "number",
    });
  });

  test("that become undefined are removed", async () => {
    const { visit, readStored } = await startWith({ a: 1, b: 1 });
    await visit(put({ a: undefined, b: () => 1 }));
    expect(await readStored()).toEqual({});
  });

  test.each<[string, (value: Record<string, unknown>) => void]>([
    ["changed", (value) => void Object.assign(value, { deep: { list: [2] } })],
    ["removed", (value) => void delete value["deep"]],
    ["added", (value) => void Object.assign(value, { more: 1 })],
  ])("that are %s in place are saved", async (_how, change) => {
    const { visit, readStored } = await startWith({ nested: { deep: { list: [1] } } });
    const expected: Record<string, unknown> = { deep: { list: [1] } };
    change(expected);
    await visit((req) => change(getKeys(req)["nested"] as Record<string, unknown>));
    expect(await readStored()).toEqual({ nested: expected });
  });

  test("under the key __proto__ are not stored, and change no prototype", async () => {
    const { visit, takeCalls, readStored } = await startWith({ a: 1 });
    await visit((req) => {
      Object.defineProperty(req.session, "__proto__", { value: { admin: true }, enumerable: true });
      Object.assign(req.session, { b: JSON.parse('{"__proto__":{"admin":true}}') });
    });
    const { body } = await visit((req) => ({
      admin: getKeys(req)["admin"],
      b: JSON.stringify(getKeys(req)["b"]),
    }));
    expect(body).toEqual({ b: '{"__proto__":{"admin":true}}' });
    takeCalls();
    await visit();
    expect(takeCalls()).toEqual(["readEntry"]);
    expect(Object.keys(await readStored())).toEqual(["a", "b"]);
  });

  test("under the key __proto__ in the store are ignored", async () => {
    const { visit, entries, takeCalls } = await startWith({ a: 1 });
    await visit(async (req) => {
      const stored = Object.fromEntries([["__proto__", '{"admin":true}']]);
      await entries.updateEntry(getEntryKey(req.sessionID), stored, [], undefined);
    });
    takeCalls();
    const { body } = await visit((req) => ({ admin: getKeys(req)["admin"] ?? "no" }));
    expect(body).toEqual({ admin: "no" });
    expect(takeCalls()).toEqual(["readEntry"]);
  });

  test("that cannot be serialized reject the save", async () => {
    const { visit } = await startWith({ a: 1 });
    const { body } = await visit(async (req) => {
      const copy = { ...req.session, big: 1n };
      await callAsync((done) => req.sessionStore.set(req.sessionID, copy as never, done));
    });
    expect(body.message).toMatch(/BigInt/);
  });
});

describe("the cookie", () => {
  const COOKIE = { path: "/", httpOnly: false, sameSite: "strict", maxAge: 10 * MINUTE } as const;

  test("has all its members in a later request", async () => {
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

  test("has all its members after reload(), which reads the store", async () => {
    const { visit, startVisit } = await startWith({ a: 1 }, { cookie: { ...COOKIE, secure: false } });
    const { finish } = await startVisit(async (req) => {
      await reload(req);
      return { ...getKeys(req), entry: getLoadedEntry(req.session) !== undefined };
    });
    await visit(put({ b: 2 }));
    const { body } = await finish();
    expect(body).toMatchObject({ a: 1, b: 2, entry: true });
    expect(body.cookie).toMatchObject({ httpOnly: false, sameSite: "strict", path: "/", secure: false });
  });

  test("has the remaining lifetime of the session, by the store's clock", async () => {
    const { visit, time } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    time.later(120);
    await visit();
    time.later(30);
    const { body } = await visit((req) => ({ maxAge: req.session.cookie.maxAge }));
    expect(body.maxAge / 1000).toBeCloseTo(600 - 30, -1);
  });

  test("without a lifetime ends with the browser, and the session expires after a day", async () => {
    const { visit, time, readStored } = await startWith({ a: 1 });
    expect((await visit((req) => req.session.cookie)).body).toMatchObject({
      originalMaxAge: null,
      expires: null,
    });
    time.later(24 * 60 * 60 - 1);
    expect(await readStored()).toEqual({ a: 1 });
    time.later(24 * 60 * 60);
    expect(await readStored()).toEqual({});
  });

  test("with another lifetime is stored, even if the request changes nothing else", async () => {
    const { visit, takeCalls, time, readStored } = await startWith({ a: 1 }, { cookie: { maxAge: MINUTE } });
    await visit((req) => {
      req.session.cookie.maxAge = 30 * MINUTE;
    });
    expect(takeCalls()).toEqual(["readEntry", "updateEntry"]);
    time.later(29 * 60);
    expect(await readStored()).toEqual({ a: 1 });
    expect((await visit((req) => req.session.cookie)).body.originalMaxAge / MINUTE).toBeCloseTo(30, 1);
  });

  test("keeps its new lifetime if a request that loaded the old one saves later", async () => {
    const { visit, startVisit, time, readStored } = await startWith({ a: 1 }, { cookie: { maxAge: MINUTE } });
    const slow = await startVisit(put({ b: 1 }));
    await visit((req) => {
      req.session.cookie.maxAge = 30 * MINUTE;
    });
    await slow.finish();
    expect((await visit((req) => req.session.cookie)).body.originalMaxAge / MINUTE).toBeCloseTo(30, 1);
    time.later(50);
    expect(await readStored()).toEqual({ a: 1, b: 1 });
  });

  test("with a changed member is stored", async () => {
    const { visit } = await startWith({ a: 1 });
    await visit((req) => {
      req.session.cookie.sameSite = "strict";
    });
    expect((await visit((req) => req.session.cookie)).body).toMatchObject({ sameSite: "strict" });
  });

  test("with maxAge 0 ends the session", async () => {
    const { visit, readStored } = await startWith({ a: 1 });
    await visit((req) => {
      req.session.cookie.maxAge = 0;
    });
    expect(await readStored()).toEqual({});
  });

  test("with maxAge 0 prevents that a new session is stored", async () => {
    const { visit, takeCalls, store } = startSessionApp({ cookie: { maxAge: 0 } });
    const { body } = await visit((req) => {
      getKeys(req)["a"] = 1;
      return { id: req.sessionID };
    });
    expect(takeCalls()).not.toContain("createEntry");
    expect(await callAsync((done) => store.get(body.id, done))).toBeNull();
  });

  test("causes no write if express-session changes originalMaxAge by milliseconds", async () => {
    const { visit, takeCalls } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    await visit((req) => {
      req.session.cookie.originalMaxAge = 10 * MINUTE - 3;
    });
    expect(takeCalls()).toEqual(["readEntry"]);
  });

  test("is set and stored only once with isCookieSetOnce", async () => {
    const lifetime = { getLifeMs: () => 10 * MINUTE, isCookieSetOnce: true };
    const app = startSessionApp({ lifetime, cookie: { maxAge: 60 * MINUTE } });
    expect(getCookieHeader(await app.visit(put({ a: 1 })))).toMatch(/Expires=/);
    app.takeCalls();
    await app.visit();
    expect(app.takeCalls()).toEqual(["readEntry"]);
    expect(getCookieHeader(await app.visit(put({ a: 2 })))).toBe("");
    expect(app.getLastArguments("updateEntry")?.[1]).toEqual({ a: "2" });
    expect(await app.readStored()).toEqual({ a: 2 });
  });
});

describe("the lifetime of a session", () => {
  // If the date advances while a cookie is created, its lifetime is a millisecond shorter.
  beforeEach(freezeDate);

  test.each([
    ["a minute", 60 * MINUTE, 60],
    ["a tenth of the lifetime", 5 * MINUTE, 30],
  ])("is extended after %s, and not before", async (_step, maxAge, seconds) => {
    const { visit, takeCalls, time } = await startWith({ a: 1 }, { cookie: { maxAge } });
    time.later(seconds - 1);
    await visit();
    expect(takeCalls()).toEqual(["readEntry"]);
    time.later(1);
    await visit();
    expect(takeCalls()).toEqual(["readEntry", "touch"]);
    await visit();
    expect(takeCalls()).toEqual(["readEntry"]);
  });

  test.each([{ resave: true }, { rolling: true }, { resave: true, rolling: true }])(
    "is extended at the same intervals with %o",
    async (options) => {
      const { visit, takeCalls, time } = await startWith(
        { a: 1 },
        { ...options, cookie: { maxAge: 60 * MINUTE } },
      );
      time.later(59);
      await visit();
      expect(takeCalls()).toEqual(["readEntry"]);
      time.later(1);
      await visit();
      expect(takeCalls()).toEqual(["readEntry", "touch"]);
    },
  );

  test("extends a session that is used, and an unused session expires", async () => {
    const { readStored, visit, time } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    for (let turn = 0; turn < 5; turn += 1) {
      time.later(9 * 60);
      await visit();
    }
    expect(await readStored()).toEqual({ a: 1 });
    time.later(10 * 60);
    expect(await readStored()).toEqual({});
  });

  test("concurrent requests extend a session with one write", async () => {
    const { startVisit, takeCalls, time, beforeNext, store } = await startWith(
      { a: 1 },
      { cookie: { maxAge: 10 * MINUTE } },
    );
    time.later(120);
    const visits = await Promise.all([1, 2, 3, 4].map(() => startVisit()));
    takeCalls();
    const touch = vi.spyOn(store, "touch");
    const gate = createGate();
    beforeNext("touch", () => gate.opened);
    const responses = visits.map(({ finish }) => finish());
    await vi.waitFor(() => expect(touch).toHaveBeenCalledTimes(4));
    gate.open();
    await Promise.all(responses);
    expect(takeCalls()).toEqual(["touch"]);
  });

  test("getLifeMs can return a fixed end, which no request extends", async () => {
    const app = startSessionApp({
      lifetime: { getLifeMs: (session) => Number(Reflect.get(session, "endsAt")) - app.time.clock() },
    });
    await app.visit(put({ endsAt: app.time.clock() + 10 * MINUTE }));
    for (let turn = 0; turn < 9; turn += 1) {
      app.time.later(60);
      await app.visit(put({ turn }));
      await app.visit();
    }
    expect(app.takeCalls()).not.toContain("touch");
    expect(await app.readStored()).toMatchObject({ turn: 8 });
    app.time.later(60);
    expect(await app.readStored()).toEqual({});
  });

  test("several touches of one request extend a session once", async () => {
    const { visit, takeCalls, time, store } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
    time.later(120);
    await visit(async (req) => {
      for (let turn = 0; turn < 3; turn += 1)
        await callAsync((done) => store.touch(req.sessionID, req.session as never, done));
    });
    expect(takeCalls()).toEqual(["readEntry", "touch"]);
  });

  test("a long request can extend a session again", async () => {
    const { startVisit, takeCalls, store } = await startWith({ a: 1 }, { cookie: { maxAge: 60 * MINUTE } });
    fake({ toFake: ["performance"] });
    const touchAgain = async (req: Request) => {
      for (const elapsed of [MINUTE, MINUTE - 1, 1]) {
        vi.advanceTimersByTime(elapsed);
        await callAsync((done) => store.touch(req.sessionID, req.session as never, done));
      }
    };
    await (await startVisit(touchAgain)).finish();
    expect(takeCalls()).toEqual(["readEntry", "touch", "touch"]);
  });

  test("a request that loaded a session before its end does not restore it", async () => {
    const { startVisit, time, readStored } = await startWith({ a: 1 }, { cookie: { maxAge: MINUTE } });
    const { finish } = await startVisit(put({ slow: 1 }));
    time.later(60);
    expect((await finish()).status).toBe(200);
    expect(await readStored()).toEqual({});
  });
});

describe("saves by a handler", () => {
  test("that run concurrently end with the last state of the session", async () => {
    const { visit, takeCalls, readStored, beforeNext } = await startWith({ a: 1 });
    await visit(async (req) => {
      const gate = createGate();
      beforeNext("updateEntry", () => gate.opened);
      getKeys(req)["a"] = 2;
      const first = save(req);
      getKeys(req)["a"] = 1;
      const second = save(req);
      gate.open();
      await Promise.all([first, second]);
    });
    expect(takeCalls()).toEqual(["readEntry", "updateEntry", "updateEntry"]);
    expect(await readStored()).toEqual({ a: 1 });
  });

  test("that run concurrently create a new session once", async () => {
    const { visit, takeCalls, readStored } = startSessionApp();
    await visit(async (req) => {
      getKeys(req)["a"] = 1;
      const first = save(req);
      getKeys(req)["b"] = 2;
      await Promise.all([first, save(req)]);
    });
    expect(takeCalls()).toEqual(["createEntry", "updateEntry"]);
    expect(await readStored()).toEqual({ a: 1, b: 2 });
  });

  test("that fail are repeated by the next save", async () => {
    const { visit, readStored, failNext } = await startWith({ a: 1, b: 1 });
    await visit(async (req) => {
      failNext("updateEntry");
      getKeys(req)["a"] = 2;
      await expect(save(req)).rejects.toMatchObject({ code: "session_store_failed", status: 503 });
      getKeys(req)["b"] = 2;
    });
    expect(await readStored()).toEqual({ a: 2, b: 2 });
  });

  test("of a new session that fail are repeated by the next save", async () => {
    const { visit, readStored, takeCalls, failNext } = startSessionApp();
    await visit(async (req) => {
      failNext("createEntry");
      getKeys(req)["a"] = 1;
      await expect(save(req)).rejects.toMatchObject({ code: "session_store_failed" });
      await save(req);
    });
    expect(takeCalls()).toEqual(["createEntry", "createEntry"]);
    expect(await readStored()).toEqual({ a: 1 });
  });

  test("need no callback, even if they fail", async () => {
    const { visit, failNext } = await startWith({ a: 1 });
    const { status } = await visit(async (req) => {
      failNext("updateEntry");
      getKeys(req)["a"] = 2;
      req.sessionStore.set(req.sessionID, req.session as never);
      failNext("remove");
      req.sessionStore.destroy("another");
    });
    expect(status).toBe(200);
  });
});

describe("regenerate()", () => {
  test("does not destroy a session that was never stored", async () => {
    const { visit, takeCalls, readStored } = startSessionApp();
    await visit(async (req) => {
      await regenerate(req);
      getKeys(req)["a"] = 1;
    });
    expect(takeCalls()).toEqual(["createEntry"]);
    expect(await readStored()).toEqual({ a: 1 });
  });

  test("destroys a session that was loaded or saved, also if the first save failed", async () => {
    const { app, visit, takeCalls, failNext } = await startWith({ a: 1 });
    const regenerateOnce = async (req: Request) => {
      takeCalls();
      await regenerate(req);
      return takeCalls();
    };
    expect((await visit(regenerateOnce)).body).toEqual(["remove"]);
    const saveAndRegenerate = async (req: Request) => {
      getKeys(req)["a"] = 1;
      await save(req).catch(() => {});
      return regenerateOnce(req);
    };
    expect((await visit(saveAndRegenerate, request.agent(app))).body).toEqual(["remove"]);
    failNext("createEntry");
    expect((await visit(saveAndRegenerate, request.agent(app))).body).toEqual(["remove"]);
  });

  test("destroys the session of a request after req.session = null", async () => {
    const { visit, takeCalls, store } = await startWith({ a: 1 });
    const { body } = await visit(async (req) => {
      Object.assign(req, { session: null });
      await callAsync((done) => store.regenerate(req, done));
      return { ...getKeys(req) };
    });
    expect(takeCalls()).toEqual(["readEntry", "remove", "createEntry"]);
    expect(body).not.toHaveProperty("a");
  });

  test("reports a failure of the store, and still creates a new session", async () => {
    const { visit, failNext } = await startWith({ a: 1 });
    const { body } = await visit(async (req) => {
      const { sessionID } = req;
      failNext("remove");
      await expect(regenerate(req)).rejects.toMatchObject({ code: "session_store_failed" });
      return { isNew: req.sessionID !== sessionID, a: getKeys(req)["a"] };
    });
    expect(body).toEqual({ isNew: true });
  });
});

describe("an application that", () => {
  test("copies its session to a regenerated one saves a new session", async () => {
    const { visit, readStored, takeCalls } = await startWith({ a: 1 });
    await visit(async (req) => {
      const copy = { ...req.session };
      await regenerate(req);
      Object.assign(req.session, copy, { b: 1 });
    });
    expect(takeCalls()).toEqual(["readEntry", "remove", "createEntry"]);
    expect(await readStored()).toEqual({ a: 1, b: 1 });
  });

  test("copies another session into a loaded one changes the loaded one", async () => {
    const { visit, readStored, takeCalls, store } = await startWith({ a: 1 });
    const other = await startOther(store);
    takeCalls();
    await visit(async (req) => {
      const { cookie: _, ...data } =
        (await callAsync<SessionData>((done) => store.get(other, done as never))) ?? {};
      Object.assign(req.session, data);
    });
    expect(takeCalls()).not.toContain("createEntry");
    expect(await readStored()).toEqual({ a: 1, other: 1 });
  });

  test.each<[string, (data: object) => object]>([
    ["the same object", (data) => Object.assign(data, { b: 2 })],
    ["a copy", (data) => ({ ...data, b: 2 })],
  ])("reads a session by its id and writes back %s changes only its own changes", async (_how, change) => {
    const { visit, readStored, store } = await startWith({ a: 1, gone: 1 });
    await visit(async (req) => {
      const id = req.sessionID;
      const data = (await callAsync<object>((done) => store.get(id, done as never))) as Record<
        string,
        unknown
      >;
      await visit(put({ c: 3 }));
      delete data["gone"];
      await callAsync((done) => store.set(id, change(data) as never, done));
    });
    expect(await readStored()).toEqual({ a: 1, b: 2, c: 3 });
  });

  test("writes back a session that has ended does not restore it", async () => {
    const { visit, store } = await startWith({ a: 1 });
    await visit(async (req) => {
      const id = req.sessionID;
      const data = await callAsync<object>((done) => store.get(id, done as never));
      await destroy(req);
      await callAsync((done) => store.set(id, { ...data, b: 1 } as never, done));
      await callAsync((done) => store.touch(id, data as never, done));
      expect(await callAsync((done) => store.get(id, done))).toBeNull();
    });
  });

  test("writes its session under another id creates a session without the login", async () => {
    const { visit, store, takeCalls, entries } = startSessionApp();
    await visit(async (req) => {
      getKeys(req)["a"] = 1;
      addNewRecord(req.session, "record 1");
      await callAsync((done) => store.set("before", req.session as never, done));
      await save(req);
      await callAsync((done) => store.set("after", req.session as never, done));
      getKeys(req)["a"] = 2;
    });
    expect(takeCalls()).toEqual(["createEntry", "createEntry", "createEntry", "updateEntry"]);
    for (const id of ["before", "after"])
      expect(await entries.readEntry(getEntryKey(id))).toMatchObject({ app: { a: "1" }, record: undefined });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toMatchObject({
      text: "record 1",
    });
  });

  test.each([null, undefined])(
    "replaces the cookie of a session with %s does not change the stored cookie",
    async (cookie) => {
      const { visit, store, readStored } = await startWith({ a: 1 }, { cookie: { maxAge: 10 * MINUTE } });
      await visit(async (req) => {
        const id = req.sessionID;
        const data = await callAsync<object>((done) => store.get(id, done as never));
        await callAsync((done) => store.set(id, { ...data, cookie, b: 1 } as never, done));
      });
      expect(await readStored()).toEqual({ a: 1, b: 1 });
      expect((await visit((req) => req.session.cookie)).body).toMatchObject({
        originalMaxAge: expect.closeTo(10 * MINUTE, -2),
      });
    },
  );

  test("writes a session with its own id creates it", async () => {
    const { store } = startSessionApp();
    await startOther(store);
    expect(await callAsync((done) => store.load("other", done))).toMatchObject({ other: 1, id: "other" });
  });

  test("logs its session does not show the login record", async () => {
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
    await callAsync((done) =>
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

  test("is created and loaded with its session, each in one call", async () => {
    const { visit, takeCalls } = startSessionApp();
    const { body } = await visit(async (req) => {
      begin({ a: 1 })(req);
      await save(req);
      return getLoadedEntry(req.session)?.record;
    });
    expect(body).toEqual({ text: "record 1", version: 1 });
    expect(takeCalls()).toEqual(["createEntry"]);
    const later = await visit((req) => ({
      ...getLoadedEntry(req.session)?.record,
      lifeMs: getLoadedEntry(req.session)?.lifeMs,
    }));
    expect(later.body).toMatchObject({ text: "record 1", version: 1 });
    expect(later.body.lifeMs).toBeGreaterThan(23 * 60 * MINUTE);
    expect(takeCalls()).toEqual(["readEntry"]);
  });

  test("is written by the next save if the first one fails", async () => {
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

  test("is created even if the session was saved before", async () => {
    const { visit, readStored } = startSessionApp();
    await visit(async (req) => {
      getKeys(req)["a"] = 1;
      await save(req);
      begin({ b: 1 })(req);
    });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toMatchObject({
      text: "record 1",
    });
    expect(await readStored()).toEqual({ a: 1, b: 1 });
  });

  test("is not changed by saves of the session", async () => {
    const { visit, entries, startVisit, readStored } = startSessionApp();
    await visit(begin({ a: 1 }));
    const slow = await startVisit(put({ a: 2 }));
    await visit(async (req) => {
      expect(await entries.replace(getEntryKey(req.sessionID), 1, "record 2")).toBe(true);
      await save(req);
      getKeys(req)["b"] = 1;
    });
    await slow.finish();
    expect(await readStored()).toEqual({ a: 2, b: 1 });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toEqual({
      text: "record 2",
      version: 2,
    });
  });

  test("is not overwritten by a second save of the request that created it", async () => {
    const { visit, entries } = startSessionApp();
    await visit(async (req) => {
      begin({ a: 1 })(req);
      await save(req);
      await entries.replace(getEntryKey(req.sessionID), 1, "record 2");
      getKeys(req)["a"] = 2;
    });
    expect((await visit((req) => getLoadedEntry(req.session)?.record)).body).toEqual({
      text: "record 2",
      version: 2,
    });
  });

  test("is not copied with its session", async () => {
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
      (await visit((req) => ({ record: getLoadedEntry(req.session)?.record, a: getKeys(req)["a"] }))).body,
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

  test("to touch is reported as session_store_failed", async () => {
    const { visit, failNext, store } = await startWith({ a: 1 });
    failNext("touch");
    const { body } = await visit(async (req) => {
      const unmarked = { cookie: req.session.cookie };
      await callAsync((done) => store.touch(req.sessionID, unmarked as never, done));
    });
    expect(body).toMatchObject({ code: "session_store_failed" });
  });

  test("with invalid JSON is reported without the stored text", async () => {
    const { visit, entries } = await startWith({ a: 1 });
    await visit((req) => entries.updateEntry(getEntryKey(req.sessionID), { a: "secret" }, [], MINUTE));
    const { body } = await visit();
    expect(body).toMatchObject({ code: "session_store_failed" });
    expect(body.message).not.toContain("secret");
  });

  test("with an entry without a cookie has no session", async () => {
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

  test("to respond fails after ten seconds", async () => {
    fakeTimeouts();
    const { store, beforeNext } = startSessionApp();
    beforeNext("readEntry", () => new Promise(() => {}));
    const loading = callAsync((done) => store.get("a", done));
    await vi.advanceTimersByTimeAsync(9_999);
    const failing = expect(loading).rejects.toMatchObject({ code: "session_store_failed" });
    await vi.advanceTimersByTimeAsync(1);
    await failing;
  });
});

test("a session that is destroyed during its creation is removed", async () => {
  const { visit, beforeNext, takeCalls, store } = startSessionApp();
  let id = "";
  await visit(async (req) => {
    id = req.sessionID;
    const gate = createGate();
    beforeNext("createEntry", () => gate.opened);
    getKeys(req)["a"] = 1;
    const saving = save(req);
    const destroying = destroy(req);
    gate.open();
    await Promise.all([saving, destroying]);
  });
  expect(takeCalls()).toEqual(["createEntry", "remove"]);
  expect(await callAsync((done) => store.get(id, done))).toBeNull();
});

test("calls wait until the store is open, and the store can be closed", async () => {
  const opened = createGate();
  const close = vi.fn();
  const store = new PortalSessionStore(createMemoryStore(), undefined, { opened: opened.opened, close });
  const found = vi.fn();
  const loading = callAsync((done) => store.get("a", done)).then(found);
  await new Promise(setImmediate);
  expect(found).not.toHaveBeenCalled();
  opened.open();
  await loading;
  expect(found).toHaveBeenCalledWith(null);
  await store.close();
  expect(close).toHaveBeenCalledOnce();
});

test("isOurs recognizes subclasses and stores of another copy of this package", async () => {
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

test("another copy of this package can read and create the login record of a session", async () => {
  vi.resetModules();
  const copy = await import("../../lib/store/loaded-entry.js");
  const { visit } = startSessionApp();
  await visit((req) => {
    getKeys(req)["a"] = 1;
    copy.addNewRecord(req.session, "record 1");
  });
  expect((await visit((req) => copy.getLoadedEntry(req.session)?.record)).body).toEqual({
    text: "record 1",
    version: 1,
  });
});
