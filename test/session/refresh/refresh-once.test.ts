import session from "express-session";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../../lib/errors.js";
import { tellNobody } from "../../../lib/events.js";
import { Keeper } from "../../../lib/session/keeper.js";
import { createRefreshOnce, type RefreshOnce } from "../../../lib/session/refresh/refresh-once.js";
import { KeptPortalSession, type PortalSession } from "../../../lib/session/stored.js";
import { AnotherStore } from "../../support/another-store.js";
import {
  advance,
  CLAIM_MS,
  connect,
  createProvider,
  failureOf,
  ID,
  refreshInProcess,
  refreshOf,
  settled,
  startSession,
  token,
  useFakeTime,
} from "./setup.js";

beforeEach(useFakeTime);

test("requests that need a refresh while one runs share it, in this process and in others", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createProvider();
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

test("events report who refreshed, who joined, and who waited for another process", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  const events: string[] = [];
  const [here, there] = ["here", "there"].map((process) =>
    createRefreshOnce((name, tell) => void events.push(`${process} ${name} ${JSON.stringify(tell())}`)),
  ) as [RefreshOnce, RefreshOnce];
  const first = here(ID, refreshOf(keeper, renew));
  await arrived(1);
  const all = [first, ...[here, there].map((refreshOnce) => refreshOnce(ID, refreshOf(keeper, renew)))];
  await advance(1000);
  waiting[0]?.resolve({ tokens: token("1") });
  await advance(1000);
  await Promise.all(all);
  const withoutNumbers = events.map((line) => line.replace(/\d+\.\d+|\b\d{2,}\b/g, "…"));
  expect(withoutNumbers).toEqual([
    'here refresh.joined {"refresh":1}',
    'here refresh.done {"refresh":1,"took":…,"rotated":true}',
    'there lock.waited {"refresh":1,"waited":…,"renewed":true}',
  ]);
});

test("an event reports how each refresh ends, also if none is needed, or the session has ended", async () => {
  const { keeper } = await startSession();
  const { renew } = createProvider();
  const events: string[] = [];
  const once = createRefreshOnce((name, tell) => void events.push(`${name} ${JSON.stringify(tell())}`));
  const enough = { ...refreshOf(keeper, renew), isEnough: () => true };
  await Promise.all([once(ID, enough), once(ID, enough)]);
  await keeper.update(ID, ({ portal: _, ...rest }) => rest as never);
  await failureOf(once(ID, refreshOf(keeper, renew)));
  expect(events.map((line) => line.replace(/\d+\.\d+|"took":\d+|"waited":\d+/g, "…"))).toEqual([
    'refresh.joined {"refresh":1}',
    expect.stringMatching(/^lock\.waited \{"refresh":1,.*"renewed":true\}$/),
    expect.stringMatching(
      /^refresh\.failed \{"refresh":2,"code":"login_required","status":401,.*"ends_session":false\}$/,
    ),
  ]);
});

test("a process refreshes what is stored when it claims the login", async () => {
  const { keeper, change } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  await change({ tokens: token("9") });
  const work = refreshInProcess(keeper, renew);
  await arrived(1);
  expect(waiting[0]?.with.tokens.refresh_token).toBe("refresh 9");
  waiting[0]?.resolve({ tokens: token("10") });
  await settled(work);
});

test.each([
  ["is confirmed meanwhile counts", true],
  ["is not confirmed yet does not count", false],
])("a login that an application has just moved, and that %s", async (_which, isConfirmed) => {
  const { keeper, read, change } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  await change({ unconfirmed: true });
  const refreshed = refreshInProcess(keeper, renew);
  await arrived(1);
  if (isConfirmed) await change({ unconfirmed: undefined } as never);
  waiting[0]?.resolve({ tokens: token("1") });
  await advance(1000);
  await refreshed;
  const { portal } = (await read()) ?? {};
  expect([portal?.version, portal?.unconfirmed]).toEqual([2, isConfirmed ? undefined : true]);
});

test("a change that a request makes meanwhile stays", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  const work = refreshInProcess(keeper, renew);
  await arrived(1);
  await settled(keeper.update(ID, (stored) => ({ ...stored, cart: "two books" })));
  waiting[0]?.resolve({ tokens: token("1") });
  await settled(work);
  expect(await read()).toMatchObject({ cart: "two books", portal: { version: 2 } });
});

describe("two processes that share a store of another kind, while the lock is down,", () => {
  async function startTwo() {
    const documents = new Map<string, string>();
    const lock = () => Promise.reject(new Error("down"));
    const options = { clock: Date.now, lock, limits: undefined, warn: () => {} };
    const keepers = [0, 1].map(() => new Keeper(new AnotherStore(documents), options));
    const portal = new KeptPortalSession({ tokens: token("0"), claims: { sub: "amara" }, version: 1 } as PortalSession);
    documents.set(ID, JSON.stringify({ cookie: new session.Cookie(), portal }));
    const { renew, waiting, arrived } = createProvider();
    const asking = keepers.map((keeper) => refreshInProcess(keeper, renew));
    return { documents, renew, waiting, arrived, asking };
  }

  test("cause one refresh: each looks again whether its own claim is stored", async () => {
    const { renew, waiting, asking } = await startTwo();
    await advance(1000);
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(1000);
    expect(renew).toHaveBeenCalledOnce();
    for (const { tokens } of await Promise.all(asking)) expect(tokens).toEqual(token("1"));
  });
});

describe("while two processes may write at the same moment, as the lock is down,", () => {
  async function startColliding() {
    const started = await startSession();
    Object.assign(started.keeper, { mayCollide: () => true });
    return { ...started, ...createProvider() };
  }

  test("the provider is asked only when the claim is still stored after other writes have arrived", async () => {
    const { keeper, renew, waiting, arrived } = await startColliding();
    const work = refreshInProcess(keeper, renew);
    await advance(50);
    expect(renew).not.toHaveBeenCalled();
    await advance(100);
    await arrived(1);
    waiting[0]?.resolve({ tokens: token("1") });
    await advance(200);
    expect((await work).tokens).toEqual(token("1"));
  });

  test("the claim of another process that has replaced it is respected", async () => {
    const { keeper, change, renew, arrived } = await startColliding();
    refreshInProcess(keeper, renew).catch(() => {});
    await advance(50);
    await change({ refreshing: { id: "another process.1", claimed_at: Date.now() } });
    await advance(CLAIM_MS - 1000);
    expect(renew).not.toHaveBeenCalled();
    await advance(2000);
    await arrived(1);
  });

  test("a claim that was overwritten is made again", async () => {
    const { keeper, change, renew, arrived } = await startColliding();
    refreshInProcess(keeper, renew).catch(() => {});
    await advance(50);
    await change({ refreshing: undefined as never });
    await advance(60); // when the first claim would have counted
    expect(renew).not.toHaveBeenCalled();
    await advance(1000);
    await arrived(1);
  });

  test("a session that has ended meanwhile is not refreshed", async () => {
    const { keeper, renew } = await startColliding();
    const work = failureOf(refreshInProcess(keeper, renew));
    await advance(50);
    await settled(keeper.remove(ID, () => true));
    await advance(500);
    expect(await work).toMatchObject({ code: "login_required", detail: "the session has ended" });
    expect(renew).not.toHaveBeenCalled();
  });
});

test("a session that has lost its login is not refreshed", async () => {
  const { keeper } = await startSession();
  await settled(keeper.update(ID, ({ portal: _, ...others }) => others as never));
  const { renew } = createProvider();
  const failure = await settled(failureOf(refreshInProcess(keeper, renew)));
  expect(failure).toMatchObject({ code: "login_required", detail: "the session has ended" });
  expect(renew).not.toHaveBeenCalled();
});

test("a session that ends during the refresh stays gone, and its new tokens are passed on to be revoked", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  const onOrphan = vi.fn();
  const work = failureOf(refreshInProcess(keeper, renew, { onOrphan }));
  await arrived(1);
  await settled(keeper.remove(ID, () => true));
  waiting[0]?.resolve({ tokens: token("1") });
  const detail = "the session was ended during the refresh";
  expect(await settled(work)).toMatchObject({ code: "login_required", detail });
  expect(onOrphan).toHaveBeenCalledExactlyOnceWith(token("1"));
  expect(await read()).toBeUndefined();
});

test("a refresh token that has not rotated is not revoked if its session ends: another session may use it", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  const onOrphan = vi.fn();
  const work = failureOf(refreshInProcess(keeper, renew, { onOrphan }));
  await arrived(1);
  await settled(keeper.remove(ID, () => true));
  waiting[0]?.resolve({ tokens: token("1", { refresh_token: "refresh 0" }) });
  expect((await settled(work)).code).toBe("login_required");
  expect(onOrphan).not.toHaveBeenCalled();
});

test("a failure that comes with tokens is thrown after they are saved", async () => {
  const { keeper, read } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  const failure = new PortalAuthError("hook_failed");
  const work = failureOf(refreshInProcess(keeper, renew));
  await arrived(1);
  await advance(5000);
  waiting[0]?.resolve({ tokens: token("1"), failure });
  expect(await settled(work)).toBe(failure);
  // the access token is the old one, so the time when it was obtained stays
  const stored = await read();
  expect(stored).toMatchObject({ portal: { tokens: token("1"), version: 1, obtained_at: 0 } });
  expect(stored?.portal).not.toHaveProperty("refreshing");
});

describe("a store that fails", () => {
  async function startFailing() {
    const { keeper, read } = await startSession();
    const { renew, waiting, arrived } = createProvider();
    const connection = connect(keeper);
    const work = refreshInProcess(connection.keeper, renew);
    work.catch(() => {});
    await arrived(1);
    connection.isCut = true;
    waiting[0]?.resolve({ tokens: token("1") });
    return { read, renew, connection, work };
  }

  test("after the provider has answered is asked again, so that the new refresh token is not lost", async () => {
    const { read, renew, connection, work } = await startFailing();
    await advance(20_000);
    connection.isCut = false;
    await advance(3000);
    expect((await work).tokens).toEqual(token("1"));
    expect(await read()).toMatchObject({ portal: { tokens: token("1") } });
    expect(renew).toHaveBeenCalledOnce();
  });

  test("for longer than half a minute is reported", async () => {
    const { work } = await startFailing();
    await advance(35_000);
    const detail = "new tokens could not be kept";
    expect(await failureOf(work)).toMatchObject({ code: "session_store_failed", detail });
  });
});

test("the age of a refresh is known to the process that runs it", async () => {
  const { keeper } = await startSession();
  const { renew, waiting, arrived } = createProvider();
  const process = createRefreshOnce(tellNobody);
  expect(process.ageMs(ID)).toBe(0);
  const work = process(ID, refreshOf(keeper, renew));
  await arrived(1);
  await advance(3000);
  expect(process.ageMs(ID)).toBeGreaterThanOrEqual(3000);
  waiting[0]?.resolve({ tokens: token("1") });
  await settled(work);
  expect(process.ageMs(ID)).toBe(0);
});
