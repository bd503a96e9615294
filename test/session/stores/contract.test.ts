import { randomUUID } from "node:crypto";
import session, { type SessionData, type Store } from "express-session";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Keeper } from "../../../lib/session/keeper.js";
import type { StoredSession } from "../../../lib/session/stored.js";
import { openStore } from "../../../lib/session/stores/open-store.js";
import { postgresUpdate } from "../../../lib/session/stores/postgres-update.js";
import { redisUpdate } from "../../../lib/session/stores/redis-update.js";
import { promised, type Update } from "../../../lib/session/update.js";
import { describeWithPostgres, describeWithRedis } from "../../support/servers/describe.js";

// What an update must do, in each store that changes a session in one step by itself: with a real one of each.

interface Bench {
  readonly store: Store;
  readonly update: Update;
}

/** Takes the store's own way to read and write, so that what the update has done is seen by other eyes. */
const get = (store: Store, id: string) => promised<SessionData | null>((done) => store.get(id, done));
const set = (store: Store, id: string, data: object) => promised((done) => store.set(id, data as SessionData, done));

const inSeconds = (seconds: number) => {
  const cookie = new session.Cookie();
  cookie.expires = new Date(Date.now() + seconds * 1000);
  return cookie;
};

function contract(open: () => Promise<Bench>): void {
  async function start(content: object = { cookie: inSeconds(60), cart: "lamp" }) {
    const bench = await open();
    const id = randomUUID();
    await set(bench.store, id, content);
    return { ...bench, id };
  }

  test("gives what is stored, and leaves it where nothing shall change", async () => {
    const { store, update, id } = await start();
    expect(await update(id, () => undefined)).toMatchObject({ cart: "lamp" });
    expect(await get(store, id)).toMatchObject({ cart: "lamp" });
  });

  test("writes what shall be, and gives that", async () => {
    const { store, update, id } = await start();
    expect(await update(id, (stored) => ({ ...stored, cart: "chair" }))).toMatchObject({ cart: "chair" });
    expect(await get(store, id)).toMatchObject({ cart: "chair" });
  });

  test("destroys", async () => {
    const { store, update, id } = await start();
    const other = randomUUID();
    await set(store, other, { cookie: inSeconds(60) });
    expect(await update(id, () => null)).toBeUndefined();
    expect(await get(store, id)).toBeFalsy();
    expect(await get(store, other)).toBeTruthy();
  });

  test("finds nothing under another id, and writes nothing there", async () => {
    const { store, update } = await start();
    const id = randomUUID();
    let isAsked = false;
    const change = (stored: StoredSession) => {
      isAsked = true;
      return stored;
    };
    expect([await update(id, change), isAsked]).toEqual([undefined, false]);
    expect(await get(store, id)).toBeFalsy();
  });

  test("makes what is to be there where nothing is, once, whoever else makes it at the same moment", async () => {
    const { store, update } = await start();
    const id = randomUUID();
    const absent = { cookie: inSeconds(60) };
    const names = Array.from({ length: 20 }, (_, n) => `change${n}`);
    await Promise.all(names.map((name) => update(id, (stored) => ({ ...stored, [name]: 1 }), absent)));
    expect(await get(store, id)).toMatchObject(Object.fromEntries(names.map((name) => [name, 1])));
    expect(await update(randomUUID(), () => undefined, absent)).toBeUndefined();
    expect(await update(randomUUID(), () => null, absent)).toBeUndefined();
  });

  test("makes it too where something lay that has ended", async () => {
    const { store, update } = await start();
    const id = randomUUID();
    await set(store, id, { cookie: inSeconds(1), old: true });
    await vi.waitFor(async () => expect(await update(id, () => undefined)).toBeUndefined(), { timeout: 5000 });
    await update(id, (stored) => ({ ...stored, made: true }), { cookie: inSeconds(60) });
    expect(await get(store, id)).toEqual({ cookie: expect.anything(), made: true });
  });

  test("fifty at once are all there", async () => {
    const { store, update, id } = await start();
    const names = Array.from({ length: 50 }, (_, n) => `change${n}`);
    await Promise.all(names.map((name) => update(id, (stored) => ({ ...stored, [name]: 1 }))));
    expect(await get(store, id)).toMatchObject(Object.fromEntries(names.map((name) => [name, 1])));
  });

  test("destroyed while it is changed it stays gone", async () => {
    const { store, update, id } = await start();
    const [, changed] = await Promise.all([
      update(id, () => null),
      update(id, (stored) => ({ ...stored, note: "late" })),
    ]);
    expect([(await get(store, id)) ?? undefined, changed === undefined || "note" in changed]).toEqual([
      undefined,
      true,
    ]);
  });

  test("a keeper changes it so, and knows that nobody comes in between", async () => {
    const { store, id } = await start();
    const keeper = new Keeper(store, {
      clock: Date.now,
      lock: undefined,
      limits: undefined,
      warn: () => expect.fail(),
    });
    expect(keeper.mayCollide()).toBe(false);
    await Promise.all([1, 2, 3].map((n) => keeper.update(id, (stored) => ({ ...stored, [`n${n}`]: n }))));
    expect(await keeper.read(id)).toMatchObject({ n1: 1, n2: 2, n3: 3 });
    expect(await keeper.remove(id, () => false)).toMatchObject({ stays: true, last: { n1: 1 } });
    expect(await keeper.remove(id, () => true)).toMatchObject({ stays: false, last: { n1: 1 } });
    expect(await get(store, id)).toBeFalsy();
  });
}

async function openFor(url: string): Promise<Store> {
  const { store, opened, close } = openStore(url, (line) => expect.fail(line));
  onTestFinished(close);
  await opened;
  return store;
}

describeWithRedis("an update in Redis", (redis) => {
  const open = async (): Promise<Bench & { client: Client }> => {
    const store = await openFor(redis().url);
    return { store, update: redisUpdate(store), client: (store as unknown as { client: Client }).client };
  };
  interface Client {
    ttl(key: string): Promise<number>;
    exists(key: string): Promise<number>;
  }

  contract(open);

  describe("gives a session the life that connect-redis would", () => {
    test.each<[string, object, object, number]>([
      ["of its cookie", {}, { expires: 600 }, 600],
      ["of the store, where the cookie says nothing", { ttl: 300 }, {}, 300],
      ["of the store's function", { ttl: () => 200 }, { expires: 600 }, 200],
      ["for ever, where the store has it so", { disableTTL: true }, { expires: 600 }, -1],
    ])("%s", async (_name, settings, { expires }: { expires?: number }, seconds) => {
      const { store, update, client } = await open();
      const id = randomUUID();
      Object.assign(store, settings);
      const cookie = expires === undefined ? new session.Cookie() : inSeconds(expires);
      await set(store, id, { cookie });
      await update(id, (stored) => ({ ...stored, note: "changed" }));
      const left = await client.ttl(`portal-session:${id}`);
      expect(left).toBeLessThanOrEqual(seconds);
      expect(left).toBeGreaterThan(seconds - 30);
    });

    test("none, where its end has passed", async () => {
      const { store, update, client } = await open();
      const id = randomUUID();
      await set(store, id, { cookie: inSeconds(60) });
      await update(id, (stored) => ({ ...stored, cookie: inSeconds(-1) }));
      expect(await client.exists(`portal-session:${id}`)).toBe(0);
    });
  });
});

describeWithPostgres("an update in PostgreSQL", (postgres) => {
  const open = async (): Promise<Bench> => {
    const store = await openFor(postgres().url);
    return { store, update: postgresUpdate(store) };
  };
  contract(open);

  /** The end in the table, in seconds from now. */
  const endOf = async (store: Store, id: string): Promise<number> => {
    const { query } = store as unknown as { query(text: string, values: unknown[], done: never): void };
    const text = "SELECT extract(epoch FROM expire - now()::timestamp) AS left FROM session WHERE sid = $1";
    const row = await promised<{ left: string }>((done) => query.call(store, text, [id], done as never));
    return Number(row?.left);
  };

  test.each<[string, object, number | undefined, number]>([
    ["until its cookie ends", {}, 600, 600],
    ["for the store's time, where the cookie says nothing", { ttl: 300 }, undefined, 300],
    ["for a day, where nobody says anything", { ttl: undefined }, undefined, 86_400],
  ])("lets a session live %s", async (_name, settings, expires, seconds) => {
    const { store, update } = await open();
    const id = randomUUID();
    Object.assign(store, settings);
    await set(store, id, { cookie: expires === undefined ? new session.Cookie() : inSeconds(expires) });
    await update(id, (stored) => ({ ...stored, note: "changed" }));
    const left = await endOf(store, id);
    expect(left).toBeLessThanOrEqual(seconds + 1);
    expect(left).toBeGreaterThan(seconds - 30);
  });

  test("does not find one whose end has passed", async () => {
    const { store, update } = await open();
    const id = randomUUID();
    await set(store, id, { cookie: inSeconds(60) });
    await update(id, (stored) => ({ ...stored, cookie: inSeconds(-2) }));
    expect(await update(id, (stored) => ({ ...stored, note: "late" }))).toBeUndefined();
  });
});
