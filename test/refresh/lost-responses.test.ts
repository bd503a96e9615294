import { beforeEach, describe, expect, test } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import { createRefreshSingleFlight } from "../../lib/refresh/refresh-single-flight.js";
import type { RecordStore } from "../../lib/store/record-store.js";
import {
  advance,
  createProvider,
  createTask,
  createTokens,
  getFailure,
  ID,
  openLogin,
  REFUSED,
  refreshInNewProcess,
  settled,
  startLogin,
  useFakeTime,
} from "./setup.js";

// The store writes, and its response is lost with the connection. Then node-redis rejects. ioredis repeats
// the command, which finds another version or no record.

beforeEach(useFakeTime);

interface Client {
  /** The reaction of the client to a lost response. */
  readonly reaction: string;
  readonly rejects: boolean;
}

const CLIENTS: Client[] = [
  { reaction: "rejects", rejects: true },
  { reaction: "repeats the command", rejects: false },
];

describe.each(CLIENTS)("if a response of the store is lost, and the client $reaction,", ({ rejects }) => {
  async function start() {
    const { records, login, read, change } = await startLogin();
    let beforeLoss: (() => unknown) | undefined;
    /** Called after a write of the store. Returns the response that the client gets. */
    async function respond<T>(first: T, repeated: T): Promise<T> {
      const work = beforeLoss;
      beforeLoss = undefined;
      await work?.();
      if (work && rejects) throw new Error("ECONNRESET");
      return work ? repeated : first;
    }
    const unreliable = {
      read: (key) => records.read(key),
      replace: async (...args) => respond(await records.replace(...args), false),
      remove: async (...args) => respond(await records.remove(...args), undefined),
      index: records.index,
    } satisfies Partial<RecordStore>;
    const process = createRefreshSingleFlight(emitNothing);
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const refresh = () =>
      process(ID, createTask(openLogin(unreliable as unknown as RecordStore), sendRefresh));
    return {
      ...{ login, read, change, process, refresh, sendRefresh, pending, waitForRequests },
      isLost: () => beforeLoss === undefined,
      /** Loses the response to the next write, after some work. */
      loseNext(work: () => unknown = () => {}) {
        beforeLoss = work;
      },
    };
  }

  test("the process recognizes its own claim, and refreshes the login once", async () => {
    const { read, refresh, loseNext, isLost, sendRefresh, pending, waitForRequests } = await start();
    loseNext();
    if (rejects) expect((await settled(getFailure(refresh()))).message).toBe("ECONNRESET");
    const work = refresh();
    await waitForRequests(1);
    pending[0]?.resolve({ tokens: createTokens("1") });
    expect((await settled(work)).tokens).toEqual(createTokens("1"));
    const stored = await read();
    expect(stored).toMatchObject({ tokens: createTokens("1"), version: 2 });
    expect(stored).not.toHaveProperty("refreshing");
    expect([sendRefresh.mock.calls.length, isLost()]).toEqual([1, true]);
  });

  /** Starts a refresh. The response to the next write is lost. */
  async function startRefresh() {
    const started = await start();
    const work = started.refresh();
    work.catch(() => {});
    await started.waitForRequests(1);
    started.loseNext();
    return { ...started, work };
  }

  test("new tokens are stored once", async () => {
    const { read, work, pending, isLost } = await startRefresh();
    pending[0]?.resolve({ tokens: createTokens("1") });
    await advance(100);
    expect(await work).toMatchObject({ tokens: createTokens("1"), version: 2 });
    const stored = await read();
    expect(stored).toMatchObject({ tokens: createTokens("1"), version: 2 });
    expect(stored).not.toHaveProperty("refreshing");
    expect(isLost()).toBe(true);
  });

  test.each([
    ["has rotated", createTokens("0", { refresh_token: "refresh 1" })],
    ["is the old one", createTokens("0")],
  ])("a failure is thrown after its refresh token, which %s, is stored", async (_case, tokens) => {
    const { read, work, pending, isLost } = await startRefresh();
    const failure = new PortalAuthError("hook_failed");
    pending[0]?.resolve({ tokens, failure });
    await advance(100);
    expect(await getFailure(work)).toBe(failure);
    const stored = await read();
    expect(stored).toMatchObject({ tokens, version: 1 });
    expect(stored).not.toHaveProperty("refreshing");
    expect(isLost()).toBe(true);
  });

  test("newer tokens of another process are not overwritten", async () => {
    const newer = { tokens: createTokens("2"), version: 3 };
    const { change, read, work, pending, isLost, loseNext } = await startRefresh();
    loseNext(() => change(newer));
    pending[0]?.resolve({ tokens: createTokens("1") });
    await advance(100);
    expect(await work).toMatchObject(newer);
    expect(await read()).toMatchObject(newer);
    expect(isLost()).toBe(true);
  });

  test("a claim is released, so another process tries at once", async () => {
    const { login, read, process, sendRefresh, work, pending, waitForRequests, isLost } =
      await startRefresh();
    pending[0]?.reject(new Error("no response"));
    await getFailure(work);
    await advance(100);
    await process.waitForAll();
    expect([await read(), isLost()]).toEqual([
      expect.not.objectContaining({ refreshing: expect.anything() }),
      true,
    ]);
    refreshInNewProcess(login, sendRefresh).catch(() => {});
    await waitForRequests(2);
  });

  test("a refused refresh token ends the login", async () => {
    const { read, refresh, work, pending, sendRefresh, isLost } = await startRefresh();
    pending[0]?.reject(REFUSED);
    const failure = await settled(getFailure(work));
    expect(rejects ? failure.message : failure).toBe(rejects ? "ECONNRESET" : REFUSED);
    expect([await read(), isLost()]).toEqual([undefined, true]);
    expect(await settled(getFailure(refresh()))).toMatchObject({ code: "login_required" });
    expect(sendRefresh).toHaveBeenCalledOnce();
  });
});
