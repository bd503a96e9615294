import { describe, expect, test, vi } from "vitest";
import { getProviderSessionListName, getUserListName, LoginIndex } from "../../lib/session/login-index.js";
import type { LoginRecord } from "../../lib/session/login-record.js";
import { Logins } from "../../lib/session/logins.js";
import { LogoutNotices, shouldEndLogin } from "../../lib/session/logout-notices.js";
import { createRecordCodec } from "../../lib/session/record-codec.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { createClock } from "../support/clock.js";
import { loginRecord } from "./records.js";

const AMARA = { issuer: "https://portal.example", client_id: "app", sub: "amara" };
const ANY = () => true;

/** A logout of the user everywhere, at the portalAuth() with this redirect URI. */
const everywhere = (redirect_uri = "r", id = "the-logout") =>
  ({ reason: "everywhere", redirect_uri, id }) as const;

const isEnded = async (notices: LogoutNotices, login: LoginRecord): Promise<boolean> =>
  (await notices.read(["u"])).some((notice) => shouldEndLogin(notice, login));

function start({ findsBySid = false } = {}) {
  const { clock, later } = createClock();
  const records = createMemoryStore(clock);
  const warnings: string[] = [];
  const codec = createRecordCodec([], () => {});
  const warn = (line: string) => void warnings.push(line);
  const logins = new Logins({
    records,
    codec,
    absoluteSeconds: 3600,
    hasProviderSessionLists: findsBySid,
    warn,
  });
  const add = async (key: string, members: Partial<LoginRecord> = {}) => {
    const record = loginRecord({ login_id: key, ...members });
    await logins.addToIndex(key, record);
    await records.create(key, logins.encode(key, record), record.idle_ms);
    return record;
  };
  return {
    logins,
    lists: new LoginIndex(records),
    notices: new LogoutNotices(records),
    records,
    later,
    add,
    warnings,
  };
}

describe("the list of a user's logins", () => {
  test("has each login that was listed, of each user apart", async () => {
    const { lists, add } = start();
    for (const key of ["s:a", "s:b"]) await add(key);
    await add("s:c", { claims: { sub: "jonas" } });
    await add("s:d", { client_id: "another" });
    const of = (user: object) => lists.listKeys(getUserListName({ ...AMARA, ...user }));
    expect([
      await of({}),
      await of({ sub: "jonas" }),
      await of({ issuer: "https://another.example" }),
    ]).toEqual([["s:a", "s:b"], ["s:c"], []]);
  });

  test.each(["__proto__", "constructor", "toString", "", "a\u0000b", "a".repeat(255)])(
    "takes a user of the name %j for a user",
    async (sub) => {
      const { lists, add } = start();
      await add("s:a", { claims: { sub } });
      expect([
        await lists.listKeys(getUserListName({ ...AMARA, sub })),
        await lists.listKeys(getUserListName(AMARA)),
      ]).toEqual([["s:a"], []]);
    },
  );

  test("does not mix up names of which one ends where the next begins", () => {
    const one = getUserListName({ issuer: "i", client_id: "cs", sub: "ub" });
    expect(one).not.toBe(getUserListName({ issuer: "i", client_id: "c", sub: "sub" }));
    expect(one).not.toContain("ub");
  });

  test("shows and ends no login of another user that others have put into it, as they can write to the store", async () => {
    const { logins, records, add } = start();
    await add("s:a");
    await add("s:b", { claims: { sub: "jonas" } });
    await records.index.add(getUserListName(AMARA), "s:b", 60_000);
    expect((await logins.listByUser(getUserListName(AMARA))).map(({ key }) => key)).toEqual(["s:a"]);
    const { ended } = await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
    expect(ended.map(({ key }) => key)).toEqual(["s:a"]);
    expect(await logins.read("s:b")).toBeDefined();
  });

  test("drops a login that has ended by itself", async () => {
    const { lists, add, later } = start();
    await add("s:a");
    later(60);
    await add("s:b");
    expect(await lists.listKeys(getUserListName(AMARA))).toEqual(["s:b"]);
  });

  test("drops a login that was ended", async () => {
    const { logins, lists, add } = start();
    await add("s:a");
    const ended = await logins.remove("s:a");
    expect([
      ended?.record?.login_id,
      await lists.listKeys(getUserListName(AMARA)),
      await logins.remove("s:a"),
    ]).toEqual(["s:a", [], undefined]);
  });

  test("costs a login the same calls of the store, whether the user has one login or a thousand", async () => {
    const { logins, records, add } = start();
    const calls = vi.spyOn(records.index, "add");
    for (let n = 0; n < 1000; n += 1) await add(`s:${n}`);
    expect(calls).toHaveBeenCalledTimes(1000);
    expect(await logins.listByUser(getUserListName(AMARA))).toHaveLength(1000);
  });

  test("names a login whose record cannot be decoded, beside the others", async () => {
    const { logins, records, add } = start();
    for (const key of ["s:a", "s:b"]) await add(key);
    await records.replace("s:a", 1, "broken");
    const found = await logins.listByUser(getUserListName(AMARA));
    expect(found.map(({ key, login }) => [key, login?.record.login_id])).toEqual([
      ["s:a", undefined],
      ["s:b", "s:b"],
    ]);
  });
});

describe("a change of a login", () => {
  test("is made to what is stored, also if many change it at the same moment", async () => {
    const { logins, add } = start();
    await add("s:a", { version: 0 });
    const count = () => logins.update("s:a", (record) => ({ ...record, version: record.version + 1 }));
    await Promise.all(Array.from({ length: 20 }, count));
    expect((await logins.read("s:a"))?.login?.record.version).toBe(20);
  });

  test("does nothing to a login that has ended, or that ends meanwhile", async () => {
    const { logins, add } = start();
    const record = await add("s:a");
    await logins.remove("s:a");
    expect(await logins.update("s:a", (stored) => ({ ...stored, version: 9 }))).toBeUndefined();
    await add("s:b");
    const gone = await logins.update("s:b", (stored) => {
      void logins.remove("s:b");
      return { ...stored, version: 9 };
    });
    expect([gone, await logins.read("s:b"), record.version]).toEqual([undefined, undefined, 3]);
  });

  test("can remove it, and then the list does not name it any more", async () => {
    const { logins, lists, add } = start();
    await add("s:a");
    expect(await logins.update("s:a", () => "remove")).toBeUndefined();
    expect([await logins.read("s:a"), await lists.listKeys(getUserListName(AMARA))]).toEqual([undefined, []]);
  });
});

describe("a logout of the user everywhere", () => {
  test("ends the logins that are meant, and leaves the others", async () => {
    const { logins, add } = start();
    for (const key of ["s:a", "s:b", "s:c"]) await add(key);
    const { ended } = await logins.removeByUser(
      getUserListName(AMARA),
      ({ key }) => key !== "s:b",
      everywhere(),
    );
    expect(ended.map(({ key }) => key).sort()).toEqual(["s:a", "s:c"]);
    expect((await logins.listByUser(getUserListName(AMARA))).map(({ key }) => key)).toEqual(["s:b"]);
  });

  test("ends a login that was written while it ran", async () => {
    const { logins, records, add } = start();
    await add("s:a");
    const create = records.create.bind(records);
    records.create = async (key, ...given) => {
      if (key.startsWith("n:")) await add("s:b");
      return create(key, ...given);
    };
    const { ended } = await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
    expect(ended.map(({ key }) => key)).toEqual(["s:a", "s:b"]);
  });

  test("removes the logins first. If the store takes no notice any more, a line in the log says so", async () => {
    const { logins, records, add, warnings } = start();
    await add("s:a");
    records.create = () => Promise.reject(new Error("OOM command not allowed"));
    expect((await logins.removeByUser(getUserListName(AMARA), ANY, everywhere())).ended).toHaveLength(1);
    expect([await logins.read("s:a"), warnings.length]).toEqual([undefined, 1]);
  });

  test.each([
    ["before", "r", 1001, false],
    ["in the same millisecond", "r", 1000, true],
    ["afterwards", "r", 999, true],
    ["before, at another portalAuth()", "another", 1001, true],
  ])(
    "leaves a notice. A login that was asked for %s is begun, or not",
    async (_when, redirect_uri, ageMs, isBegun) => {
      const { logins, add, later } = start();
      await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
      later(1);
      const record = await add("s:a", { redirect_uri });
      expect((await logins.confirm("s:a", record, () => ageMs)) !== undefined).toBe(isBegun);
    },
  );

  test("is remembered by a login that began afterwards, so that only a later logout ends it", async () => {
    const { logins, notices, add, later } = start();
    const findIn = (record: LoginRecord) => logins.findMissedLogout(record).then((found) => found?.reason);
    const before = await add("s:a", { redirect_uri: "r" });
    await logins.confirm("s:a", before, () => 0);
    await notices.add(getUserListName(AMARA), everywhere(), 3600_000);
    later(1);
    const after = await logins.confirm("s:b", await add("s:b", { redirect_uri: "r" }), () => 0);
    expect((await logins.read("s:b"))?.login?.record).toEqual(after);
    expect([await findIn(before), after && (await findIn(after))]).toEqual(["everywhere", undefined]);
    await notices.add(getUserListName(AMARA), everywhere("another", "at-another"), 3600_000);
    expect(after && (await findIn(after))).toBeUndefined();
    await notices.add(getUserListName(AMARA), everywhere("r", "a-second-one"), 3600_000);
    expect(after && (await findIn(after))).toBe("everywhere");
  });

  test("that comes while a login is confirmed ends it", async () => {
    const { logins, notices, records, add, later } = start();
    await notices.add(getUserListName(AMARA), everywhere(), 3600_000);
    later(1);
    const record = await add("s:a", { redirect_uri: "r" });
    const read = records.read.bind(records);
    vi.spyOn(records, "read").mockImplementationOnce(async (key) => {
      const stored = await read(key);
      await logins.removeByUser(getUserListName(AMARA), ANY, everywhere("r", "a-second-one"));
      return stored;
    });
    expect([await logins.confirm("s:a", record, () => 0), await logins.read("s:a")]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("leaves a notice for as long as a login can live, and no longer", async () => {
    const { logins, later } = start();
    const login = loginRecord({ redirect_uri: "r" });
    await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
    later(3599);
    expect(await logins.findMissedLogout(login)).toBeDefined();
    later(1);
    expect(await logins.findMissedLogout(login)).toBeUndefined();
  });
});

describe("a logout by the provider", () => {
  const logout = (members: object = {}) =>
    ({ reason: "backchannel", sid: undefined, iat: 1000, tolerance: 0, ...members }) as const;
  const login = (authentication: object) => loginRecord({ authentication });

  test.each([
    ["of the user", { sid: undefined }, { sid: "s" }, true],
    ["of the provider's session that it belongs to", { sid: "s" }, { sid: "s" }, true],
    ["of another session at the provider", { sid: "other" }, { sid: "s" }, false],
    ["of any session, and the login does not say to which it belongs", { sid: "other" }, {}, true],
  ])("ends a login that is in progress: %s", async (_whose, which, authentication, isMeant) => {
    const { notices } = start();
    await notices.add("u", logout(which), 1000);
    expect(await isEnded(notices, login({ iat: 999, ...authentication }))).toBe(isMeant);
  });

  test.each([
    ["before", -1, true],
    ["in the same second", 0, true],
    ["afterwards", 1, false],
  ])("ends a login that the provider told of %s, or not", async (_when, seconds, isMeant) => {
    const { notices } = start();
    await notices.add("u", logout(), 1000);
    expect(await isEnded(notices, login({ iat: 1000 + seconds }))).toBe(isMeant);
  });

  test.each([
    ["of that session, as clocks differ", "s", 30, true],
    ["of that session, but much later", "s", 31, false],
    ["of another session", "other", 1, false],
    ["of a session that it does not name", undefined, 1, false],
  ])(
    "ends a login that the provider tells of a little later: %s, or not",
    async (_which, sid, seconds, isMeant) => {
      const { notices } = start();
      await notices.add("u", logout({ sid: "s", tolerance: 30 }), 1000);
      expect(await isEnded(notices, login({ sid, iat: 1000 + seconds }))).toBe(isMeant);
    },
  );

  test("is remembered for ten minutes if it names one session", async () => {
    const { logins, later } = start();
    await logins.addNotice(getUserListName(AMARA), logout({ sid: "s" }));
    later(599);
    expect(await logins.findMissedLogout(login({ sid: "s", iat: 1000 }))).toBeDefined();
    later(1);
    expect(await logins.findMissedLogout(login({ sid: "s", iat: 1000 }))).toBeUndefined();
  });

  test("finds, by the session at the provider, every user whose login belongs to it", async () => {
    const { logins, add } = start({ findsBySid: true });
    await add("s:a", { authentication: { sid: "s" } });
    await add("s:b", { authentication: { sid: "s" }, claims: { sub: "jonas" } });
    await add("s:c", { authentication: { sid: "other" }, claims: { sub: "sofia" } });
    const users = await logins.index.listUsers(getProviderSessionListName(AMARA, "s"));
    expect([...users].sort()).toEqual(
      [getUserListName(AMARA), getUserListName({ ...AMARA, sub: "jonas" })].sort(),
    );
    expect(
      await logins.index.listUsers(getProviderSessionListName({ ...AMARA, client_id: "another" }, "s")),
    ).toEqual([]);
  });

  test("lists nothing by the provider's sessions if neither kind of logout is on", async () => {
    const { logins, add } = start();
    await add("s:a", { authentication: { sid: "s" } });
    expect(await logins.index.listUsers(getProviderSessionListName(AMARA, "s"))).toEqual([]);
  });

  test("of a session that had no login yet ends the login that is just in progress", async () => {
    const { logins } = start({ findsBySid: true });
    await logins.addNotice(getProviderSessionListName(AMARA, "s"), logout({ sid: "s" }));
    expect(await logins.findMissedLogout(login({ sid: "s", iat: 1000 }))).toBeDefined();
    expect(await logins.findMissedLogout(login({ sid: "other", iat: 1000 }))).toBeUndefined();
  });
});

describe("notices of one user", () => {
  const stored = async (records: ReturnType<typeof start>["records"]) =>
    JSON.parse((await records.read("n:u"))?.text ?? "{}").notices as object[];

  test("are kept once for each portalAuth() and each session at the provider, the latest of them", async () => {
    const { notices, records, later } = start();
    for (const id of ["first", "second", "third"]) {
      await notices.add("u", everywhere("r", id), 10_000);
      await notices.add("u", everywhere("another", id), 10_000);
      await notices.add("u", { reason: "backchannel", sid: undefined, iat: 0, tolerance: 0 }, 10_000);
      later(1);
    }
    expect(await stored(records)).toHaveLength(3);
    const ended = (known_logout: string) =>
      isEnded(notices, loginRecord({ redirect_uri: "r", known_logout, authentication: { iat: 9 } }));
    expect([await ended("second"), await ended("third")]).toEqual([true, false]);
  });

  test("have each an age and a life of their own", async () => {
    const { notices, later } = start();
    const known = async () =>
      (await notices.read(["u"])).map(({ life_ms, age_ms }) => [life_ms / 1000, age_ms / 1000]);
    await notices.add("u", everywhere("short"), 10_000);
    later(4);
    await notices.add("u", everywhere("long"), 60_000);
    later(1);
    await notices.add("u", everywhere("medium"), 20_000);
    later(4);
    expect(await known()).toEqual([
      [10, 9],
      [60, 5],
      [20, 4],
    ]);
    later(1);
    expect(await known()).toEqual([
      [60, 6],
      [20, 5],
    ]);
    later(53);
    expect(await known()).toEqual([[60, 59]]);
    later(1);
    expect(await known()).toEqual([]);
  });

  test("of the provider go by the latest time, in whichever order they come", async () => {
    const { notices } = start();
    for (const iat of [1000, 1009, 1005])
      await notices.add("u", { reason: "backchannel", sid: "s", iat, tolerance: 0 }, 10_000);
    const at = (iat: number) => isEnded(notices, loginRecord({ authentication: { sid: "s", iat } }));
    expect([await at(1009), await at(1010)]).toEqual([true, false]);
  });

  test("are written although forty other logouts come in between", async () => {
    const { notices, records } = start();
    await notices.add("u", everywhere("another"), 10_000);
    const overtaken = vi.spyOn(records, "replace");
    for (let other = 0; other < 40; other += 1) overtaken.mockResolvedValueOnce(false);
    await notices.add("u", everywhere(), 10_000);
    expect(await stored(records)).toHaveLength(2);
  });

  test("are all there after twenty logouts at the same moment", async () => {
    const { notices, records } = start();
    const uris = Array.from({ length: 20 }, (_, n) => `r${n}`);
    await Promise.all(uris.map((redirect_uri) => notices.add("u", everywhere(redirect_uri), 10_000)));
    expect(await stored(records)).toHaveLength(20);
  });

  test.each([
    "",
    "null",
    "{}",
    "[]",
    '{"life_ms":10000,"notices":{}}',
    '{"life_ms":10000,"notices":[1,null,{"age_ms":"x"},{"age_ms":0}]}',
    '{"notices":[{"reason":"everywhere","redirect_uri":"r","id":"x","age_ms":0,"life_ms":9999}]}',
    '{"life_ms":10000,"notices":[{"reason":"everywhere","redirect_uri":"r","id":{},"age_ms":0,"life_ms":9999}]}',
    '{"life_ms":10000,"notices":[{"reason":"too_old","iat":1e999,"tolerance":0,"age_ms":0,"life_ms":9999}]}',
    '{"life_ms":10000,"notices":[{"reason":["frontchannel"],"iat":1e999,"tolerance":0,"age_ms":0,"life_ms":9999}]}',
    "nonsense",
  ])("that others have replaced by %j end nothing, and new ones are written", async (text) => {
    const { notices, records } = start();
    await records.create("n:u", text, 10_000);
    const login = loginRecord({ redirect_uri: "r" });
    expect(await isEnded(notices, login)).toBe(false);
    await notices.add("u", everywhere(), 10_000);
    expect(await isEnded(notices, login)).toBe(true);
  });
});

test("an update of a record that cannot be decoded fails, and does not say that the login has ended", async () => {
  const { logins, records } = start();
  await records.create("s:a", "encrypted with a newer key", 1000);
  await expect(logins.update("s:a", (record) => record)).rejects.toMatchObject({
    code: "session_store_failed",
    detail: "the record of the login is unreadable",
  });
  expect(await logins.update("s:b", (record) => record)).toBeUndefined();
});
