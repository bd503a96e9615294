import { beforeEach, describe, expect, test, vi } from "vitest";
import type { TokenSet } from "../../lib/contract/tokens.js";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import { createRefreshSingleFlight } from "../../lib/refresh/refresh-single-flight.js";
import type { RefreshResult, UpdatableLogin } from "../../lib/refresh/refresh-task.js";
import {
  advance,
  CLAIM_MS,
  createConnection,
  createProvider,
  createTask,
  createTokens,
  getFailure,
  ID,
  measure,
  REFUSED,
  refreshInNewProcess,
  settled,
  stall,
  startLogin,
  useFakeTime,
} from "./setup.js";

beforeEach(useFakeTime);

/** The maximum time between two looks at a claim. */
const LOOK_MS = 750;

/**
 * Creates a login with the claim of another process, which was killed or stands still. Then starts a refresh
 * of this process.
 */
async function startWithClaim({ claimedAgoMs = 0, tokens = createTokens("0"), changes = {} } = {}) {
  const { login, read, change, readSpy } = await startLogin(tokens);
  await change({ refreshing: { id: "another process.1", claimed_at: Date.now() - claimedAgoMs } });
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const connection = createConnection(login);
  const work = refreshInNewProcess(connection.login, sendRefresh, changes);
  work.catch(() => {});
  await advance(50);
  return {
    login,
    read,
    change,
    readSpy,
    connection,
    sendRefresh,
    pending,
    waitForRequests,
    work,
    time: measure(work),
  };
}

describe("a claim", () => {
  test("is made after the preparation, and the refresh token is sent in the same tick", async () => {
    const { login } = await startLogin();
    const steps: string[] = [];
    const recordNextTick = () => setImmediate(() => steps.push("another tick"));
    const sendRefresh = vi.fn(() => {
      steps.push("request");
      return Promise.resolve({ tokens: createTokens("1") });
    });
    const update: UpdatableLogin["update"] = async (change) => {
      const updated = await login.update(change);
      if (updated?.refreshing) {
        steps.push("claimed");
        recordNextTick();
      }
      return updated;
    };
    const prepare = async () => {
      await new Promise((done) => setTimeout(done, 3000));
      steps.push("prepared");
      return sendRefresh;
    };
    const work = refreshInNewProcess({ update }, sendRefresh, { prepare });
    await advance(4000);
    expect((await work).version).toBe(2);
    expect(steps.slice(0, 3)).toEqual(["prepared", "claimed", "request"]);
  });

  test("is not made if the preparation fails, and its error is thrown", async () => {
    const { login, read } = await startLogin();
    const { sendRefresh } = createProvider();
    const down = new PortalAuthError("portal_unreachable");
    const work = getFailure(refreshInNewProcess(login, sendRefresh, { prepare: () => Promise.reject(down) }));
    expect(await settled(work)).toBe(down);
    expect(await read()).not.toHaveProperty("refreshing");
  });

  test("has its own id, and does not change during the refresh", async () => {
    const { login, read } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const process = createRefreshSingleFlight(emitNothing);
    const claims: unknown[] = [];
    for (const count of [1, 2]) {
      const work = getFailure(process(ID, createTask(login, sendRefresh)));
      await waitForRequests(count);
      const claim = (await read())?.refreshing;
      await advance(19_000);
      expect((await read())?.refreshing).toEqual(claim);
      claims.push(claim?.id);
      pending[count - 1]?.reject(new Error("no response"));
      await settled(work);
    }
    expect(new Set(claims).size).toBe(2);
  });

  test("is released when the provider fails, so the next request of any process tries at once", async () => {
    const { login, read } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const down = new PortalAuthError("portal_unreachable");
    const here = createRefreshSingleFlight(emitNothing);
    const there = createRefreshSingleFlight(emitNothing);
    for (const [count, process] of [here, here, there].entries()) {
      const work = getFailure(process(ID, createTask(login, sendRefresh)));
      await vi.advanceTimersByTimeAsync(0);
      await waitForRequests(count + 1);
      pending[count]?.reject(down);
      expect(await settled(work)).toBe(down);
      const stored = await read();
      expect(stored).toMatchObject({ version: 1, tokens: createTokens("0") });
      expect(stored).not.toHaveProperty("refreshing");
    }
  });

  test("is released even if the store fails at first, and waitForAll() waits for that", async () => {
    const { login, read } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const connection = createConnection(login);
    const process = createRefreshSingleFlight(emitNothing);
    const work = getFailure(process(ID, createTask(connection.login, sendRefresh)));
    await waitForRequests(1);
    connection.isDown = true;
    pending[0]?.reject(new Error("no response"));
    await settled(work);
    const waitingForAll = measure(process.waitForAll());
    await advance(3000);
    expect([waitingForAll.tookMs, (await read())?.refreshing]).toEqual([undefined, expect.anything()]);
    connection.isDown = false;
    await advance(3000);
    expect([waitingForAll.tookMs, (await read())?.refreshing]).toEqual([expect.any(Number), undefined]);
  });

  test.each<[string, (connection: { responseDelayMs: number }) => void]>([
    [
      "the store responds after 6 s",
      (connection) => {
        connection.responseDelayMs = 6000;
      },
    ],
    ["this process stands still for 6 s before it reads the response", () => setTimeout(stall, 50, 6000)],
  ])("is released and made again if %s", async (_why, slowDown) => {
    const { login } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const connection = createConnection(login);
    connection.responseDelayMs = 100;
    const claims: string[] = [];
    const { update } = connection.login;
    const observed = Object.assign(connection.login, {
      update: async (...args: Parameters<typeof update>) => {
        const updated = await update(...args);
        if (updated?.refreshing) claims.push(updated.refreshing.id);
        return updated;
      },
    });
    const prepare = async () => {
      slowDown(connection); // The next call is the claim.
      return sendRefresh;
    };
    refreshInNewProcess(observed, sendRefresh, { prepare }).catch(() => {});
    await advance(4000);
    connection.responseDelayMs = 0; // The next claim has no delay.
    await advance(4000);
    await waitForRequests(1);
    expect(new Set(claims).size).toBe(2);
    expect(pending[0]?.login.refreshing?.id).toBe(claims[1]);
  });

  /** Lets the store write the claim, and loses its response with the connection. */
  async function loseResponse() {
    const { login, read } = await startLogin();
    const provider = createProvider();
    const connection = createConnection(login);
    const { update } = connection.login;
    const loseConnection = async (...args: Parameters<typeof update>) => {
      await update(...args);
      connection.isDown = true;
      Object.assign(connection.login, { update });
      throw new Error("ECONNRESET");
    };
    const prepare = async () => {
      Object.assign(connection.login, { update: loseConnection });
      return provider.sendRefresh;
    };
    const process = createRefreshSingleFlight(emitNothing);
    const failure = await settled(
      getFailure(process(ID, createTask(connection.login, provider.sendRefresh, { prepare }))),
    );
    expect(failure.message).toBe("ECONNRESET");
    expect((await read())?.refreshing).toBeDefined();
    return { login, read, connection, process, ...provider };
  }

  test("whose response was lost is made again at once by the same process", async () => {
    const { login, process, sendRefresh, pending, waitForRequests } = await loseResponse();
    const again = process(ID, createTask(login, sendRefresh));
    await vi.advanceTimersByTimeAsync(0);
    await waitForRequests(1);
    pending[0]?.resolve({ tokens: createTokens("1") });
    expect((await settled(again)).version).toBe(2);
  });

  test("whose response was lost is released when the store works again", async () => {
    const { read, connection } = await loseResponse();
    connection.isDown = false;
    await advance(3000);
    expect(await read()).not.toHaveProperty("refreshing");
  });
});

describe("the claim of another process", () => {
  test.each([
    ["with the right clock", 0],
    ["with a clock that is an hour ahead", -3_600_000],
    ["with a clock that is minutes behind", 300_000],
  ])("%s is taken over after 30 s of looks, and not before", async (_clock, claimedAgoMs) => {
    const { sendRefresh, pending, waitForRequests, work } = await startWithClaim({ claimedAgoMs });
    await advance(CLAIM_MS - 100);
    expect(sendRefresh).not.toHaveBeenCalled();
    await advance(100 + LOOK_MS);
    await waitForRequests(1);
    pending[0]?.resolve({ tokens: createTokens("1") });
    expect((await settled(work)).version).toBe(2);
  });

  test("lasts longer if PORTAL_HTTP_TIMEOUT is longer", async () => {
    const { sendRefresh, waitForRequests } = await startWithClaim({ changes: { maxRefreshMs: 40_000 } });
    await advance(50_000 - 100);
    expect(sendRefresh).not.toHaveBeenCalled();
    await advance(100 + LOOK_MS);
    await waitForRequests(1);
  });

  test("that is ten minutes old is taken over at once", async () => {
    const { waitForRequests } = await startWithClaim({ claimedAgoMs: 601_000 });
    await waitForRequests(1);
  });

  test("is watched from the start if it was replaced by another claim", async () => {
    const { change, sendRefresh, waitForRequests } = await startWithClaim();
    await advance(20_000);
    await change({ refreshing: { id: "another process.2", claimed_at: Date.now() } });
    await advance(CLAIM_MS - 100);
    expect(sendRefresh).not.toHaveBeenCalled();
    await advance(100 + LOOK_MS);
    await waitForRequests(1);
  });

  test.each<[string, (connection: { responseDelayMs: number }) => Promise<void>]>([
    ["this process", async () => stall(7000)],
    [
      "the store",
      async (connection) => {
        connection.responseDelayMs = 7000;
        await advance(LOOK_MS); // The next look has started.
        connection.responseDelayMs = 0;
        await advance(7000);
      },
    ],
  ])("is watched from the start after %s stood still for 7 s", async (_name, standStill) => {
    const { connection, sendRefresh, waitForRequests } = await startWithClaim();
    await advance(25_000);
    await standStill(connection);
    await advance(CLAIM_MS - 1000);
    expect(sendRefresh).not.toHaveBeenCalled();
    await advance(1000 + 2 * LOOK_MS);
    await waitForRequests(1);
  });

  const createValidTokens = (seconds: number) =>
    createTokens("0", { expires_at: Math.ceil(Date.now() / 1000) + seconds });

  test("is not taken over while the old access token is valid, and at once when it expires", async () => {
    const { sendRefresh, waitForRequests } = await startWithClaim({ tokens: createValidTokens(45) });
    await advance(44_000);
    expect(sendRefresh).not.toHaveBeenCalled();
    await advance(1000 + LOOK_MS);
    await waitForRequests(1);
  });

  test("is taken over if a resource has refused the access token before its expiry", async () => {
    const { waitForRequests } = await startWithClaim({
      tokens: createValidTokens(3600),
      changes: { isAfterRejection: true },
    });
    await advance(CLAIM_MS + LOOK_MS);
    await waitForRequests(1);
  });

  test("is taken over if a resource refuses the token after the refresh has started", async () => {
    const { login, change } = await startLogin(createValidTokens(3600));
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    const { sendRefresh, waitForRequests } = createProvider();
    const process = createRefreshSingleFlight(emitNothing);
    process(ID, createTask(login, sendRefresh)).catch(() => {});
    await advance(CLAIM_MS);
    expect(sendRefresh).not.toHaveBeenCalled();
    process(ID, createTask(login, sendRefresh, { isAfterRejection: true })).catch(() => {});
    await advance(LOOK_MS);
    await waitForRequests(1);
  });

  test("is not taken over if the expiry of the access token is unknown", async () => {
    const { expires_at, ...withoutExpiry } = createTokens("0");
    const { sendRefresh, work } = await startWithClaim({ tokens: withoutExpiry as TokenSet });
    const detail = "another process has not finished its refresh";
    const failure = getFailure(work);
    await advance(3 * CLAIM_MS + LOOK_MS);
    expect(await failure).toMatchObject({ code: "refresh_failed", detail });
    expect(sendRefresh).not.toHaveBeenCalled();
  });

  test("is watched further by the next request after a request has failed", async () => {
    const { login, change } = await startLogin();
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    const { sendRefresh, waitForRequests } = createProvider();
    const connection = createConnection(login);
    const process = createRefreshSingleFlight(emitNothing);
    const first = getFailure(process(ID, createTask(connection.login, sendRefresh)));
    await advance(25_000);
    connection.isDown = true;
    await advance(LOOK_MS);
    expect((await first).message).toBe("ECONNREFUSED");
    connection.isDown = false;
    process(ID, createTask(connection.login, sendRefresh)).catch(() => {});
    await advance(CLAIM_MS - 25_000);
    await waitForRequests(1);
  });

  test("is looked at with growing pauses, but at least once a second", async () => {
    const { readSpy, change, work } = await startWithClaim();
    const countLooks = async (milliseconds: number) => {
      readSpy.mockClear();
      await advance(milliseconds);
      return readSpy.mock.calls.length;
    };
    expect(await countLooks(1000)).toBeGreaterThanOrEqual(4);
    const later = await countLooks(10_000);
    expect(later).toBeGreaterThanOrEqual(10);
    expect(later).toBeLessThanOrEqual(30);
    await change({ version: 2, tokens: createTokens("1"), refreshing: undefined as never });
    await advance(LOOK_MS);
    expect((await work).tokens).toEqual(createTokens("1"));
  });
});

describe("a process that was cut off from the store until another one took over", () => {
  async function startTakeover() {
    const { login, read } = await startLogin();
    const a = createProvider();
    const b = createProvider();
    const connection = createConnection(login);
    const first = refreshInNewProcess(connection.login, a.sendRefresh);
    first.catch(() => {});
    await a.waitForRequests(1);
    connection.isDown = true;
    const second = refreshInNewProcess(login, b.sendRefresh);
    second.catch(() => {});
    await advance(CLAIM_MS + LOOK_MS);
    await b.waitForRequests(1);
    return {
      login,
      read,
      first,
      second,
      /** Sends the provider's response to the first process, which is connected again. */
      async completeFirst(result: RefreshResult) {
        connection.isDown = false;
        a.pending[0]?.resolve(result);
        await advance(2500);
      },
      async completeSecond(tokens: TokenSet) {
        b.pending[0]?.resolve({ tokens });
        await advance(100);
      },
      async refuseSecond() {
        b.pending[0]?.reject(REFUSED);
        await advance(100);
      },
    };
  }

  const createUnrotatedTokens = (name: string) => createTokens(name, { refresh_token: "refresh 0" });
  const failure = new PortalAuthError("hook_failed");

  test.each<[string, (name: string) => TokenSet]>([
    ["", createTokens],
    [", even if the refresh token has not rotated", createUnrotatedTokens],
  ])("does not overwrite the tokens of that process%s", async (_case, tokens) => {
    const { completeFirst, completeSecond, first, second, read } = await startTakeover();
    await completeSecond(tokens("of the second"));
    await completeFirst({ tokens: tokens("of the first") });
    for (const work of [first, second]) expect((await work).tokens).toEqual(tokens("of the second"));
    expect(await read()).toMatchObject({ tokens: tokens("of the second"), version: 2 });
  });

  test.each<[string, (name: string) => TokenSet]>([
    ["", createTokens],
    [", even if the refresh token has not rotated", createUnrotatedTokens],
  ])("saves its tokens if the refresh token of that process is refused%s", async (_case, tokens) => {
    const { completeFirst, refuseSecond, second, read } = await startTakeover();
    await completeFirst({ tokens: tokens("of the first") });
    await refuseSecond();
    expect((await second).tokens).toEqual(tokens("of the first"));
    const stored = await read();
    expect(stored).toMatchObject({ tokens: tokens("of the first"), version: 2 });
    expect(stored).not.toHaveProperty("refreshing");
  });

  test("returns the tokens of that process if its own refresh has failed", async () => {
    const { completeFirst, completeSecond, first, read } = await startTakeover();
    await completeSecond(createTokens("of the second"));
    await completeFirst({ tokens: createTokens("0"), failure });
    expect((await first).tokens).toEqual(createTokens("of the second"));
    expect(await read()).toMatchObject({ tokens: createTokens("of the second"), version: 2 });
  });

  test.each<[string, RefreshResult, version: number]>([
    ["with tokens", { tokens: createTokens("of the first") }, 2],
    ["with a failure", { tokens: createTokens("0", { refresh_token: "refresh of the first" }), failure }, 1],
  ])(
    "does not remove the claim of that process if it reconnects first, %s",
    async (_how, result, version) => {
      const { completeFirst, completeSecond, second, login, read } = await startTakeover();
      await completeFirst(result);
      const third = createProvider();
      const another = refreshInNewProcess(login, third.sendRefresh, {
        hasNewTokens: (stored) => stored.version > version,
      });
      await advance(3000);
      expect(third.sendRefresh).not.toHaveBeenCalled(); // The second refresh still runs.
      await completeSecond(createTokens("of the second"));
      await advance(1000);
      for (const work of [second, another])
        expect((await work).tokens).toEqual(createTokens("of the second"));
      const stored = await read();
      expect(stored).toMatchObject({ tokens: createTokens("of the second"), version: version + 1 });
      expect(stored).not.toHaveProperty("refreshing");
    },
  );
});

describe("a refused refresh token", () => {
  test("ends the login", async () => {
    const { login, read } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const work = getFailure(refreshInNewProcess(login, sendRefresh));
    await waitForRequests(1);
    pending[0]?.reject(REFUSED);
    expect(await settled(work)).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });

  test.each([
    ["another refresh token", { tokens: createTokens("of another") }],
    [
      "another version with the same refresh token",
      { tokens: createTokens("new", { refresh_token: "refresh 0" }), version: 2 },
    ],
  ])("returns the stored login if %s was stored meanwhile", async (_what, newer) => {
    const { login, read, change } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const work = refreshInNewProcess(login, sendRefresh);
    await waitForRequests(1);
    await change(newer);
    pending[0]?.reject(REFUSED);
    expect((await settled(work)).tokens).toEqual(newer.tokens);
    expect(await read()).toMatchObject(newer);
  });

  /** Starts a process that takes a claim over. Then its refresh token is refused. */
  async function refusedAfterTakeover() {
    const { read, change, waitForRequests, pending, work } = await startWithClaim();
    await advance(CLAIM_MS + LOOK_MS);
    await waitForRequests(1);
    pending[0]?.reject(REFUSED);
    return { read, change, work };
  }

  /** Starts a process whose claim another process takes over. Then its refresh token is refused. */
  async function refusedAfterLoss() {
    const { login, read, change } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const work = refreshInNewProcess(login, sendRefresh);
    work.catch(() => {});
    await waitForRequests(1);
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    pending[0]?.reject(REFUSED);
    return { read, change, work };
  }

  /** 30 s for the lifetime of the claim, 30 s to retry saving, 10 s for the last attempt. */
  const CAN_DELIVER_MS = 70_000;

  describe.each([
    ["that took a claim over", refusedAfterTakeover, CAN_DELIVER_MS - CLAIM_MS],
    ["whose claim another process took over", refusedAfterLoss, CAN_DELIVER_MS],
  ])("of a process %s", (_case, startRefused, waitMs) => {
    test("waits for the tokens of the other process, and returns them", async () => {
      const { read, change, work } = await startRefused();
      await advance(waitMs - 5000);
      const newer = { tokens: createTokens("of the other"), version: 2 };
      await change(newer);
      await advance(600);
      expect((await work).tokens).toEqual(createTokens("of the other"));
      expect(await read()).toMatchObject(newer);
    });

    test("ends the login if the other process saves no tokens", async () => {
      const { read, work } = await startRefused();
      const failure = getFailure(work);
      await advance(waitMs - 2000);
      expect(await read()).toBeDefined();
      await advance(3000);
      expect(await failure).toBe(REFUSED);
      expect(await read()).toBeUndefined();
    });
  });

  test("ends the login at once if the claim of the other process is old", async () => {
    const { read, waitForRequests, pending, work } = await startWithClaim({ claimedAgoMs: 601_000 });
    await waitForRequests(1);
    pending[0]?.reject(REFUSED);
    expect(await settled(getFailure(work))).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });
});
