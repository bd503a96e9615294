import { beforeEach, describe, expect, test, vi } from "vitest";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { emitNothing } from "../../lib/events/event-emitter.js";
import {
  createRefreshSingleFlight,
  type RefreshSingleFlight,
} from "../../lib/refresh/refresh-single-flight.js";
import {
  advance,
  createConnection,
  createProvider,
  createTask,
  createTokens,
  getFailure,
  ID,
  refreshInNewProcess,
  settled,
  startLogin,
  useFakeTime,
} from "./setup.js";

beforeEach(useFakeTime);

test("requests share a running refresh, in this process and in others", async () => {
  const { login, read } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const here = createRefreshSingleFlight(emitNothing);
  const there = createRefreshSingleFlight(emitNothing);
  const all = [here, here, there, there].map((refreshOnce) =>
    refreshOnce(ID, createTask(login, sendRefresh)),
  );
  await waitForRequests(1);
  await advance(1000);
  pending[0]?.resolve({ tokens: createTokens("1") });
  await advance(1000);
  const outcomes = await Promise.all(all);
  expect(new Set(outcomes.map(({ tokens, version }) => `${tokens.access_token}, ${version}`))).toEqual(
    new Set(["access 1, 2"]),
  );
  expect(sendRefresh).toHaveBeenCalledOnce();
  const stored = await read();
  expect(stored).toMatchObject({ version: 2, tokens: createTokens("1") });
  expect(stored).not.toHaveProperty("refreshing");
});

test("events report a refresh, a request that joined it, and a process that waited for it", async () => {
  const { login } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const events: string[] = [];
  const [here, there] = ["here", "there"].map((process) =>
    createRefreshSingleFlight(
      (name, createEvent) => void events.push(`${process} ${name} ${JSON.stringify(createEvent())}`),
    ),
  ) as [RefreshSingleFlight, RefreshSingleFlight];
  const first = here(ID, createTask(login, sendRefresh));
  await waitForRequests(1);
  const all = [first, ...[here, there].map((refreshOnce) => refreshOnce(ID, createTask(login, sendRefresh)))];
  await advance(1000);
  pending[0]?.resolve({ tokens: createTokens("1") });
  await advance(1000);
  await Promise.all(all);
  const withoutNumbers = events.map((line) => line.replace(/\d+\.\d+|\b\d{2,}\b/g, "…"));
  expect(withoutNumbers).toEqual([
    'here refresh.joined {"refresh":1}',
    'here refresh.done {"refresh":1,"took":…,"rotated":true}',
    'there lock.waited {"refresh":1,"waited":…,"refreshed":true}',
  ]);
});

test("an event reports the end of each refresh, even if it was not needed or fails", async () => {
  const { login, end } = await startLogin();
  const { sendRefresh } = createProvider();
  const events: string[] = [];
  const refreshOnce = createRefreshSingleFlight(
    (name, createEvent) => void events.push(`${name} ${JSON.stringify(createEvent())}`),
  );
  const task = { ...createTask(login, sendRefresh), hasNewTokens: () => true };
  await Promise.all([refreshOnce(ID, task), refreshOnce(ID, task)]);
  await end();
  await getFailure(refreshOnce(ID, createTask(login, sendRefresh)));
  expect(events.map((line) => line.replace(/\d+\.\d+|"took":\d+|"waited":\d+/g, "…"))).toEqual([
    'refresh.joined {"refresh":1}',
    expect.stringMatching(/^lock\.waited \{"refresh":1,.*"refreshed":true\}$/),
    expect.stringMatching(
      /^refresh\.failed \{"refresh":2,"code":"login_required","status":401,.*"ends_session":false\}$/,
    ),
  ]);
});

test("a process sends the refresh token that is stored when it claims the login", async () => {
  const { login, change } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  await change({ tokens: createTokens("9") });
  const work = refreshInNewProcess(login, sendRefresh);
  await waitForRequests(1);
  expect(pending[0]?.login.tokens.refresh_token).toBe("refresh 9");
  pending[0]?.resolve({ tokens: createTokens("10") });
  await settled(work);
});

test("a refresh does not overwrite a change of the session", async () => {
  const { login, read, records } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const work = refreshInNewProcess(login, sendRefresh);
  await waitForRequests(1);
  await settled(records.updateEntry(ID, { cart: "two books" }, [], undefined));
  pending[0]?.resolve({ tokens: createTokens("1") });
  await settled(work);
  expect(await read()).toMatchObject({ version: 2 });
  expect((await settled(records.readEntry(ID)))?.app).toEqual({ cart: "two books" });
});

test("a session without a login is not refreshed", async () => {
  const { login, records } = await startLogin();
  await settled(records.createEntry(ID, { cart: "book" }, undefined, 60_000));
  const { sendRefresh } = createProvider();
  const failure = await settled(getFailure(refreshInNewProcess(login, sendRefresh)));
  expect(failure).toMatchObject({ code: "login_required", detail: "the session has ended" });
  expect(sendRefresh).not.toHaveBeenCalled();
});

test("a session that ends during the refresh is not restored, and its new tokens are reported", async () => {
  const { login, read, end } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const onUnsavedTokens = vi.fn();
  const work = getFailure(refreshInNewProcess(login, sendRefresh, { onUnsavedTokens }));
  await waitForRequests(1);
  await end();
  pending[0]?.resolve({ tokens: createTokens("1") });
  const detail = "the session was ended during the refresh";
  expect(await settled(work)).toMatchObject({ code: "login_required", detail });
  expect(onUnsavedTokens).toHaveBeenCalledExactlyOnceWith(createTokens("1"));
  expect(await read()).toBeUndefined();
});

test("an unrotated refresh token is not reported if its session ends during the refresh", async () => {
  const { login, end } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const onUnsavedTokens = vi.fn();
  const work = getFailure(refreshInNewProcess(login, sendRefresh, { onUnsavedTokens }));
  await waitForRequests(1);
  await end();
  pending[0]?.resolve({ tokens: createTokens("1", { refresh_token: "refresh 0" }) });
  expect((await settled(work)).code).toBe("login_required");
  expect(onUnsavedTokens).not.toHaveBeenCalled();
});

test("a failure after new tokens is thrown when they are saved", async () => {
  const { login, read } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const failure = new PortalAuthError("hook_failed");
  const work = getFailure(refreshInNewProcess(login, sendRefresh));
  await waitForRequests(1);
  await advance(5000);
  pending[0]?.resolve({ tokens: createTokens("1"), failure });
  expect(await settled(work)).toBe(failure);
  // The access token is the old one, so `obtained_at` stays.
  const stored = await read();
  expect(stored).toMatchObject({ tokens: createTokens("1"), version: 1, obtained_at: 0 });
  expect(stored).not.toHaveProperty("refreshing");
});

describe("a store that fails", () => {
  async function startFailing() {
    const { login, read } = await startLogin();
    const { sendRefresh, pending, waitForRequests } = createProvider();
    const connection = createConnection(login);
    const work = refreshInNewProcess(connection.login, sendRefresh);
    work.catch(() => {});
    await waitForRequests(1);
    connection.isDown = true;
    pending[0]?.resolve({ tokens: createTokens("1") });
    return { read, sendRefresh, connection, work };
  }

  test("after the response of the provider is called again, so the new refresh token is saved", async () => {
    const { read, sendRefresh, connection, work } = await startFailing();
    await advance(20_000);
    connection.isDown = false;
    await advance(3000);
    expect((await work).tokens).toEqual(createTokens("1"));
    expect(await read()).toMatchObject({ tokens: createTokens("1") });
    expect(sendRefresh).toHaveBeenCalledOnce();
  });

  test("for more than 30 s makes the refresh fail", async () => {
    const { work } = await startFailing();
    await advance(35_000);
    const detail = "new tokens could not be saved";
    expect(await getFailure(work)).toMatchObject({ code: "session_store_failed", detail });
  });
});

test("getAgeMs() returns the age of a running refresh of this process", async () => {
  const { login } = await startLogin();
  const { sendRefresh, pending, waitForRequests } = createProvider();
  const process = createRefreshSingleFlight(emitNothing);
  expect(process.getAgeMs(ID)).toBe(0);
  const work = process(ID, createTask(login, sendRefresh));
  await waitForRequests(1);
  await advance(3000);
  expect(process.getAgeMs(ID)).toBeGreaterThanOrEqual(3000);
  pending[0]?.resolve({ tokens: createTokens("1") });
  await settled(work);
  expect(process.getAgeMs(ID)).toBe(0);
});
