import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import type { StoredSession } from "../../lib/session/stored.js";
import { optimisticUpdate, plainUpdate, promised, type Update } from "../../lib/session/update.js";

interface Bench {
  readonly update: Update;
  set(id: string, content: object): void;
  get(id: string): unknown;
  remove(id: string): void;
  /** How often something was written. */
  writes(): number;
}

const read = (text: string | undefined): unknown => (text === undefined ? "gone" : JSON.parse(text));

function optimistic(): Bench {
  const texts = new Map<string, string>();
  const replace = vi.fn(async (id: string, text: string | undefined, next: StoredSession | null) => {
    if (texts.get(id) !== text) return false;
    if (next === null) texts.delete(id);
    else texts.set(id, JSON.stringify(next));
    return true;
  });
  const update = optimisticUpdate({
    async read(id) {
      const text = texts.get(id);
      return text === undefined ? undefined : { text, session: JSON.parse(text) };
    },
    replace,
  });
  return {
    update,
    set: (id, content) => void texts.set(id, JSON.stringify(content)),
    get: (id) => read(texts.get(id)),
    remove: (id) => void texts.delete(id),
    writes: () => replace.mock.calls.length,
  };
}

function plain(): Bench {
  const store = new session.MemoryStore();
  const { sessions } = store as unknown as { sessions: Record<string, string> };
  const spies = [vi.spyOn(store, "set"), vi.spyOn(store, "destroy")];
  return {
    update: plainUpdate(store),
    set(id, content) {
      sessions[id] = JSON.stringify({ cookie: {}, ...content });
    },
    get: (id) => read(sessions[id]),
    remove: (id) => void delete sessions[id],
    writes: () => spies.reduce((sum, { mock }) => sum + mock.calls.length, 0),
  };
}

describe.each([
  ["by comparing", optimistic],
  ["by the store's own methods", plain],
])("a stored session, %s,", (_name, createBench) => {
  test("becomes what the change makes of it, and that is what is given", async () => {
    const { update, set, get } = createBench();
    set("a", { visits: 1 });
    const after = await update("a", (stored) => ({ ...stored, visits: 2 }));
    expect(after).toMatchObject({ visits: 2 });
    expect(get("a")).toMatchObject({ visits: 2 });
  });

  test("is made where there is none, from what the caller gives for that; and only then", async () => {
    const { update, get, set } = createBench();
    await update("new", (stored) => ({ ...stored, visits: 1 }), { cookie: {}, from: "nothing" });
    expect(get("new")).toMatchObject({ visits: 1, from: "nothing" });
    set("a", { visits: 1 });
    await update("a", (stored) => ({ ...stored, visits: 2 }), { cookie: {}, from: "nothing" });
    expect(get("a")).toMatchObject({ visits: 2 });
    expect(get("a")).not.toHaveProperty("from");
  });

  test.each([
    ["nothing is to change", () => undefined],
    ["it is to be destroyed", () => null],
  ])("is not made when %s", async (_what, change) => {
    const { update, get, writes } = createBench();
    expect(await update("new", change, { cookie: {} })).toBeUndefined();
    expect([get("new"), writes()]).toEqual(["gone", 0]);
  });

  test("stays what it is, unwritten, when nothing is to change; and is given", async () => {
    const { update, set, writes } = createBench();
    set("a", { visits: 1 });
    expect(await update("a", () => undefined)).toMatchObject({ visits: 1 });
    expect(writes()).toBe(0);
  });

  test("is destroyed by null, and others are not", async () => {
    const { update, set, get } = createBench();
    for (const id of ["a", "b"]) set(id, { visits: 1 });
    expect(await update("a", () => null)).toBeUndefined();
    expect([get("a"), get("b")]).toMatchObject(["gone", { visits: 1 }]);
  });

  test("that is gone is not brought back: the change is not even asked", async () => {
    const { update, get, writes } = createBench();
    const change = vi.fn(() => ({ cookie: {} }));
    expect(await update("a", change)).toBeUndefined();
    expect(change).not.toHaveBeenCalled();
    expect([get("a"), writes()]).toEqual(["gone", 0]);
  });

  test("is left alone by a change that throws, whose error is told", async () => {
    const { update, set, writes } = createBench();
    set("a", { visits: 1 });
    const trouble = new Error("no");
    const failing = update("a", () => {
      throw trouble;
    });
    await expect(failing).rejects.toBe(trouble);
    expect(writes()).toBe(0);
  });
});

describe("by comparing", () => {
  test("a change is made again to what somebody else has written meanwhile", async () => {
    const { update, set, get, writes } = optimistic();
    set("a", { visits: 1, cart: [] });
    let others = 3;
    await update("a", (stored) => {
      if (others > 0) set("a", { visits: 1, cart: [others--] });
      return { ...stored, visits: 2 };
    });
    expect(get("a")).toEqual({ visits: 2, cart: [1] });
    expect(writes()).toBe(4);
  });

  test("a session that is destroyed meanwhile stays so", async () => {
    const { update, set, get, remove } = optimistic();
    set("a", { visits: 1 });
    const after = await update("a", (stored) => {
      remove("a");
      return { ...stored, visits: 2 };
    });
    expect([after, get("a")]).toEqual([undefined, "gone"]);
  });

  test("who never gets a turn is told so at last", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0); // no pause between the attempts
    const replace = vi.fn(async () => false);
    const update = optimisticUpdate({ read: async () => ({ text: "x", session: { cookie: {} } }), replace });
    await expect(update("a", (stored) => ({ ...stored }))).rejects.toMatchObject({
      code: "session_store_failed",
      status: 503,
    });
    expect(replace).toHaveBeenCalledTimes(50);
  });
});

describe("a method with a callback, as a promise,", () => {
  test("gives the value", async () => {
    expect(await promised((done) => done(null, 7))).toBe(7);
  });

  test("fails with the error", async () => {
    await expect(promised((done) => done("trouble"))).rejects.toBe("trouble");
  });
});
