import { beforeEach, describe, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import {
  createRefreshSingleFlight,
  type RefreshSingleFlight,
} from "../../lib/refresh/refresh-single-flight.js";
import {
  advance,
  connect,
  createProvider,
  failureOf,
  ID,
  refreshInProcess,
  refreshOf,
  settled,
  startLogin,
  token,
  useFakeTime,
} from "./setup.js";

beforeEach(useFakeTime);

test("requests that need a refresh while one runs share it, in this process and in others", async () => {
  const { login, read } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const [here, there] = [createRefreshSingleFlight(emitNothing), createRefreshSingleFlight(emitNothing)];
  const all = [here, here, there, there].map((refreshOnce) => refreshOnce(ID, refreshOf(login, renew)));
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
  expect(stored).toMatchObject({ version: 2, tokens: token("1") });
  expect(stored).not.toHaveProperty("refreshing");
});

test("events report who refreshed, who joined, and who waited for another process", async () => {
  const { login } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const events: string[] = [];
  const [here, there] = ["here", "there"].map((process) =>
    createRefreshSingleFlight(
      (name, tell) => void events.push(`${process} ${name} ${JSON.stringify(tell())}`),
    ),
  ) as [RefreshSingleFlight, RefreshSingleFlight];
  const first = here(ID, refreshOf(login, renew));
  await arrived(1);
  const all = [first, ...[here, there].map((refreshOnce) => refreshOnce(ID, refreshOf(login, renew)))];
  await advance(1000);
  waiting[0]?.resolve({ tokens: token("1") });
  await advance(1000);
  await Promise.all(all);
  const withoutNumbers = events.map((line) => line.replace(/\d+\.\d+|\b\d{2,}\b/g, "…"));
  expect(withoutNumbers).toEqual([
    'here refresh.joined {"refresh":1}',
    'here refresh.done {"refresh":1,"took":…,"rotated":true}',
    'there lock.waited {"refresh":1,"waited":…,"refreshed":true}',
  ]);
});

test("an event reports how each refresh ends, also if none is needed, or the session has ended", async () => {
  const { login, end } = await startLogin();
  const { renew } = createProvider();
  const events: string[] = [];
  const once = createRefreshSingleFlight(
    (name, tell) => void events.push(`${name} ${JSON.stringify(tell())}`),
  );
  const enough = { ...refreshOf(login, renew), hasNewTokens: () => true };
  await Promise.all([once(ID, enough), once(ID, enough)]);
  await end();
  await failureOf(once(ID, refreshOf(login, renew)));
  expect(events.map((line) => line.replace(/\d+\.\d+|"took":\d+|"waited":\d+/g, "…"))).toEqual([
    'refresh.joined {"refresh":1}',
    expect.stringMatching(/^lock\.waited \{"refresh":1,.*"refreshed":true\}$/),
    expect.stringMatching(
      /^refresh\.failed \{"refresh":2,"code":"login_required","status":401,.*"ends_session":false\}$/,
    ),
  ]);
});

test("a process refreshes what is stored when it claims the login", async () => {
  const { login, change } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  await change({ tokens: token("9") });
  const work = refreshInProcess(login, renew);
  await arrived(1);
  expect(waiting[0]?.with.tokens.refresh_token).toBe("refresh 9");
  waiting[0]?.resolve({ tokens: token("10") });
  await settled(work);
});

test("a change that a request makes meanwhile stays", async () => {
  const { login, read, records } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const work = refreshInProcess(login, renew);
  await arrived(1);
  await settled(records.updateEntry(ID, { cart: "two books" }, [], undefined));
  waiting[0]?.resolve({ tokens: token("1") });
  await settled(work);
  expect(await read()).toMatchObject({ version: 2 });
  expect((await settled(records.readEntry(ID)))?.app).toEqual({ cart: "two books" });
});

test("a session that has no login any more is not refreshed", async () => {
  const { login, records } = await startLogin();
  await settled(records.createEntry(ID, { cart: "book" }, undefined, 60_000));
  const { renew } = createProvider();
  const failure = await settled(failureOf(refreshInProcess(login, renew)));
  expect(failure).toMatchObject({ code: "login_required", detail: "the session has ended" });
  expect(renew).not.toHaveBeenCalled();
});

test("a session that ends during the refresh stays gone, and its new tokens are passed on to be revoked", async () => {
  const { login, read, end } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const onOrphan = vi.fn();
  const work = failureOf(refreshInProcess(login, renew, { onUnsavedTokens: onOrphan }));
  await arrived(1);
  await end();
  waiting[0]?.resolve({ tokens: token("1") });
  const detail = "the session was ended during the refresh";
  expect(await settled(work)).toMatchObject({ code: "login_required", detail });
  expect(onOrphan).toHaveBeenCalledExactlyOnceWith(token("1"));
  expect(await read()).toBeUndefined();
});

test("a refresh token that has not rotated is not revoked if its session ends: another session may use it", async () => {
  const { login, end } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const onOrphan = vi.fn();
  const work = failureOf(refreshInProcess(login, renew, { onUnsavedTokens: onOrphan }));
  await arrived(1);
  await end();
  waiting[0]?.resolve({ tokens: token("1", { refresh_token: "refresh 0" }) });
  expect((await settled(work)).code).toBe("login_required");
  expect(onOrphan).not.toHaveBeenCalled();
});

test("a failure that comes with tokens is thrown after they are saved", async () => {
  const { login, read } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const failure = new PortalAuthError("hook_failed");
  const work = failureOf(refreshInProcess(login, renew));
  await arrived(1);
  await advance(5000);
  waiting[0]?.resolve({ tokens: token("1"), failure });
  expect(await settled(work)).toBe(failure);
  // the access token is the old one, so the time when it was obtained stays
  const stored = await read();
  expect(stored).toMatchObject({ tokens: token("1"), version: 1, obtained_at: 0 });
  expect(stored).not.toHaveProperty("refreshing");
});

describe("a store that fails", () => {
  async function startFailing() {
    const { login, read } = await startLogin();
    const { renew, waiting, arrived } = createProvider();
    const connection = connect(login);
    const work = refreshInProcess(connection.login, renew);
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
    expect(await read()).toMatchObject({ tokens: token("1") });
    expect(renew).toHaveBeenCalledOnce();
  });

  test("for longer than half a minute is reported", async () => {
    const { work } = await startFailing();
    await advance(35_000);
    const detail = "new tokens could not be saved";
    expect(await failureOf(work)).toMatchObject({ code: "session_store_failed", detail });
  });
});

test("the age of a refresh is known to the process that runs it", async () => {
  const { login } = await startLogin();
  const { renew, waiting, arrived } = createProvider();
  const process = createRefreshSingleFlight(emitNothing);
  expect(process.getAgeMs(ID)).toBe(0);
  const work = process(ID, refreshOf(login, renew));
  await arrived(1);
  await advance(3000);
  expect(process.getAgeMs(ID)).toBeGreaterThanOrEqual(3000);
  waiting[0]?.resolve({ tokens: token("1") });
  await settled(work);
  expect(process.getAgeMs(ID)).toBe(0);
});
