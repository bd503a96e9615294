import { beforeEach, describe, expect, test } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import { createRefreshSingleFlight } from "../../lib/refresh/refresh-single-flight.js";
import type { RecordStore } from "../../lib/store/record-store.js";
import {
  advance,
  createProvider,
  failureOf,
  ID,
  loginIn,
  REFUSED,
  refreshInProcess,
  refreshOf,
  settled,
  startLogin,
  token,
  useFakeTime,
} from "./setup.js";

// The store writes, and its answer is lost with the connection. node-redis rejects then. ioredis sends the command again,
// and the second one finds another version, or nothing.

beforeEach(useFakeTime);

interface Client {
  /** What the client does when an answer of the store is lost. */
  readonly does: string;
  readonly rejects: boolean;
}

const CLIENTS: Client[] = [
  { does: "rejects", rejects: true },
  { does: "sends the command again", rejects: false },
];

describe.each(CLIENTS)("if the answer of the store is lost, and the client $does,", ({ rejects }) => {
  async function start() {
    const { records, login, read, change } = await startLogin();
    let lose: (() => unknown) | undefined;
    /** Called when the store has written. */
    async function answer<T>(written: T, again: T): Promise<T> {
      const meanwhile = lose;
      lose = undefined;
      await meanwhile?.();
      if (meanwhile && rejects) throw new Error("ECONNRESET");
      return meanwhile ? again : written;
    }
    const cut = {
      read: (key) => records.read(key),
      replace: async (...given) => answer(await records.replace(...given), false),
      remove: async (...given) => answer(await records.remove(...given), undefined),
      index: records.index,
    } satisfies Partial<RecordStore>;
    const process = createRefreshSingleFlight(emitNothing);
    const { renew, waiting, arrived } = createProvider();
    const refresh = () => process(ID, refreshOf(loginIn(cut as unknown as RecordStore), renew));
    return {
      ...{ login, read, change, process, refresh, renew, waiting, arrived },
      isLost: () => lose === undefined,
      /** Loses the answer to the next write. */
      loseNext(meanwhile: () => unknown = () => {}) {
        lose = meanwhile;
      },
    };
  }

  test("a claim counts for this process: the login is refreshed once", async () => {
    const { read, refresh, loseNext, isLost, renew, waiting, arrived } = await start();
    loseNext();
    if (rejects) expect((await settled(failureOf(refresh()))).message).toBe("ECONNRESET");
    const work = refresh();
    await arrived(1);
    waiting[0]?.resolve({ tokens: token("1") });
    expect((await settled(work)).tokens).toEqual(token("1"));
    const stored = await read();
    expect(stored).toMatchObject({ tokens: token("1"), version: 2 });
    expect(stored).not.toHaveProperty("refreshing");
    expect([renew.mock.calls.length, isLost()]).toEqual([1, true]);
  });

  /** The provider has the request, and the answer to the next write is lost. */
  async function startRefresh() {
    const started = await start();
    const work = started.refresh();
    work.catch(() => {});
    await started.arrived(1);
    started.loseNext();
    return { ...started, work };
  }

  test("new tokens are stored once", async () => {
    const { read, work, waiting, isLost } = await startRefresh();
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(100);
    expect(await work).toMatchObject({ tokens: token("1"), version: 2 });
    const stored = await read();
    expect(stored).toMatchObject({ tokens: token("1"), version: 2 });
    expect(stored).not.toHaveProperty("refreshing");
    expect(isLost()).toBe(true);
  });

  test.each([
    ["has rotated", token("0", { refresh_token: "refresh 1" })],
    ["is the old one", token("0")],
  ])(
    "a failure is thrown after the refresh token is stored that came with it, and that %s",
    async (_which, tokens) => {
      const { read, work, waiting, isLost } = await startRefresh();
      const failure = new PortalAuthError("hook_failed");
      waiting[0]?.resolve({ tokens, failure });
      await advance(100);
      expect(await failureOf(work)).toBe(failure);
      const stored = await read();
      expect(stored).toMatchObject({ tokens, version: 1 });
      expect(stored).not.toHaveProperty("refreshing");
      expect(isLost()).toBe(true);
    },
  );

  test("newer tokens stay that another process has stored since", async () => {
    const newer = { tokens: token("2"), version: 3 };
    const { change, read, work, waiting, isLost, loseNext } = await startRefresh();
    loseNext(() => change(newer));
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(100);
    expect(await work).toMatchObject(newer);
    expect(await read()).toMatchObject(newer);
    expect(isLost()).toBe(true);
  });

  test("a claim is released: another process tries at once", async () => {
    const { login, read, process, renew, work, waiting, arrived, isLost } = await startRefresh();
    waiting[0]?.reject(new Error("no answer"));
    await failureOf(work);
    await advance(100);
    await process.waitForAll();
    expect([await read(), isLost()]).toEqual([
      expect.not.objectContaining({ refreshing: expect.anything() }),
      true,
    ]);
    refreshInProcess(login, renew).catch(() => {});
    await arrived(2);
  });

  test("a login whose refresh token was refused has ended", async () => {
    const { read, refresh, work, waiting, renew, isLost } = await startRefresh();
    waiting[0]?.reject(REFUSED);
    const failure = await settled(failureOf(work));
    expect(rejects ? failure.message : failure).toBe(rejects ? "ECONNRESET" : REFUSED);
    expect([await read(), isLost()]).toEqual([undefined, true]);
    expect(await settled(failureOf(refresh()))).toMatchObject({ code: "login_required" });
    expect(renew).toHaveBeenCalledOnce();
  });
});
