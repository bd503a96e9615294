import session, { type SessionData } from "express-session";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createRecordsInSessionStore } from "../../lib/store/records-in-session-store.js";
import { AnotherStore } from "../support/another-store.js";
import { fakeTimeouts } from "../support/fake-time.js";
import { foreignStores } from "../support/foreign-stores.js";
import { describeRecordStore } from "./record-store.contract.js";

const MINUTE_MS = 60_000;

const failOnWarning = () => expect.fail("The store must not warn.");

for (const [name, open] of Object.entries(foreignStores))
  describeRecordStore(`the store of ${name}`, async () => {
    const { store, close } = await open();
    return {
      store: createRecordsInSessionStore(store, () => {}),
      async close() {
        await close();
      },
    };
  });

describe.each(Object.entries(foreignStores))("records in the store of %s", (_name, openStore) => {
  const open = async () => {
    const { store, close } = await openStore();
    onTestFinished(async () => {
      await close();
    });
    return store;
  };
  const start = async () => {
    const store = await open();
    return { store, records: createRecordsInSessionStore(store, () => {}) };
  };

  test("expire even if the store keeps them longer", async () => {
    let now = Date.now();
    const records = createRecordsInSessionStore(
      await open(),
      () => {},
      () => now,
    );
    await records.create("a", "text", MINUTE_MS);
    await records.index.add("list", "name", MINUTE_MS);
    now += MINUTE_MS - 1;
    expect(await records.read("a")).toEqual({ text: "text", version: 1, lifeMs: 1 });
    expect(await records.index.list("list")).toEqual(["name"]);
    now += 1;
    expect(await records.read("a")).toBeUndefined();
    expect(await records.index.list("list")).toEqual([]);
    expect(await records.touch("a", MINUTE_MS)).toBe(false);
    expect(await records.replace("a", 1, "again", MINUTE_MS)).toBe(false);
    expect(await records.create("a", "new", MINUTE_MS)).toBe(true);
  });

  test("are changed in turn by all record stores of the same session store", async () => {
    const store = await open();
    const all = Array.from({ length: 5 }, () => createRecordsInSessionStore(store, () => {}));
    await Promise.all(all.map((records, n) => records.index.add("list", `name ${n}`, MINUTE_MS)));
    expect(await all[0]?.index.list("list")).toHaveLength(5);
  });

  test("are stored with a cookie of the same lifetime", async () => {
    const { store, records } = await start();
    const set = vi.spyOn(store, "set");
    await records.create("a", "text", MINUTE_MS);
    const cookie = set.mock.calls[0]?.[1].cookie;
    expect(cookie?.originalMaxAge).toBe(MINUTE_MS);
    expect(Math.abs(Number(cookie?.expires) - Date.now() - MINUTE_MS)).toBeLessThan(MINUTE_MS / 2);
  });

  test("do not change when the store touches or rewrites its session", async () => {
    const { store, records } = await start();
    const set = vi.spyOn(store, "set");
    await records.create("a", "text", MINUTE_MS);
    const id = set.mock.calls[0]?.[0] as string;
    const found = await new Promise<SessionData>((resolve) =>
      store.get(id, (_error, data) => resolve(data as never)),
    );
    found.cookie = Object.assign(new session.Cookie(), { maxAge: 10 * MINUTE_MS });
    await new Promise((resolve) => store.set(id, Object.assign(found, { added: 1 }), resolve));
    await new Promise<void>((resolve) => (store.touch ? store.touch(id, found, () => resolve()) : resolve()));
    const record = await records.read("a");
    expect(record).toMatchObject({ text: "text", version: 1 });
    expect(record?.lifeMs).toBeLessThanOrEqual(MINUTE_MS);
  });

  test("remove a list with its last name", async () => {
    const { store, records } = await start();
    const destroy = vi.spyOn(store, "destroy");
    await records.index.add("list", "name", MINUTE_MS);
    await records.index.remove("list", ["name", "unknown"]);
    expect(destroy).toHaveBeenCalledOnce();
    await records.index.remove("list", ["name"]);
    expect(await records.index.list("list")).toEqual([]);
  });
});

test("two portalAuth() with one store change a list in turn, and lose no name", async () => {
  const store = new AnotherStore();
  const all = [createRecordsInSessionStore(store, () => {}), createRecordsInSessionStore(store, () => {})];
  await Promise.all(all.map((records, n) => records.index.add("list", `name ${n}`, MINUTE_MS)));
  expect(await all[0]?.index.list("list")).toEqual(["name 0", "name 1"]);
});

test("session ids of records and lists differ, and do not show their keys", async () => {
  const store = new AnotherStore();
  const records = createRecordsInSessionStore(store, () => {});
  await records.create("l:alice", "text", MINUTE_MS);
  await records.index.add("l:alice", "name", MINUTE_MS);
  const ids = [...store.files.keys()];
  expect(ids).toHaveLength(2);
  for (const id of ids) expect(id).toMatch(/^portal-auth-(record|list)-[\w-]{43}$/);
});

test("a store that may be shared by processes causes one warning, and a memory store none", async () => {
  createRecordsInSessionStore(new session.MemoryStore(), failOnWarning);
  const memorystore = await foreignStores["memorystore"]?.();
  if (memorystore) createRecordsInSessionStore(memorystore.store, failOnWarning);
  const warn = vi.fn();
  const records = createRecordsInSessionStore(new AnotherStore(), warn);
  await records.create("a", "text", MINUTE_MS);
  expect(warn.mock.calls).toEqual([[expect.stringMatching(/one process only.*SESSION_STORE_URL/)]]);
});

test("a failure of the store does not count as a missing record", async () => {
  const store = new AnotherStore();
  const records = createRecordsInSessionStore(store, () => {});
  await records.create("a", "text", MINUTE_MS);
  const failure = new Error("the disk has failed");
  vi.spyOn(store, "get").mockImplementation((_id, done) => done(failure));
  await expect(records.read("a")).rejects.toBe(failure);
  await expect(records.create("b", "text", MINUTE_MS)).rejects.toBe(failure);
  await expect(records.remove("a")).rejects.toBe(failure);
});

test("a write that fails with ENOENT rejects", async () => {
  const store = new AnotherStore();
  const failure = Object.assign(new Error("no such directory"), { code: "ENOENT" });
  vi.spyOn(store, "set").mockImplementation((_id, _data, done?: (error?: unknown) => void) =>
    done?.(failure),
  );
  await expect(createRecordsInSessionStore(store, () => {}).create("a", "text", MINUTE_MS)).rejects.toBe(
    failure,
  );
});

test("a rejection of the store reaches the caller, and is not reported as unhandled", async () => {
  const failure = new Error("the database is locked");
  const store = new AnotherStore();
  const unhandled: unknown[] = [];
  const recordRejection = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", recordRejection);
  vi.spyOn(store, "get").mockImplementation((async (_id: string, done: (error: unknown) => void) => {
    done(failure);
    throw failure;
  }) as never);
  vi.spyOn(store, "destroy").mockImplementation((async () => {
    throw failure;
  }) as never);
  const records = createRecordsInSessionStore(store, () => {});
  await expect(records.read("a")).rejects.toBe(failure);
  vi.mocked(store.get).mockRestore();
  await records.create("a", "text", MINUTE_MS);
  await expect(records.remove("a")).rejects.toBe(failure);
  await new Promise(setImmediate);
  process.off("unhandledRejection", recordRejection);
  expect(unhandled).toEqual([]);
});

test("a store that does not respond blocks one record, for ten seconds", async () => {
  fakeTimeouts();
  const store = new AnotherStore();
  const records = createRecordsInSessionStore(store, () => {});
  let respond = () => {};
  vi.spyOn(store, "get").mockImplementationOnce((_id, done) => {
    respond = () => done(null, null);
  });
  const blocked = records.create("a", "late", MINUTE_MS);
  const failing = expect(blocked).rejects.toMatchObject({ code: "session_store_failed" });
  const next = records.create("a", "in time", MINUTE_MS);
  expect(await records.create("b", "text", MINUTE_MS)).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  await failing;
  expect(await next).toBe(true);
  respond();
  await new Promise(setImmediate);
  expect(await records.read("a")).toMatchObject({ text: "in time" });
});
