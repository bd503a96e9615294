import session, { type SessionData } from "express-session";
import { describe, expect, test } from "vitest";
import { Keeper } from "../../lib/session/keeper.js";
import { promised } from "../../lib/session/update.js";

const ID = "the-session";

/** A store of a kind that we do not know, whose touch reads a session and writes it back, as one that keeps files does. */
class FileStore extends session.Store {
  readonly files = new Map<string, string>();
  /** Called between the two. */
  meanwhile = async () => {};

  get(id: string, done: (error: unknown, data?: SessionData | null) => void) {
    const text = this.files.get(id);
    process.nextTick(done, null, text && JSON.parse(text));
  }

  set(id: string, data: SessionData, done?: () => void) {
    this.files.set(id, JSON.stringify(data));
    process.nextTick(done ?? (() => {}));
  }

  destroy(id: string, done?: () => void) {
    this.files.delete(id);
    process.nextTick(done ?? (() => {}));
  }

  override touch(id: string, data: SessionData, done?: () => void) {
    this.get(id, async (_error, stored) => {
      await this.meanwhile();
      if (stored) this.set(id, { ...stored, cookie: data.cookie }, done);
      else done?.();
    });
  }
}

async function start(store = new FileStore()) {
  const keeper = new Keeper(store, { clock: Date.now, lock: undefined, limits: undefined, warn: () => {} });
  const portal = { tokens: { access_token: "x" }, version: 1 };
  const data = { cookie: new session.Cookie(), portal } as unknown as SessionData;
  await promised((done) => store.set(ID, data, done));
  return { store, keeper, data };
}

/** A touch that has read and not written yet, until it is told to go on. */
async function touching() {
  const { store, keeper, data } = await start();
  let goOn = () => {};
  const hasRead = new Promise<void>((resolve) => {
    store.meanwhile = () => {
      resolve();
      return new Promise((released) => {
        goOn = released;
      });
    };
  });
  const touch = promised((done) => store.touch(ID, data, done));
  await hasRead;
  const finish = async () => {
    await new Promise((resolve) => setImmediate(resolve)); // time enough for what was begun meanwhile, were it let
    goOn();
    await touch;
  };
  return { store, keeper, finish };
}

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
    const { store, keeper, data } = await start();
    data.cookie.maxAge = 60_000;
    await promised((done) => store.touch(ID, data, done));
    expect((await keeper.read(ID))?.cookie).toMatchObject({ originalMaxAge: 60_000 });
  });
});
