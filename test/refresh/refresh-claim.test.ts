import { beforeEach, describe, expect, test, vi } from "vitest";
import type { TokenSet } from "../../lib/contract/tokens.js";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import { createRefreshSingleFlight } from "../../lib/refresh/refresh-single-flight.js";
import type { RefreshResult, UpdatableLogin } from "../../lib/refresh/refresh-task.js";
import {
  advance,
  CLAIM_MS,
  connect,
  createProvider,
  failureOf,
  ID,
  REFUSED,
  refreshInProcess,
  refreshOf,
  settled,
  standStill,
  startLogin,
  timeOf,
  token,
  useFakeTime,
} from "./setup.js";

beforeEach(useFakeTime);

/** Looks are at most 750 ms apart. */
const LOOK_MS = 750;

/** A login with the claim of a process that was killed, or stands still, and another process that needs tokens. */
async function startWithClaim({ claimedAgoMs = 0, tokens = token("0"), more = {} } = {}) {
  const { login, read, change, looks } = await startLogin(tokens);
  await change({ refreshing: { id: "another process.1", claimed_at: Date.now() - claimedAgoMs } });
  const { renew, waiting, arrived } = createProvider();
  const connection = connect(login);
  const work = refreshInProcess(connection.login, renew, more);
  work.catch(() => {});
  await advance(50);
  return { login, read, change, looks, connection, renew, waiting, arrived, work, time: timeOf(work) };
}

describe("a claim", () => {
  test("is followed by the request to the provider in the same tick, after everything that takes time", async () => {
    const { login } = await startLogin();
    const story: string[] = [];
    const tick = () => setImmediate(() => story.push("another tick"));
    const renew = vi.fn(() => {
      story.push("request");
      return Promise.resolve({ tokens: token("1") });
    });
    const update: UpdatableLogin["update"] = async (change) => {
      const after = await login.update(change);
      if (after?.refreshing) {
        story.push("claimed");
        tick();
      }
      return after;
    };
    const prepare = async () => {
      await new Promise((done) => setTimeout(done, 3000));
      story.push("prepared");
      return renew;
    };
    const work = refreshInProcess({ update }, renew, { prepare });
    await advance(4000);
    expect((await work).version).toBe(2);
    expect(story.slice(0, 3)).toEqual(["prepared", "claimed", "request"]);
  });

  test("is not made while the provider need not be asked: the reason is thrown", async () => {
    const { login, read } = await startLogin();
    const { renew } = createProvider();
    const down = new PortalAuthError("portal_unreachable");
    const work = failureOf(refreshInProcess(login, renew, { prepare: () => Promise.reject(down) }));
    expect(await settled(work)).toBe(down);
    expect(await read()).not.toHaveProperty("refreshing");
  });

  test("has an id of its own, and is never renewed", async () => {
    const { login, read } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const process = createRefreshSingleFlight(emitNothing);
    const claims: unknown[] = [];
    for (const count of [1, 2]) {
      const work = failureOf(process(ID, refreshOf(login, renew)));
      await arrived(count);
      const claim = (await read())?.refreshing;
      await advance(19_000);
      expect((await read())?.refreshing).toEqual(claim);
      claims.push(claim?.id);
      waiting[count - 1]?.reject(new Error("no answer"));
      await settled(work);
    }
    expect(new Set(claims).size).toBe(2);
  });

  test("is released when the provider fails: the next request tries at once, in this process and in another", async () => {
    const { login, read } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const down = new PortalAuthError("portal_unreachable");
    const here = createRefreshSingleFlight(emitNothing);
    const there = createRefreshSingleFlight(emitNothing);
    for (const [count, process] of [here, here, there].entries()) {
      const work = failureOf(process(ID, refreshOf(login, renew)));
      await vi.advanceTimersByTimeAsync(0);
      await arrived(count + 1);
      waiting[count]?.reject(down);
      expect(await settled(work)).toBe(down);
      const stored = await read();
      expect(stored).toMatchObject({ version: 1, tokens: token("0") });
      expect(stored).not.toHaveProperty("refreshing");
    }
  });

  test("is released even if the store fails at that moment, and close() waits for it", async () => {
    const { login, read } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const connection = connect(login);
    const process = createRefreshSingleFlight(emitNothing);
    const work = failureOf(process(ID, refreshOf(connection.login, renew)));
    await arrived(1);
    connection.isCut = true;
    waiting[0]?.reject(new Error("no answer"));
    await settled(work);
    const closed = timeOf(process.waitForAll());
    await advance(3000);
    expect([closed.tookMs, (await read())?.refreshing]).toEqual([undefined, expect.anything()]);
    connection.isCut = false;
    await advance(3000);
    expect([closed.tookMs, (await read())?.refreshing]).toEqual([expect.any(Number), undefined]);
  });

  test.each<[string, (connection: { answersAfterMs: number }) => void]>([
    [
      "the store takes 6 s for its answer",
      (connection) => {
        connection.answersAfterMs = 6000;
      },
    ],
    ["this process stands still for 6 s before it sees the answer", () => setTimeout(standStill, 50, 6000)],
  ])("is released and made again if %s: another process may have watched it", async (_why, slowDown) => {
    const { login } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const connection = connect(login);
    connection.answersAfterMs = 100;
    const claims: string[] = [];
    const { update } = connection.login;
    const watched = Object.assign(connection.login, {
      update: async (...given: Parameters<typeof update>) => {
        const after = await update(...given);
        if (after?.refreshing) claims.push(after.refreshing.id);
        return after;
      },
    });
    const prepare = async () => {
      slowDown(connection); // from the claim on
      return renew;
    };
    refreshInProcess(watched, renew, { prepare }).catch(() => {});
    await advance(4000);
    connection.answersAfterMs = 0; // of the next claim
    await advance(4000);
    await arrived(1);
    expect(new Set(claims).size).toBe(2);
    expect(waiting[0]?.with.refreshing?.id).toBe(claims[1]);
  });

  /** The store has written the claim, and its answer was lost with the connection. */
  async function loseAnswer() {
    const { login, read } = await startLogin();
    const provider = createProvider();
    const connection = connect(login);
    const { update } = connection.login;
    const lost = async (...given: Parameters<typeof update>) => {
      await update(...given);
      connection.isCut = true;
      Object.assign(connection.login, { update });
      throw new Error("ECONNRESET");
    };
    const prepare = async () => {
      Object.assign(connection.login, { update: lost });
      return provider.renew;
    };
    const process = createRefreshSingleFlight(emitNothing);
    const failure = await settled(
      failureOf(process(ID, refreshOf(connection.login, provider.renew, { prepare }))),
    );
    expect(failure.message).toBe("ECONNRESET");
    expect((await read())?.refreshing).toBeDefined();
    return { login, read, connection, process, ...provider };
  }

  test("whose answer was lost is made again at once by the same process", async () => {
    const { login, process, renew, waiting, arrived } = await loseAnswer();
    const again = process(ID, refreshOf(login, renew));
    await vi.advanceTimersByTimeAsync(0);
    await arrived(1);
    waiting[0]?.resolve({ tokens: token("1") });
    expect((await settled(again)).version).toBe(2);
  });

  test("whose answer was lost is released when the store can be reached", async () => {
    const { read, connection } = await loseAnswer();
    connection.isCut = false;
    await advance(3000);
    expect(await read()).not.toHaveProperty("refreshing");
  });
});

describe("the claim of another process", () => {
  test.each([
    ["whose clock is right", 0],
    ["whose clock is an hour ahead", -3_600_000],
    ["whose clock is minutes behind", 300_000],
  ])("%s is taken over after 30 s of looks, and not before", async (_whose, claimedAgoMs) => {
    const { renew, waiting, arrived, work } = await startWithClaim({ claimedAgoMs });
    await advance(CLAIM_MS - 100);
    expect(renew).not.toHaveBeenCalled();
    await advance(100 + LOOK_MS);
    await arrived(1);
    waiting[0]?.resolve({ tokens: token("1") });
    expect((await settled(work)).version).toBe(2);
  });

  test("lasts longer if PORTAL_HTTP_TIMEOUT is longer", async () => {
    const { renew, arrived } = await startWithClaim({ more: { maxRefreshMs: 40_000 } });
    await advance(50_000 - 100);
    expect(renew).not.toHaveBeenCalled();
    await advance(100 + LOOK_MS);
    await arrived(1);
  });

  test("that is ten minutes old was left behind, and is taken over at once", async () => {
    const { arrived } = await startWithClaim({ claimedAgoMs: 601_000 });
    await arrived(1);
  });

  test("is watched anew if it is another claim by then", async () => {
    const { change, renew, arrived } = await startWithClaim();
    await advance(20_000);
    await change({ refreshing: { id: "another process.2", claimed_at: Date.now() } });
    await advance(CLAIM_MS - 100);
    expect(renew).not.toHaveBeenCalled();
    await advance(100 + LOOK_MS);
    await arrived(1);
  });

  test.each<[string, (connection: { answersAfterMs: number }) => Promise<void>]>([
    ["this process", async () => standStill(7000)],
    [
      "the store",
      async (connection) => {
        connection.answersAfterMs = 7000;
        await advance(LOOK_MS); // the next look has begun
        connection.answersAfterMs = 0;
        await advance(7000);
      },
    ],
  ])("is watched anew after %s has stood still for 7 s", async (_what, standsStill) => {
    const { connection, renew, arrived } = await startWithClaim();
    await advance(25_000);
    await standsStill(connection);
    await advance(CLAIM_MS - 1000);
    expect(renew).not.toHaveBeenCalled();
    await advance(1000 + 2 * LOOK_MS);
    await arrived(1);
  });

  const goodFor = (seconds: number) => token("0", { expires_at: Math.ceil(Date.now() / 1000) + seconds });

  test("is not taken over while the old access token is good, and at its end without a further wait", async () => {
    const { renew, arrived } = await startWithClaim({ tokens: goodFor(45) });
    await advance(44_000);
    expect(renew).not.toHaveBeenCalled();
    await advance(1000 + LOOK_MS);
    await arrived(1);
  });

  test("is taken over for an access token that a resource has refused, although it is good", async () => {
    const { arrived } = await startWithClaim({ tokens: goodFor(3600), more: { isAfterRefusal: true } });
    await advance(CLAIM_MS + LOOK_MS);
    await arrived(1);
  });

  test("is taken over for a refused token also if the refresh had begun before the refusal", async () => {
    const { login, change } = await startLogin(goodFor(3600));
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    const { renew, arrived } = createProvider();
    const process = createRefreshSingleFlight(emitNothing);
    process(ID, refreshOf(login, renew)).catch(() => {});
    await advance(CLAIM_MS);
    expect(renew).not.toHaveBeenCalled();
    process(ID, refreshOf(login, renew, { isAfterRefusal: true })).catch(() => {});
    await advance(LOOK_MS);
    await arrived(1);
  });

  test("is not taken over while nobody knows when the access token expires", async () => {
    const { expires_at, ...unknown } = token("0");
    const { renew, work } = await startWithClaim({ tokens: unknown as TokenSet });
    const detail = "another process has not finished its refresh";
    const failure = failureOf(work);
    await advance(3 * CLAIM_MS + LOOK_MS);
    expect(await failure).toMatchObject({ code: "refresh_failed", detail });
    expect(renew).not.toHaveBeenCalled();
  });

  test("does not lose the time that a failed request has watched it", async () => {
    const { login, change } = await startLogin();
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    const { renew, arrived } = createProvider();
    const connection = connect(login);
    const process = createRefreshSingleFlight(emitNothing);
    const first = failureOf(process(ID, refreshOf(connection.login, renew)));
    await advance(25_000);
    connection.isCut = true;
    await advance(LOOK_MS);
    expect((await first).message).toBe("ECONNREFUSED");
    connection.isCut = false;
    process(ID, refreshOf(connection.login, renew)).catch(() => {});
    await advance(CLAIM_MS - 25_000);
    await arrived(1);
  });

  test("is looked at less and less often, but at least once a second", async () => {
    const { looks, change, work } = await startWithClaim();
    const looksIn = async (milliseconds: number) => {
      looks.mockClear();
      await advance(milliseconds);
      return looks.mock.calls.length;
    };
    expect(await looksIn(1000)).toBeGreaterThanOrEqual(4);
    const later = await looksIn(10_000);
    expect(later).toBeGreaterThanOrEqual(10);
    expect(later).toBeLessThanOrEqual(30);
    await change({ version: 2, tokens: token("1"), refreshing: undefined as never });
    await advance(LOOK_MS);
    expect((await work).tokens).toEqual(token("1"));
  });
});

describe("a process that was cut off from the store until another one took over", () => {
  async function takenOver() {
    const { login, read } = await startLogin();
    const [a, b] = [createProvider(), createProvider()];
    const connection = connect(login);
    const first = refreshInProcess(connection.login, a.renew);
    first.catch(() => {});
    await a.arrived(1);
    connection.isCut = true;
    const second = refreshInProcess(login, b.renew);
    second.catch(() => {});
    await advance(CLAIM_MS + LOOK_MS);
    await b.arrived(1);
    return {
      login,
      read,
      first,
      second,
      /** What the provider answers to the first process, which is connected again. */
      async firstHas(renewed: RefreshResult) {
        connection.isCut = false;
        a.waiting[0]?.resolve(renewed);
        await advance(2500);
      },
      async secondHas(tokens: TokenSet) {
        b.waiting[0]?.resolve({ tokens });
        await advance(100);
      },
      async secondIsRefused() {
        b.waiting[0]?.reject(REFUSED);
        await advance(100);
      },
    };
  }

  const sameRefreshToken = (name: string) => token(name, { refresh_token: "refresh 0" });
  const failure = new PortalAuthError("hook_failed");

  test.each<[string, (name: string) => TokenSet]>([
    ["", token],
    [", although the refresh token has not rotated", sameRefreshToken],
  ])("leaves the tokens of that one%s", async (_which, tokens) => {
    const { firstHas, secondHas, first, second, read } = await takenOver();
    await secondHas(tokens("of the second"));
    await firstHas({ tokens: tokens("of the first") });
    for (const one of [first, second]) expect((await one).tokens).toEqual(tokens("of the second"));
    expect(await read()).toMatchObject({ tokens: tokens("of the second"), version: 2 });
  });

  test.each<[string, (name: string) => TokenSet]>([
    ["", token],
    [", although the refresh token has not rotated", sameRefreshToken],
  ])("brings its tokens if that one is refused%s", async (_which, tokens) => {
    const { firstHas, secondIsRefused, second, read } = await takenOver();
    await firstHas({ tokens: tokens("of the first") });
    await secondIsRefused();
    expect((await second).tokens).toEqual(tokens("of the first"));
    const stored = await read();
    expect(stored).toMatchObject({ tokens: tokens("of the first"), version: 2 });
    expect(stored).not.toHaveProperty("refreshing");
  });

  test("returns the tokens of that one if its own refresh has failed", async () => {
    const { firstHas, secondHas, first, read } = await takenOver();
    await secondHas(token("of the second"));
    await firstHas({ tokens: token("0"), failure });
    expect((await first).tokens).toEqual(token("of the second"));
    expect(await read()).toMatchObject({ tokens: token("of the second"), version: 2 });
  });

  test.each<[string, RefreshResult, version: number]>([
    ["with tokens", { tokens: token("of the first") }, 2],
    ["with a failure", { tokens: token("0", { refresh_token: "refresh of the first" }), failure }, 1],
  ])("that comes back first, %s, leaves the claim of that one", async (_how, had, version) => {
    const { firstHas, secondHas, second, login, read } = await takenOver();
    await firstHas(had);
    const third = createProvider();
    const another = refreshInProcess(login, third.renew, {
      hasNewTokens: (stored) => stored.version > version,
    });
    await advance(3000);
    expect(third.renew).not.toHaveBeenCalled(); // one is under way
    await secondHas(token("of the second"));
    await advance(1000);
    for (const one of [second, another]) expect((await one).tokens).toEqual(token("of the second"));
    const stored = await read();
    expect(stored).toMatchObject({ tokens: token("of the second"), version: version + 1 });
    expect(stored).not.toHaveProperty("refreshing");
  });
});

describe("a refused refresh token", () => {
  test("ends the login", async () => {
    const { login, read } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const work = failureOf(refreshInProcess(login, renew));
    await arrived(1);
    waiting[0]?.reject(REFUSED);
    expect(await settled(work)).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });

  test.each([
    ["another refresh token", { tokens: token("of another") }],
    [
      "another version with the same refresh token",
      { tokens: token("new", { refresh_token: "refresh 0" }), version: 2 },
    ],
  ])("does not end it if %s is stored meanwhile: that one is returned", async (_what, newer) => {
    const { login, read, change } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const work = refreshInProcess(login, renew);
    await arrived(1);
    await change(newer);
    waiting[0]?.reject(REFUSED);
    expect((await settled(work)).tokens).toEqual(newer.tokens);
    expect(await read()).toMatchObject(newer);
  });

  /** A process has taken a claim over, and is refused. */
  async function refusedAfterTakeover() {
    const { read, change, arrived, waiting, work } = await startWithClaim();
    await advance(CLAIM_MS + LOOK_MS);
    await arrived(1);
    waiting[0]?.reject(REFUSED);
    return { read, change, work };
  }

  /** A process is refused whose claim another one has taken over. */
  async function refusedAfterLoss() {
    const { login, read, change } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const work = refreshInProcess(login, renew);
    work.catch(() => {});
    await arrived(1);
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    waiting[0]?.reject(REFUSED);
    return { read, change, work };
  }

  const DELIVERS_MS = 70_000; // after it was first seen: 30 s until it is answered, 30 s to save, 10 s for the last try

  describe.each([
    ["which took over from another one", refusedAfterTakeover, DELIVERS_MS - CLAIM_MS],
    ["whose claim another one has taken over", refusedAfterLoss, DELIVERS_MS],
  ])("of a process %s", (_which, refused, waitsMs) => {
    test("waits for the tokens that the other one may have, and returns them", async () => {
      const { read, change, work } = await refused();
      await advance(waitsMs - 5000);
      const newer = { tokens: token("of the other"), version: 2 };
      await change(newer);
      await advance(600);
      expect((await work).tokens).toEqual(token("of the other"));
      expect(await read()).toMatchObject(newer);
    });

    test("ends the login if nothing comes", async () => {
      const { read, work } = await refused();
      const failure = failureOf(work);
      await advance(waitsMs - 2000);
      expect(await read()).toBeDefined();
      await advance(3000);
      expect(await failure).toBe(REFUSED);
      expect(await read()).toBeUndefined();
    });
  });

  test("ends the login at once if the other process has left its claim behind long ago", async () => {
    const { read, arrived, waiting, work } = await startWithClaim({ claimedAgoMs: 601_000 });
    await arrived(1);
    waiting[0]?.reject(REFUSED);
    expect(await settled(failureOf(work))).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });
});
