import session, { type SessionData } from "express-session";
import { describe, expect, test } from "vitest";
import type { Lock } from "../../lib/lock.js";
import { Keeper } from "../../lib/session/keeper.js";
import { KeptPortalSession, type PortalSession } from "../../lib/session/stored.js";
import { promised } from "../../lib/session/update.js";
import { AnotherStore } from "../support/another-store.js";
import { createGate } from "../support/gate.js";

const ID = "the-session";

/** Its touch reads a session and writes it back, as that of a store that keeps files does. */
class FileStore extends AnotherStore {
  /** Called between the two. */
  meanwhile = async () => {};

  override touch(id: string, data: SessionData, done?: () => void) {
    this.get(id, async (_error, stored) => {
      await this.meanwhile();
      if (stored) this.set(id, { ...stored, cookie: data.cookie }, done);
      else done?.();
    });
  }
}

/** Its touch is a set of that very session. */
class TouchSets extends AnotherStore {
  override touch(id: string, data: SessionData, done?: () => void) {
    this.set(id, data, done);
  }
}

async function start<Kind extends AnotherStore>(store: Kind, lock?: Lock) {
  const keeper = new Keeper(store, { clock: Date.now, lock, limits: undefined, warn: () => {} });
  const portal = new KeptPortalSession({ tokens: { access_token: "x" }, version: 1 } as PortalSession, true);
  const data = { cookie: new session.Cookie(), portal } as unknown as SessionData;
  await promised((done) => store.set(ID, data, done));
  return { store, keeper, data };
}

/** As express-session hands it to a request. */
async function load(store: AnotherStore) {
  const stored = await promised<SessionData>((done) => store.get(ID, done as never));
  return loadedFrom(store, stored as SessionData);
}

const loadedFrom = (store: AnotherStore, stored: SessionData) =>
  store.createSession({ sessionID: ID, sessionStore: store } as never, stored);

/** A touch that has read and not written yet, until it is told to go on. */
async function touching() {
  const { store, keeper, data } = await start(new FileStore());
  const [hasRead, released] = [createGate(), createGate()];
  store.meanwhile = () => {
    hasRead.open();
    return released.opened;
  };
  const touch = promised((done) => store.touch(ID, data, done));
  await hasRead.opened;
  const finish = async () => {
    await new Promise((resolve) => setImmediate(resolve)); // time enough for what was begun meanwhile, were it let
    released.open();
    await touch;
  };
  return { store, keeper, finish };
}

test("requests that wait for one connection keep their changes, each to its turn", async () => {
  /** It calls whoever is next from where the one before has ended, as drivers with callbacks do. */
  class OneConnection extends AnotherStore {
    reads = 0;
    readonly #waiting: (() => void)[] = [];
    #isBusy = false;

    #next() {
      const work = this.#waiting.shift();
      this.#isBusy = work !== undefined;
      if (work)
        setImmediate(() => {
          work();
          this.#next();
        });
    }

    #inTurn(work: () => void) {
      this.#waiting.push(work);
      if (!this.#isBusy) this.#next();
    }

    override get(id: string, done: (error: unknown, data?: SessionData | null) => void) {
      this.reads += 1;
      this.#inTurn(() => done(null, JSON.parse(this.files.get(id) ?? "null")));
    }

    override set(id: string, data: SessionData, done?: () => void) {
      const text = JSON.stringify(data);
      this.#inTurn(() => {
        this.files.set(id, text);
        done?.();
      });
    }
  }
  const store = new OneConnection();
  await start(store);
  store.reads = 0;
  const names = Array.from({ length: 10 }, (_, n) => `change${n}`);
  // as express-session does it: what it loads it hands to the request from within the store's callback
  const request = (name: string) =>
    new Promise<void>((resolve) => {
      store.get(ID, (_error, stored) => {
        const loaded = loadedFrom(store, stored as SessionData);
        store.set(ID, Object.assign(loaded, { [name]: 1 }), resolve);
      });
    });
  const [first, ...others] = names;
  const asked = [request(first as string)];
  while (store.reads < 2) await new Promise((resolve) => setImmediate(resolve));
  asked.push(...others.map(request)); // they wait behind what the first does in its turn
  await Promise.all(asked);
  expect(JSON.parse(store.files.get(ID) ?? "{}")).toMatchObject(Object.fromEntries(names.map((name) => [name, 1])));
});

test("a store that destroys what it is to set, as it has ended, takes the lock once", async () => {
  class Ending extends AnotherStore {
    override set(id: string, data: SessionData, done?: () => void) {
      if ((data.cookie.originalMaxAge ?? 1) <= 0) this.destroy(id, done);
      else super.set(id, data, done);
    }
  }
  const locked: string[] = [];
  const { store } = await start(new Ending(), (name, work) => {
    locked.push(name);
    return locked.length > 1 ? new Promise(() => {}) : work(); // whoever asks for it again waits for itself
  });
  locked.length = 0;
  const loaded = await load(store);
  loaded.cookie.maxAge = 0;
  await promised((done) => store.set(ID, loaded, done));
  expect([store.files.size, locked.length]).toEqual([0, 1]);
});

test("a store whose touch is a set of that very session saves one that has not changed", async () => {
  const { store } = await start(new TouchSets());
  const loaded = await load(store);
  await promised((done) => store.set(ID, loaded, done)); // and does not wait for itself
  expect(store.files.size).toBe(1);
});

test("two saves that nobody waits for, and then express-session's touch, hold nobody up in such a store", async () => {
  const { store } = await start(new TouchSets());
  const loaded = await load(store);
  const saves = [{ cart: "a leaf" }, { cart: "book" }].map((change) =>
    promised((done) => store.set(ID, Object.assign(loaded, change), done)),
  );
  await promised((done) => store.touch(ID, loaded, done));
  await Promise.all(saves);
  expect(JSON.parse(store.files.get(ID) ?? "{}")).toMatchObject({ cart: "book" });
});

describe("a store whose touch reads and writes", () => {
  test("undoes no change that is made meanwhile", async () => {
    const { keeper, finish } = await touching();
    const change = keeper.update(ID, (stored) => ({ ...stored, cart: "book" }));
    await finish();
    await change;
    expect(await keeper.read(ID)).toMatchObject({ cart: "book" });
  });

  test("brings no session back that is destroyed meanwhile", async () => {
    const { store, finish } = await touching();
    const destroying = promised((done) => store.destroy(ID, done));
    await finish();
    await destroying;
    expect(store.files.size).toBe(0);
  });

  test("may use its own methods for it, which are ours by now: it does not wait for itself", async () => {
    const { store, keeper, data } = await start(new FileStore());
    data.cookie.domain = "app.example";
    await promised((done) => store.touch(ID, data, done));
    expect((await keeper.read(ID))?.cookie).toMatchObject({ domain: "app.example" });
  });
});
