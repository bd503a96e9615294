import session from "express-session";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../../lib/errors.js";
import { tellNobody } from "../../../lib/events.js";
import { Keeper } from "../../../lib/session/keeper.js";
import { MemoryStore } from "../../../lib/session/memory-store.js";
import type { Refresh, Renewed } from "../../../lib/session/refresh/refresh.js";
import { createRefreshOnce, type RefreshOnce } from "../../../lib/session/refresh/refresh-once.js";
import { KeptPortalSession, type PortalSession } from "../../../lib/session/stored.js";
import type { TokenSet } from "../../../lib/tokens.js";
import { AnotherStore } from "../../support/another-store.js";

// Two processes of which each believes to be alone: two of createRefreshOnce(tellNobody), with one store. Time stands still unless told.

const ID = "the-session";
const token = (name: string): TokenSet => ({
  access_token: `access ${name}`,
  token_type: "bearer",
  refresh_token: `refresh ${name}`,
});

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

async function startSession() {
  const store = new MemoryStore();
  const get = vi.spyOn(store, "get");
  const keeper = new Keeper(store, { clock: Date.now, lock: undefined, limits: undefined, warn: () => {} });
  const portal = new KeptPortalSession({
    tokens: token("0"),
    claims: { sub: "amara" },
    started_at: 0,
    issuer: "https://portal.example",
    client_id: "app",
    redirect_uri: "https://app.example/callback",
    version: 1,
    obtained_at: 0,
  });
  const data = { cookie: new session.Cookie(), portal, cart: "book" };
  await settled(new Promise<void>((done) => store.set(ID, data as never, () => done())));
  const read = () => settled(keeper.read(ID));
  return { get, keeper, read };
}

const immediate = setImmediate; // before it is replaced

/** Turns time on in small steps, so that what is begun in one is done before the next. */
async function advance(milliseconds: number): Promise<void> {
  for (let gone = 0; gone < milliseconds; gone += 50) {
    await vi.advanceTimersByTimeAsync(Math.min(50, milliseconds - gone));
    await new Promise((resolve) => immediate(resolve));
  }
}

/** Lets timers that are due run, and those only, until the work is done. */
async function settled<T>(work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  work.then(done, done);
  while (!isDone) await vi.advanceTimersByTimeAsync(0);
  return work;
}

/** Something that another process has written into the stored login. */
const changeLogin = (keeper: Keeper, more: Partial<PortalSession>) =>
  settled(keeper.update(ID, (stored) => ({ ...stored, portal: { ...(stored.portal as PortalSession), ...more } })));

/** A portal that answers when the test says so. */
function createPortal() {
  const waiting: { resolve(renewed: Renewed): void; reject(error: unknown): void; with: PortalSession }[] = [];
  const renew = vi.fn(
    (stored: PortalSession) =>
      new Promise<Renewed>((resolve, reject) => void waiting.push({ resolve, reject, with: stored })),
  );
  return { renew, waiting, arrived: (count: number) => vi.waitFor(() => expect(waiting).toHaveLength(count)) };
}

const REFUSED = new PortalAuthError("refresh_refused");

function refreshOf(keeper: Keeper, renew: Refresh["renew"], than = 1, more: Partial<Refresh> = {}): Refresh {
  return {
    keeper,
    clock: Date.now,
    renewAtMostMs: 60_000,
    isEnough: ({ version }) => version > than,
    endsSession: (error) => error === REFUSED,
    obstacle: () => undefined,
    afterRefusal: false,
    renew,
    onOrphan: () => {},
    ...more,
  };
}

const failureOf = (work: Promise<unknown>): Promise<PortalAuthError> =>
  work.then(
    () => Promise.reject(),
    (error) => error,
  );

test("whoever asks while it is under way shares it, in this process and in others", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const [here, there] = [createRefreshOnce(tellNobody), createRefreshOnce(tellNobody)];
  const all = [here, here, there, there].map((refreshOnce) => refreshOnce(ID, refreshOf(keeper, renew)));
  await arrived(1);
  await advance(1000);
  waiting[0]?.resolve({ tokens: token("1") });
  await advance(1000);
  const outcomes = await Promise.all(all);
  expect(new Set(outcomes.map(({ tokens, version }) => `${tokens.access_token}, ${version}`))).toEqual(
    new Set(["access 1, 2"]),
  );
  expect(renew).toHaveBeenCalledOnce();
  const stored = await read();
  expect(stored).toMatchObject({ cart: "book", portal: { version: 2, tokens: token("1") } });
  expect(stored?.portal).not.toHaveProperty("refreshing");
});

test("it is told who refreshed, who joined, and who waited for another process", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const told: string[] = [];
  const [here, there] = ["here", "there"].map((process) =>
    createRefreshOnce((name, tell) => void told.push(`${process} ${name} ${JSON.stringify(tell())}`)),
  ) as [RefreshOnce, RefreshOnce];
  const first = here(ID, refreshOf(keeper, renew));
  await arrived(1);
  const all = [first, ...[here, there].map((refreshOnce) => refreshOnce(ID, refreshOf(keeper, renew)))];
  await advance(1000);
  waiting[0]?.resolve({ tokens: token("1") });
  await advance(1000);
  await Promise.all(all);
  const numbersLeftOut = told.map((line) => line.replace(/\d+\.\d+|\b\d{2,}\b/g, "…"));
  expect(numbersLeftOut).toEqual([
    'here refresh.joined {"refresh":1}',
    'here refresh.done {"refresh":1,"took":…,"rotated":true}',
    'there lock.waited {"refresh":1,"waited":…,"renewed":true}',
  ]);
});

test("it is told how each ends: also where it is over at once, or the session is", async () => {
  const { keeper } = await startSession();
  const { renew } = createPortal();
  const told: string[] = [];
  const once = createRefreshOnce((name, tell) => void told.push(`${name} ${JSON.stringify(tell())}`));
  const enough = { ...refreshOf(keeper, renew), isEnough: () => true };
  await Promise.all([once(ID, enough), once(ID, enough)]);
  await keeper.update(ID, ({ portal: _, ...rest }) => rest as never);
  await failureOf(once(ID, refreshOf(keeper, renew)));
  expect(told.map((line) => line.replace(/\d+\.\d+|"took":\d+|"waited":\d+/g, "…"))).toEqual([
    'refresh.joined {"refresh":1}',
    expect.stringMatching(/^lock\.waited \{"refresh":1,.*"renewed":true\}$/),
    expect.stringMatching(
      /^refresh\.failed \{"refresh":2,"code":"login_required","status":401,.*"ends_session":false\}$/,
    ),
  ]);
});

test("what is refreshed is what is stored when the claim is held", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  await changeLogin(keeper, { tokens: token("9") });
  const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
  await arrived(1);
  expect(waiting[0]?.with.tokens.refresh_token).toBe("refresh 9");
  waiting[0]?.resolve({ tokens: token("10") });
  await settled(work);
});

test.each([
  ["was confirmed meanwhile counts", true],
  ["is not confirmed yet does not", false],
])("a login that was only just moved, and %s", async (_which, isConfirmed) => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  await changeLogin(keeper, { unconfirmed: true });
  const refreshed = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
  await arrived(1);
  if (isConfirmed) await changeLogin(keeper, { unconfirmed: undefined } as never);
  waiting[0]?.resolve({ tokens: token("1") });
  await advance(1000);
  await refreshed;
  const { portal } = (await read()) ?? {};
  expect([portal?.version, portal?.unconfirmed]).toEqual([2, isConfirmed ? undefined : true]);
});

test("a change that somebody makes meanwhile is not undone by it", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
  await arrived(1);
  await settled(keeper.update(ID, (stored) => ({ ...stored, cart: "two books" })));
  waiting[0]?.resolve({ tokens: token("1") });
  await settled(work);
  expect(await read()).toMatchObject({ cart: "two books", portal: { version: 2 } });
});

describe("the claim", () => {
  test.each([
    ["", 0],
    [", by a clock that is ahead", 20_000],
    [", by a clock that is behind", -20_000],
  ])("is renewed for as long as the portal takes%s", async (_whose, ahead) => {
    const { keeper } = await startSession();
    const [slow, other] = [createPortal(), createPortal()];
    const clock = () => Date.now() + ahead;
    const first = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, slow.renew, 1, { clock }));
    await slow.arrived(1);
    const second = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, other.renew));
    await advance(40_000);
    expect(other.renew).not.toHaveBeenCalled();
    slow.waiting[0]?.resolve({ tokens: token("1") });
    await advance(1000);
    expect((await second).tokens).toEqual((await first).tokens);
  });

  test("that is held for ever is told to those who wait for it, though not before a refresh may take so long", async () => {
    const { keeper } = await startSession();
    const [stuck, other] = [createPortal(), createPortal()];
    createRefreshOnce(tellNobody)(ID, refreshOf(keeper, stuck.renew)).catch(() => {});
    await stuck.arrived(1);
    const second = failureOf(
      createRefreshOnce(tellNobody)(ID, refreshOf(keeper, other.renew, 1, { renewAtMostMs: 60_000 })),
    );
    let isTold = false;
    second.then(() => {
      isTold = true;
    });
    await advance(90_000); // what the portal and the hook may take, and then the store
    expect(isTold).toBe(false);
    await advance(10_000);
    const detail = "another process does not come to an end";
    expect(await settled(second)).toMatchObject({ code: "refresh_failed", detail });
    expect(other.renew).not.toHaveBeenCalled();
  });

  test("of another is looked at more and more seldom, but twice a second at least", async () => {
    const { get, keeper } = await startSession();
    const [slow, other] = [createPortal(), createPortal()];
    const first = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, slow.renew));
    await slow.arrived(1);
    const second = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, other.renew));
    const looksIn = async (milliseconds: number) => {
      get.mockClear();
      await advance(milliseconds);
      return get.mock.calls.length;
    };
    const [atFirst, later] = [await looksIn(1000), await looksIn(10_000)];
    expect(atFirst).toBeGreaterThanOrEqual(4);
    expect(later).toBeGreaterThanOrEqual(10);
    expect(later).toBeLessThanOrEqual(30);
    slow.waiting[0]?.resolve({ tokens: token("1") });
    await advance(1100);
    expect((await second).tokens).toEqual((await first).tokens);
  });

  async function claimedUntil(endsIn: number) {
    const { keeper } = await startSession();
    const refreshing = { by: "a process that was killed", until: Date.now() + endsIn };
    await changeLogin(keeper, { refreshing });
    const { renew, waiting, arrived } = createPortal();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    const succeeds = async () => {
      await arrived(1);
      waiting[0]?.resolve({ tokens: token("1") });
      expect((await settled(work)).version).toBe(2);
    };
    return { renew, succeeds };
  }

  test.each([
    ["of a process whose clock is right", 4000],
    ["of a clock that is an hour ahead", 3_600_000],
    ["of a clock that is minutes behind", -300_000],
  ])("%s that is not renewed any more holds the others up for the lease, and no longer", async (_whose, endsIn) => {
    const { renew, succeeds } = await claimedUntil(endsIn);
    await advance(4900);
    expect(renew).not.toHaveBeenCalled();
    await succeeds();
    expect(performance.now()).toBeLessThan(6000);
  });

  test("is renewed by one write at a time, however slow the store is", async () => {
    const { keeper } = await startSession();
    const { renew, waiting, arrived } = createPortal();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await arrived(1);
    let goOn = () => {};
    const slowly = new Promise<undefined>((resolve) => {
      goOn = () => resolve(undefined);
    });
    const update = vi.spyOn(keeper, "update").mockReturnValueOnce(slowly);
    await advance(9000);
    expect(update).toHaveBeenCalledOnce();
    goOn();
    await advance(2000);
    expect(update).toHaveBeenCalledTimes(2);
    waiting[0]?.resolve({ tokens: token("1") });
    expect((await settled(work)).version).toBe(2);
  });

  describe("of who was cut off from the store for longer, and taken over:", () => {
    async function takenOver() {
      const { keeper, read } = await startSession();
      const [a, b] = [createPortal(), createPortal()];
      let isCut = false;
      const cutOff = {
        open: keeper.open.bind(keeper),
        mayCollide: () => false,
        update: (...given: Parameters<Keeper["update"]>) =>
          isCut ? Promise.reject(new Error("ECONNREFUSED")) : keeper.update(...given),
      } as unknown as Keeper;
      const first = createRefreshOnce(tellNobody)(ID, refreshOf(cutOff, a.renew));
      first.catch(() => {});
      await a.arrived(1);
      isCut = true;
      const second = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, b.renew));
      await advance(6000);
      await b.arrived(1);
      return {
        keeper,
        read,
        first,
        second,
        /** What the portal answers to the one who was cut off, which is connected again. */
        async firstHas(renewed: Renewed) {
          isCut = false;
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

    const sameRefreshToken = (name: string) => ({ ...token(name), refresh_token: token("0").refresh_token as string });
    const failure = new PortalAuthError("hook_failed");

    test.each<[string, (name: string) => TokenSet]>([
      ["", token],
      [", although the refresh token has not rotated", sameRefreshToken],
    ])("the tokens of the successor stay%s", async (_which, tokens) => {
      const { firstHas, secondHas, first, second, read } = await takenOver();
      await secondHas(tokens("of the second"));
      await firstHas({ tokens: tokens("of the first") });
      for (const one of [first, second]) expect((await one).tokens).toEqual(tokens("of the second"));
      expect(await read()).toMatchObject({ portal: { tokens: tokens("of the second"), version: 2 } });
    });

    test("the other's stay when the successor is refused, and its claim does not", async () => {
      const { firstHas, secondIsRefused, second, read } = await takenOver();
      await firstHas({ tokens: token("of the first") });
      await secondIsRefused();
      expect((await second).tokens).toEqual(token("of the first"));
      const stored = await read();
      expect(stored).toMatchObject({ portal: { tokens: token("of the first"), version: 2 } });
      expect(stored?.portal).not.toHaveProperty("refreshing");
    });

    test("they are handed out by the other as well, when that has failed", async () => {
      const { firstHas, secondHas, first, read } = await takenOver();
      await secondHas(token("of the second"));
      await firstHas({ tokens: token("0"), failure });
      expect((await first).tokens).toEqual(token("of the second"));
      expect(await read()).toMatchObject({ portal: { tokens: token("of the second"), version: 2 } });
    });

    test.each<[string, Renewed, version: number]>([
      ["with tokens", { tokens: token("of the first") }, 2],
      ["with a failure", { tokens: { ...token("0"), refresh_token: "refresh of the first" }, failure }, 1],
    ])(
      "the claim of the successor stays when the other is back before it %s, and so do its tokens",
      async (_how, had, version) => {
        const { firstHas, secondHas, second, keeper, read } = await takenOver();
        await firstHas(had);
        const third = createPortal();
        const another = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, third.renew, version));
        await advance(3000);
        expect(third.renew).not.toHaveBeenCalled(); // one is under way
        await secondHas(token("of the second"));
        await advance(1000);
        for (const one of [second, another]) expect((await one).tokens).toEqual(token("of the second"));
        const stored = await read();
        expect(stored).toMatchObject({ portal: { tokens: token("of the second"), version: version + 1 } });
        expect(stored?.portal).not.toHaveProperty("refreshing");
      },
    );
  });

  test("that was left behind long ago holds nobody up", async () => {
    const { succeeds } = await claimedUntil(-601_000);
    await succeeds();
    expect(performance.now()).toBeLessThan(500);
  });

  test("is given back when the portal fails: the next one tries at once", async () => {
    const { keeper, read } = await startSession();
    const { renew, waiting, arrived } = createPortal();
    const down = new PortalAuthError("portal_unreachable");
    const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
    await arrived(1);
    waiting[0]?.reject(down);
    expect(await settled(work)).toBe(down);
    expect(await read()).toMatchObject({ cart: "book", portal: { version: 1, tokens: token("0") } });
    const again = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await vi.advanceTimersByTimeAsync(0);
    await arrived(2);
    waiting[1]?.resolve({ tokens: token("1") });
    await settled(again);
  });
});

describe("while the portal need not be asked", () => {
  const down = new PortalAuthError("portal_unreachable");

  test("no session is claimed, and the reason is told", async () => {
    const { keeper, read } = await startSession();
    const { renew } = createPortal();
    const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew, 1, { obstacle: () => down })));
    expect(await settled(work)).toBe(down);
    expect((await read())?.portal).not.toHaveProperty("refreshing");
    expect(renew).not.toHaveBeenCalled();
  });

  test.each([
    ["as its process may be alive, and bring tokens", -10_000, 5000, 6000],
    ["and holds nobody up when it ended a while ago", -31_000, 0, 500],
  ])("the claim of another is watched %s", async (_why, endsIn, atLeast, atMost) => {
    const { keeper } = await startSession();
    const refreshing = { by: "a process that was killed", until: Date.now() + endsIn };
    await changeLogin(keeper, { refreshing });
    const work = failureOf(
      createRefreshOnce(tellNobody)(ID, refreshOf(keeper, createPortal().renew, 1, { obstacle: () => down })),
    );
    const began = performance.now();
    let took = Number.POSITIVE_INFINITY;
    work.then(() => {
      took = performance.now() - began;
    });
    await advance(7000);
    expect(await settled(work)).toBe(down);
    expect(took).toBeGreaterThanOrEqual(atLeast);
    expect(took).toBeLessThanOrEqual(atMost);
  });

  test("tokens that another process has brought are handed out", async () => {
    const { keeper } = await startSession();
    const { renew } = createPortal();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew, 0, { obstacle: () => down }));
    expect((await settled(work)).version).toBe(1);
  });
});

describe("a refusal for good", () => {
  test("ends the session", async () => {
    const { keeper, read } = await startSession();
    const { renew, waiting, arrived } = createPortal();
    const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
    await arrived(1);
    waiting[0]?.reject(REFUSED);
    expect(await settled(work)).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });

  test("does not end it when somebody has stored another refresh token meanwhile: that one is handed out", async () => {
    const { keeper, read } = await startSession();
    const { renew, waiting, arrived } = createPortal();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await arrived(1);
    const newer = { tokens: token("of another"), version: 2 };
    await changeLogin(keeper, newer);
    waiting[0]?.reject(REFUSED);
    expect((await settled(work)).tokens).toEqual(token("of another"));
    expect(await read()).toMatchObject({ portal: newer });
  });
});

describe("two processes that share a store of another kind, while the lock is down,", () => {
  async function startTwo() {
    const documents = new Map<string, string>();
    const lock = () => Promise.reject(new Error("down"));
    const options = { clock: Date.now, lock, limits: undefined, warn: () => {} };
    const keepers = [0, 1].map(() => new Keeper(new AnotherStore(documents), options));
    const portal = new KeptPortalSession({ tokens: token("0"), claims: { sub: "amara" }, version: 1 } as PortalSession);
    documents.set(ID, JSON.stringify({ cookie: new session.Cookie(), portal }));
    const { renew, waiting, arrived } = createPortal();
    const asking = keepers.map((keeper) => createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
    return { documents, renew, waiting, arrived, asking };
  }

  test("cause one refresh all the same: who claims looks again whose claim has come to stay", async () => {
    const { renew, waiting, asking } = await startTwo();
    await advance(1000);
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(1000);
    expect(renew).toHaveBeenCalledOnce();
    for (const { tokens } of await Promise.all(asking)) expect(tokens).toEqual(token("1"));
  });

  test("lose no session when one of them is refused: the other has a while to keep what it was given", async () => {
    const { documents, waiting, asking } = await startTwo();
    await advance(1000);
    waiting[0]?.reject(REFUSED);
    await advance(5000);
    const { portal, ...rest } = JSON.parse(documents.get(ID) ?? "{}");
    documents.set(ID, JSON.stringify({ ...rest, portal: { ...portal, tokens: token("of the other"), version: 2 } }));
    await advance(1000);
    for (const { tokens } of await Promise.all(asking)) expect(tokens).toEqual(token("of the other"));
  });
});

describe("while two may write at the same moment, as the lock is down", () => {
  async function startColliding() {
    const { keeper, read } = await startSession();
    Object.assign(keeper, { mayCollide: () => true });
    return { keeper, read, ...createPortal() };
  }

  test("the portal is asked once the claim has come to stay", async () => {
    const { keeper, renew, waiting, arrived } = await startColliding();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await advance(50);
    expect(renew).not.toHaveBeenCalled();
    await advance(100);
    await arrived(1);
    waiting[0]?.resolve({ tokens: token("1") });
    expect((await settled(work)).tokens).toEqual(token("1"));
  });

  test.each<[string, Partial<PortalSession>, number]>([
    ["another's claim that came to stay", { refreshing: { by: "another", until: 5000 } }, 1],
    ["a claim that is gone", { refreshing: undefined as never }, 1],
  ])("%s is not passed over", async (_name, more, later) => {
    const { keeper, renew, waiting, arrived } = await startColliding();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await advance(50);
    const { refreshing } = more;
    await changeLogin(keeper, refreshing ? { refreshing: { ...refreshing, until: Date.now() + 5000 } } : more);
    await advance(60); // when ours would have been seen to stay
    expect(renew).not.toHaveBeenCalled();
    await advance(6000); // and the other's is not renewed
    await arrived(later);
    waiting[0]?.resolve({ tokens: token("1") });
    expect((await settled(work)).tokens).toEqual(token("1"));
  });

  test("a session that has ended meanwhile is refreshed no more", async () => {
    const { keeper, renew } = await startColliding();
    const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
    await advance(50);
    await settled(keeper.remove(ID, () => true));
    await advance(500);
    expect(await work).toMatchObject({ code: "login_required", detail: "the session has ended" });
    expect(renew).not.toHaveBeenCalled();
  });
});

test("what has come to an end is renewed no more", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const update = vi.spyOn(keeper, "update");
  const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
  await arrived(1);
  waiting[0]?.resolve({ tokens: token("1") });
  await settled(work);
  update.mockClear();
  await advance(10_000);
  expect(update).not.toHaveBeenCalled();
});

test("a session that has lost its login is refreshed no more", async () => {
  const { keeper } = await startSession();
  await settled(keeper.update(ID, ({ portal: _, ...others }) => others as never));
  const { renew } = createPortal();
  const failure = await settled(failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew))));
  expect(failure).toMatchObject({ code: "login_required", detail: "the session has ended" });
  expect(renew).not.toHaveBeenCalled();
});

test("a refusal to one whose claim was written over waits likewise", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
  await arrived(1);
  const refreshing = { by: "a process that has not seen ours", until: Date.now() + 5000 };
  await changeLogin(keeper, { refreshing });
  waiting[0]?.reject(REFUSED);
  await advance(3000);
  await changeLogin(keeper, { tokens: token("of the other"), version: 2 });
  await advance(600);
  expect((await work).tokens).toEqual(token("of the other"));
  expect(await read()).toMatchObject({ portal: { version: 2 } });
});

describe("a refusal to one who took the claim over from another that was taken for dead", () => {
  /** The first holds the claim but renews it no more, as a process that stands still; the second takes it over. */
  async function takeOver() {
    const { keeper, read } = await startSession();
    const refreshing = { by: "a process that stands still", until: Date.now() + 5000 };
    await changeLogin(keeper, { refreshing });
    const { renew, waiting, arrived } = createPortal();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await advance(6000);
    await arrived(1);
    waiting[0]?.reject(REFUSED);
    return { keeper, read, work };
  }

  test("waits for the tokens that the other may have been given, and hands them out", async () => {
    const { keeper, read, work } = await takeOver();
    await advance(8000);
    const newer = { tokens: token("of the other"), version: 2 };
    await changeLogin(keeper, newer);
    await advance(600);
    expect((await work).tokens).toEqual(token("of the other"));
    expect(await read()).toMatchObject({ portal: newer });
  });

  test("waits for nobody when the other has been dead for minutes", async () => {
    const { keeper, read } = await startSession();
    const refreshing = { by: "a process that was killed", until: Date.now() - 125_000 };
    await changeLogin(keeper, { refreshing });
    const { renew, waiting, arrived } = createPortal();
    const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
    await advance(6000);
    await arrived(1);
    waiting[0]?.reject(REFUSED);
    await advance(100);
    expect(await settled(work)).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });

  test("ends the session when nobody brings any", async () => {
    const { read, work } = await takeOver();
    const failure = failureOf(work);
    await advance(9000);
    expect(await read()).toBeDefined();
    await advance(2000);
    expect(await failure).toBe(REFUSED);
    expect(await read()).toBeUndefined();
  });
});

test("a session that ends during the refresh stays gone, and its new tokens are handed over to be revoked", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const onOrphan = vi.fn();
  const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew, 1, { onOrphan })));
  await arrived(1);
  await settled(keeper.remove(ID, () => true));
  waiting[0]?.resolve({ tokens: token("1") });
  const detail = "the session was ended during the refresh";
  expect(await settled(work)).toMatchObject({ code: "login_required", detail });
  expect(onOrphan).toHaveBeenCalledExactlyOnceWith(token("1"));
  expect(await read()).toBeUndefined();
});

test("a refresh token that has not rotated is no orphan when its session ends: the login may go on elsewhere with it", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const onOrphan = vi.fn();
  const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew, 1, { onOrphan })));
  await arrived(1);
  await settled(keeper.remove(ID, () => true));
  waiting[0]?.resolve({ tokens: { ...token("1"), refresh_token: token("0").refresh_token as string } });
  expect((await settled(work)).code).toBe("login_required");
  expect(onOrphan).not.toHaveBeenCalled();
});

test("a failure that comes with tokens is thrown after they are kept", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createPortal();
  const failure = new PortalAuthError("hook_failed");
  const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
  await arrived(1);
  await advance(5000);
  waiting[0]?.resolve({ tokens: token("1"), failure });
  expect(await settled(work)).toBe(failure);
  // the access token that was kept is the old one: it was obtained when it was, and nobody is to take it for a new one
  const stored = await read();
  expect(stored).toMatchObject({ portal: { tokens: token("1"), version: 1, obtained_at: 0 } });
  expect(stored?.portal).not.toHaveProperty("refreshing");
});

describe("a store that fails", () => {
  /** From now on every read fails, until it is mended. */
  function breakable(store: MemoryStore) {
    let broken = false;
    const get = store.get.bind(store);
    store.get = (id, done) => (broken ? process.nextTick(done, new Error("the store is down")) : get(id, done));
    return (is: boolean) => {
      broken = is;
    };
  }

  async function startBreakable() {
    const store = new MemoryStore();
    const setBroken = breakable(store);
    const keeper = new Keeper(store, { clock: Date.now, lock: undefined, limits: undefined, warn: () => {} });
    const portal = new KeptPortalSession({ tokens: token("0"), claims: { sub: "amara" }, version: 1 } as PortalSession);
    await settled(
      new Promise<void>((done) => store.set(ID, { cookie: new session.Cookie(), portal } as never, () => done())),
    );
    return { keeper, setBroken };
  }

  test("when the portal has answered is asked again, so that the new refresh token is not lost", async () => {
    const { keeper, setBroken } = await startBreakable();
    const { renew, waiting, arrived } = createPortal();
    const work = createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew));
    await arrived(1);
    setBroken(true);
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(20_000);
    setBroken(false);
    await advance(3000);
    expect((await work).tokens).toEqual(token("1"));
    expect(await settled(keeper.read(ID))).toMatchObject({ portal: { tokens: token("1") } });
    expect(renew).toHaveBeenCalledOnce();
  });

  test("for longer than half a minute is told", async () => {
    const { keeper, setBroken } = await startBreakable();
    const { renew, waiting, arrived } = createPortal();
    const work = failureOf(createRefreshOnce(tellNobody)(ID, refreshOf(keeper, renew)));
    await arrived(1);
    setBroken(true);
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(35_000);
    expect(await work).toMatchObject({ code: "session_store_failed", detail: "new tokens could not be kept" });
  });
});
