import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { type Known, MOST_SESSIONS, SessionIndex } from "../../../lib/session/persons/session-index.js";
import { isRecord } from "../../../lib/session/record.js";
import { plainUpdate } from "../../../lib/session/update.js";
import type { LoggedIn } from "../../access/logged-in.js";
import { logIn } from "../../access/logged-in.js";
import { Browser } from "../../support/browser.js";
import { createClock } from "../../support/clock.js";
import { createGate } from "../../support/gate.js";
import { storedSessions } from "../../support/stored-sessions.js";
import { startWorld } from "../../support/world.js";

const AMARA = { issuer: "https://portal.example", client_id: "app", sub: "amara" };
const NOW_SECONDS = 1_800_000_000;

function createIndex() {
  const store = new session.MemoryStore();
  const { sessions } = store as unknown as { sessions: Record<string, string> };
  const { clock, later } = createClock();
  const index = new SessionIndex(plainUpdate(store), clock);
  const seconds = () => Math.floor(clock() / 1000);
  const add = (id: string, more: object = {}, { isMoved = false, findsBySid = false, person = AMARA } = {}) => {
    const entry = { id, redirect_uri: "r", started_at: seconds(), ends_at: seconds() + 3600, ...more };
    return index.add(person, entry, isMoved, findsBySid);
  };
  const idsOf = async (person = AMARA) => (await index.of(person)).map(({ id }) => id);
  return { index, sessions, later, add, idsOf, seconds };
}

describe("the index", () => {
  test("knows each session that was added, of each person apart, and counts them", async () => {
    const { add, idsOf } = createIndex();
    expect([await add("a"), await add("b"), await add("c", {}, { person: { ...AMARA, sub: "jonas" } })]).toEqual([
      1, 2, 1,
    ]);
    expect([await idsOf(), await idsOf({ ...AMARA, sub: "jonas" }), await idsOf({ ...AMARA, client_id: "x" })]).toEqual(
      [["a", "b"], ["c"], []],
    );
  });

  test("knows a session once, however often it is added", async () => {
    const { add, idsOf } = createIndex();
    await add("a");
    expect([await add("a"), await idsOf()]).toEqual([1, ["a"]]);
  });

  test.each(["__proto__", "constructor", "toString", "", "a\u0000b", "a".repeat(255)])(
    "takes a person of the name %j for a person",
    async (sub) => {
      const { add, idsOf } = createIndex();
      await add("a", {}, { person: { ...AMARA, sub } });
      expect([await idsOf({ ...AMARA, sub }), await idsOf()]).toEqual([["a"], []]);
    },
  );

  test("names of which one ends where the next begins are not mixed up", async () => {
    const { add, idsOf } = createIndex();
    await add("a", {}, { person: { issuer: "i", client_id: "cs", sub: "ub" } });
    expect(await idsOf({ issuer: "i", client_id: "c", sub: "sub" })).toEqual([]);
  });

  test("forgets a session of which no login can live any more, at the next one", async () => {
    const { add, later, idsOf } = createIndex();
    await add("a");
    later(3600);
    await add("b");
    expect(await idsOf()).toEqual(["b"]);
  });

  test("has the oldest end where a person has too many", async () => {
    const { add, index } = createIndex();
    for (let n = 0; n < MOST_SESSIONS; n += 1) expect(await add(`s${n}`)).toBe(n + 1);
    expect(await index.mark(AMARA, () => false)).toEqual([]);
    expect(await add("one more")).toBeGreaterThan(MOST_SESSIONS);
    expect((await index.mark(AMARA, () => false)).map(({ id }) => id)).toEqual(["s0"]);
  });

  test("is gone itself once it knows nothing", async () => {
    const { index, add, sessions } = createIndex();
    await add("a");
    await index.forget(AMARA, ["a"]);
    expect(Object.keys(sessions)).toEqual([]);
  });

  test("lives as long as the last of its sessions may", async () => {
    const { add, sessions, seconds } = createIndex();
    await add("a", { ends_at: seconds() + 7200 });
    await add("b", { ends_at: seconds() + 60 });
    const { expires } = JSON.parse(Object.values(sessions)[0] ?? "{}").cookie;
    expect(Math.round(new Date(expires).getTime() / 1000) - seconds()).toBeGreaterThanOrEqual(7199);
  });

  test("does not know a session any more that is marked, and gives it to whoever ends it, until it is forgotten", async () => {
    const { index, add } = createIndex();
    await add("a");
    await add("b");
    const marked = await index.mark(AMARA, ({ id }) => id === "a");
    expect([marked.map(({ id }) => id), await index.holds(AMARA, "a"), await index.holds(AMARA, "b")]).toEqual([
      ["a"],
      false,
      true,
    ]);
    expect((await index.mark(AMARA, () => false)).map(({ id }) => id)).toEqual(["a"]); // whose process was killed
    await index.forget(AMARA, ["a"]);
    expect(await index.mark(AMARA, () => false)).toEqual([]);
  });

  test("takes a login that moves to another session for ended once none is known to hold it, or is to end", async () => {
    const { index, add, idsOf } = createIndex();
    const [its, others] = [{ login_id: "l" }, { login_id: "another" }];
    await add("a", its);
    await add("z", others);
    expect([await add("b", its, { isMoved: true }), await idsOf()]).toEqual([3, ["a", "z", "b"]]);
    await index.forget(AMARA, ["a"]);
    expect(await add("c", its, { isMoved: true })).toBe(3);
    await index.mark(AMARA, ({ login_id }) => login_id === "l");
    expect(await add("d", its, { isMoved: true })).toBe(0);
    await index.forget(AMARA, ["b", "c"]);
    expect([await add("d", its, { isMoved: true }), await add("e", { login_id: "never" }, { isMoved: true })]).toEqual([
      0, 0,
    ]);
    expect(await idsOf()).toEqual(["z"]);
  });

  test("takes a login that moves, from before logins had a name, for alive", async () => {
    const { add } = createIndex();
    expect(await add("a", {}, { isMoved: true })).toBe(1);
  });
});

describe("a logout by the user", () => {
  test.each([
    ["before", { redirect_uri: "r" }, -1, 0],
    ["in the same millisecond", { redirect_uri: "r" }, 0, 1],
    ["afterwards", { redirect_uri: "r" }, 1, 1],
    ["before, but by another router", { redirect_uri: "another" }, -1, 1],
  ])("ends a login that is being made and was asked for %s, or not", async (_when, ended, milliseconds, count) => {
    vi.useFakeTimers({ toFake: ["Date"], now: NOW_SECONDS * 1000 });
    const { index, add } = createIndex();
    await index.mark(AMARA, () => true, ended);
    expect(await add("a", { asked_at: NOW_SECONDS * 1000 + milliseconds, iat: NOW_SECONDS + 9 })).toBe(count);
  });

  test("ends no login of which is not known when it was asked for", async () => {
    const { index, add } = createIndex();
    await index.mark(AMARA, () => true, { redirect_uri: "r" });
    expect(await add("a", { iat: NOW_SECONDS })).toBe(1);
  });

  test("is remembered once for each router, the latest of them, beside those of the provider", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: NOW_SECONDS * 1000 });
    const { index, add, later, sessions } = createIndex();
    for (let times = 0; times < 3; times += 1) {
      await index.mark(AMARA, () => true, { redirect_uri: "r" });
      await index.mark(AMARA, () => true, { redirect_uri: "another" });
      await index.mark(AMARA, () => true, { sid: undefined, iat: 0, tolerance: 0 });
      later(1);
    }
    expect(Object.values(sessions).map((text) => JSON.parse(text).index.ended.length)).toEqual([3]);
    expect(await add("a", { asked_at: (NOW_SECONDS + 2) * 1000 - 1 })).toBe(0);
    expect(await add("b", { asked_at: (NOW_SECONDS + 2) * 1000 })).toBe(1);
  });
});

describe("a logout that the portal has asked for", () => {
  test.each([
    ["of the person", { sid: undefined }, { sid: "s" }, 0],
    ["of the portal's session that it came of", { sid: "s" }, { sid: "s" }, 0],
    ["of another of the portal's sessions", { sid: "other" }, { sid: "s" }, 1],
    ["of any of these, where it does not say of which it came", { sid: "other" }, {}, 0],
  ])("ends a login that is only now made: %s", async (_whose, ended, login, count) => {
    const { index, add } = createIndex();
    await index.mark(AMARA, () => true, { tolerance: 0, ...ended, iat: NOW_SECONDS });
    expect(await add("a", { ...login, iat: NOW_SECONDS - 1 })).toBe(count);
  });

  test.each([
    ["of which the portal told before", -1, 0],
    ["of which it told in the same second", 0, 0],
    ["of which it told afterwards", 1, 1],
  ])("ends a login %s, or not", async (_when, seconds, count) => {
    const { index, add } = createIndex();
    await index.mark(AMARA, () => true, { sid: undefined, iat: NOW_SECONDS, tolerance: 0 });
    expect(await add("a", { iat: NOW_SECONDS + seconds })).toBe(count);
  });

  test.each([
    ["of that session of the portal's, as its clocks differ", "s", 30, 0],
    ["of that session, but much later", "s", 31, 1],
    ["of another one of its sessions", "other", 1, 1],
    ["of which session it does not say", undefined, 1, 1],
  ])("ends a login of which the portal tells a little later: %s, or not", async (_which, sid, seconds, count) => {
    const { index, add } = createIndex();
    await index.mark(AMARA, () => true, { sid: "s", iat: NOW_SECONDS, tolerance: 30 });
    expect(await add("a", { ...(sid !== undefined && { sid }), iat: NOW_SECONDS + seconds })).toBe(count);
  });

  test("is remembered for as long as a login can take, and no longer", async () => {
    const { index, add, later } = createIndex();
    await index.mark(AMARA, () => true, { sid: undefined, iat: NOW_SECONDS, tolerance: 0 });
    later(599);
    expect(await add("a", { iat: NOW_SECONDS })).toBe(0);
    later(2);
    expect(await add("b", { iat: NOW_SECONDS })).toBe(1);
  });

  test("finds, by the portal's session alone, everybody who came of it; and ends who is just coming", async () => {
    const { index, add } = createIndex();
    await add("a", { sid: "s" }, { findsBySid: true });
    await add("b", { sid: "s" }, { findsBySid: true, person: { ...AMARA, sub: "jonas" } });
    await add("c", { sid: "other" }, { findsBySid: true, person: { ...AMARA, sub: "sofia" } });
    const client = { issuer: AMARA.issuer, client_id: AMARA.client_id };
    expect(await index.endSid(client, { sid: "s", iat: NOW_SECONDS, tolerance: 0 }, false)).toEqual(["amara", "jonas"]);
    expect(await add("d", { sid: "s", iat: NOW_SECONDS }, { findsBySid: true })).toBe(0);
    expect(
      await index.endSid({ ...client, client_id: "another" }, { sid: "s", iat: NOW_SECONDS, tolerance: 0 }, false),
    ).toEqual([]);
  });

  test("is remembered once, however often it is repeated: the latest of them", async () => {
    const { index, add, sessions } = createIndex();
    const client = { issuer: AMARA.issuer, client_id: AMARA.client_id };
    await add("a", { sid: "s" }, { findsBySid: true });
    for (const iat of [NOW_SECONDS, NOW_SECONDS + 9, NOW_SECONDS + 5]) {
      await index.endSid(client, { sid: "s", iat: iat, tolerance: 0 }, true);
      await index.mark(AMARA, () => true, { sid: "s", iat, tolerance: 0 });
      await index.mark(AMARA, () => true, { sid: undefined, iat, tolerance: 0 });
    }
    const ended = Object.values(sessions).map((text) => JSON.parse(text).index.ended.length);
    expect(ended.sort()).toEqual([1, 2]);
    expect(await add("b", { sid: "s", iat: NOW_SECONDS + 9 }, { findsBySid: true })).toBe(0);
    expect(await add("c", { sid: "other", iat: NOW_SECONDS + 9 })).toBe(0);
    expect(await add("d", { sid: "other", iat: NOW_SECONDS + 10 })).toBeGreaterThan(0);
  });

  test("writes nothing for a portal's session that nobody has, where anybody may ask", async () => {
    const { index, sessions } = createIndex();
    const client = { issuer: AMARA.issuer, client_id: AMARA.client_id };
    expect(await index.endSid(client, { sid: "guessed", iat: NOW_SECONDS, tolerance: 0 }, true)).toEqual([]);
    expect(Object.keys(sessions)).toEqual([]);
  });
});

describe("in an application", () => {
  const list = (world: LoggedIn) => world.inRequest((req) => req.portal.sessions());
  const records = ({ store }: LoggedIn) => {
    const { sessions } = store as unknown as { sessions: Record<string, string> };
    return Object.entries(sessions).flatMap(([id, text]) => (isRecord(id) ? [JSON.parse(text)] : []));
  };

  test("what has gone from the store by itself is not listed, and is swept away by who looks again later", async () => {
    const world = await logIn({ options: { sessionIdle: 600 } });
    await world.another();
    world.later(300);
    await world.me();
    world.later(400); // the other one has ended
    expect(await list(world)).toHaveLength(1);
    world.later(59);
    expect(await list(world)).toHaveLength(1);
    expect(records(world)[0].index.sessions).toHaveLength(2); // its login could just be being moved
    world.later(2);
    expect(await list(world)).toHaveLength(1);
    expect(records(world)[0].index.sessions).toHaveLength(1);
  });

  test("a session that is only just being written is not swept away", async () => {
    const world = await logIn();
    const [id = ""] = Object.keys(storedSessions(world.store));
    const { sessions } = world.store as unknown as { sessions: Record<string, string> };
    const text = sessions[id] ?? "";
    const other = await world.another();
    delete sessions[id]; // as it would be before it comes there
    expect(await world.inRequest((req) => req.portal.sessions(), other)).toHaveLength(1);
    sessions[id] = text;
    expect(await list(world)).toHaveLength(2);
  });

  test("a session from before there was an index is listed to who is in it", async () => {
    const world = await logIn();
    const { sessions } = world.store as unknown as { sessions: Record<string, string> };
    for (const id of Object.keys(sessions)) if (isRecord(id)) delete sessions[id];
    const other = await world.another();
    expect(await world.inRequest((req) => req.portal.sessions(), other)).toHaveLength(1);
    const mine = await list(world);
    expect([mine.length, mine.filter(({ is_current }) => is_current).length]).toEqual([2, 1]);
    expect(await world.inRequest((req) => req.portal.sessions(), other)).toHaveLength(1);
  });

  test("what was to end and has not, as its process was killed, ends when somebody looks", async () => {
    const world = await logIn();
    const other = await world.another();
    const { sessions } = world.store as unknown as { sessions: Record<string, string> };
    const [id = ""] = Object.keys(storedSessions(world.store));
    for (const [name, text] of Object.entries(sessions)) if (isRecord(name)) sessions[name] = markedIn(text, id);
    expect((await world.me()).isAuthenticated).toBe(true); // no request pays for a look
    expect(await world.inRequest((req) => req.portal.sessions(), other)).toHaveLength(1);
    expect((await world.me()).isAuthenticated).toBe(false);
  });

  test("a logout leaves what another process is just ending to that, which tells the application of it", async () => {
    const world = await logIn();
    const [id = ""] = Object.keys(storedSessions(world.store));
    const other = await world.another();
    const { sessions } = world.store as unknown as { sessions: Record<string, string> };
    for (const [name, text] of Object.entries(sessions)) if (isRecord(name)) sessions[name] = markedIn(text, id);
    await other.navigate(`${world.url}/logout`, { site: "same-origin" });
    expect(Object.keys(storedSessions(world.store))).toEqual([id]);
  });

  const markedIn = (text: string, id: string): string => {
    const record = JSON.parse(text);
    for (const entry of record.index.sessions) if (entry.id === id) entry.ending = true;
    return JSON.stringify(record);
  };

  test("the fiftieth login of one person sees to it that those which have ended are swept away", async () => {
    const world = await logIn({ options: { sessionIdle: 600 } });
    for (let n = 1; n < 49; n += 1) await world.another();
    world.later(700);
    const browser = new Browser();
    await browser.visit(`${world.url}/account`);
    const gone = () => records(world)[0].index.sessions.filter((entry: Known) => entry.gone_at !== undefined);
    await expect.poll(() => gone().length).toBe(49);
    world.later(61);
    await browser.visit(`${world.url}/logout`, { site: "same-origin" });
    await browser.visit(`${world.url}/account`); // the fiftieth again
    await expect.poll(() => records(world)[0].index.sessions.length).toBe(1);
  });

  test("a session that cannot be looked for once it is written is taken back, and nobody is logged in", async () => {
    class FailingMemory extends session.MemoryStore {
      isWritten = false;
      override set: session.MemoryStore["set"] = (id, data, done) => {
        this.isWritten ||= !isRecord(id);
        super.set(id, data, done);
      };
      override get: session.MemoryStore["get"] = (id, done) =>
        this.isWritten && isRecord(id) ? done(new Error("the store is away")) : super.get(id, done);
    }
    const store = new FailingMemory();
    const { browser, url, asked } = await startWorld({ options: { store }, log: [/session_store_failed/] });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.headers["set-cookie"]?.filter((line) => line.includes("session"))]).toEqual([503, []]);
    expect(storedSessions(store)).toEqual({});
    await vi.waitFor(() => expect(asked("/oauth2/revoke")).toHaveLength(1)); // nobody has those tokens
  });

  test("a logout that comes while the session of a login is being written ends that as well", async () => {
    const [written, letOn] = [createGate(), createGate()];
    class SlowMemory extends session.MemoryStore {
      override set: session.MemoryStore["set"] = (id, data, done) => {
        if (isRecord(id)) return super.set(id, data, done);
        written.open();
        void letOn.opened.then(() => super.set(id, data, done));
      };
    }
    const store = new SlowMemory();
    const world = await startWorld({
      portal: { document: "full" },
      options: { profile: "openid", backchannelLogout: true, store },
    });
    world.portal.register({ backchannelLogoutUri: `${world.url}/backchannel-logout` });
    const login = world.browser.visit(`${world.url}/account`);
    await written.opened; // it is known by now, and found alive
    const answer = await world.portal.sendLogoutToken(world.portal.logoutToken({ sub: "amara-okafor" }));
    letOn.open();
    expect([answer?.status, (await login).status]).toEqual([200, 401]);
    expect([storedSessions(store), (await world.me()).isAuthenticated]).toEqual([{}, false]);
  });

  test("a logout takes its session out at once", async () => {
    const world = await logIn();
    await world.another();
    await world.browser.navigate(`${world.url}/logout`, { site: "same-origin" });
    expect(records(world)[0].index.sessions).toHaveLength(1);
  });

  test("a session of somebody else that stands there by whatever mistake is neither shown nor ended", async () => {
    const world = await logIn();
    const [mine = ""] = Object.keys(storedSessions(world.store));
    const jonas = new Browser();
    jonas.person = { sub: "jonas-weber" };
    await jonas.visit(`${world.url}/account`);
    const theirs = Object.keys(storedSessions(world.store)).find((id) => id !== mine) ?? "";
    const { sessions } = world.store as unknown as { sessions: Record<string, string> };
    for (const [id, text] of Object.entries(sessions))
      if (isRecord(id)) sessions[id] = withBoth(text, mine, theirs, false);
    expect(await list(world)).toHaveLength(1);
    for (const [id, text] of Object.entries(sessions))
      if (isRecord(id)) sessions[id] = withBoth(text, mine, theirs, true);
    await world.inRequest((req) => req.portal.endSession("none")); // a look at all of them
    expect((await world.me(jonas)).isAuthenticated).toBe(true);
  });

  const withBoth = (text: string, mine: string, theirs: string, isEnding: boolean): string => {
    const record = JSON.parse(text);
    const [entry] = record.index.sessions;
    record.index.sessions = [mine, theirs].map((id) => ({
      ...entry,
      id,
      ending: id === theirs && isEnding ? true : undefined,
    }));
    return JSON.stringify(record);
  };

  test("what others have written into the store in its place harms nobody", async () => {
    const world = await logIn();
    const { sessions } = world.store as unknown as { sessions: Record<string, string> };
    for (const id of Object.keys(sessions))
      if (isRecord(id)) sessions[id] = JSON.stringify({ cookie: {}, index: "nonsense" });
    expect(await list(world)).toHaveLength(1);
  });
});
