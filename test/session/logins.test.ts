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

/** Creates a logout of the user on all devices, at the portalAuth() with this redirect URI. */
const everywhere = (redirect_uri = "r", id = "the-logout") =>
  ({ reason: "everywhere", redirect_uri, id }) as const;

const isEnded = async (notices: LogoutNotices, login: LoginRecord): Promise<boolean> =>
  (await notices.read(["u"])).some((notice) => shouldEndLogin(notice, login));

function start({ hasProviderSessionLists = false } = {}) {
  const { clock, later } = createClock();
  const records = createMemoryStore(clock);
  const warnings: string[] = [];
  const codec = createRecordCodec([], () => {});
  const warn = (message: string) => {
    warnings.push(message);
  };
  const logins = new Logins({
    records,
    codec,
    absoluteSeconds: 3600,
    hasProviderSessionLists,
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
  test("names each login of one user, and no login of another user", async () => {
    const { lists, add } = start();
    for (const key of ["s:a", "s:b"]) await add(key);
    await add("s:c", { claims: { sub: "jonas" } });
    await add("s:d", { client_id: "another" });
    const keysOf = (user: object) => lists.listKeys(getUserListName({ ...AMARA, ...user }));
    expect([
      await keysOf({}),
      await keysOf({ sub: "jonas" }),
      await keysOf({ issuer: "https://another.example" }),
    ]).toEqual([["s:a", "s:b"], ["s:c"], []]);
  });

  test.each(["__proto__", "constructor", "toString", "", "a\u0000b", "a".repeat(255)])(
    "accepts %j as the name of a user",
    async (sub) => {
      const { lists, add } = start();
      await add("s:a", { claims: { sub } });
      expect([
        await lists.listKeys(getUserListName({ ...AMARA, sub })),
        await lists.listKeys(getUserListName(AMARA)),
      ]).toEqual([["s:a"], []]);
    },
  );

  test("is another list if client and user are split at another character", () => {
    const list = getUserListName({ issuer: "i", client_id: "cs", sub: "ub" });
    expect(list).not.toBe(getUserListName({ issuer: "i", client_id: "c", sub: "sub" }));
    expect(list).not.toContain("ub");
  });

  test("ignores a login of another user that an attacker has added to it in the store", async () => {
    const { logins, records, add } = start();
    await add("s:a");
    await add("s:b", { claims: { sub: "jonas" } });
    await records.index.add(getUserListName(AMARA), "s:b", 60_000);
    expect((await logins.listByUser(getUserListName(AMARA))).map(({ key }) => key)).toEqual(["s:a"]);
    const { ended } = await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
    expect(ended.map(({ key }) => key)).toEqual(["s:a"]);
    expect(await logins.read("s:b")).toBeDefined();
  });

  test("drops an expired login", async () => {
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

  test("needs one call of the store for each new login, also for a user with a thousand logins", async () => {
    const { logins, records, add } = start();
    const calls = vi.spyOn(records.index, "add");
    for (let count = 0; count < 1000; count += 1) await add(`s:${count}`);
    expect(calls).toHaveBeenCalledTimes(1000);
    expect(await logins.listByUser(getUserListName(AMARA))).toHaveLength(1000);
  });

  test("includes a login whose record cannot be decoded", async () => {
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

describe("an update of a login", () => {
  test("applies to the stored record, also if there are 20 updates at the same moment", async () => {
    const { logins, add } = start();
    await add("s:a", { version: 0 });
    const count = () => logins.update("s:a", (record) => ({ ...record, version: record.version + 1 }));
    await Promise.all(Array.from({ length: 20 }, count));
    expect((await logins.read("s:a"))?.login?.record.version).toBe(20);
  });

  test("does not restore a login that has ended, or that ends meanwhile", async () => {
    const { logins, add } = start();
    const record = await add("s:a");
    await logins.remove("s:a");
    expect(await logins.update("s:a", (stored) => ({ ...stored, version: 9 }))).toBeUndefined();
    await add("s:b");
    const updated = await logins.update("s:b", (stored) => {
      void logins.remove("s:b");
      return { ...stored, version: 9 };
    });
    expect([updated, await logins.read("s:b"), record.version]).toEqual([undefined, undefined, 3]);
  });

  test("can remove the login from the store and from the list", async () => {
    const { logins, lists, add } = start();
    await add("s:a");
    expect(await logins.update("s:a", () => "remove")).toBeUndefined();
    expect([await logins.read("s:a"), await lists.listKeys(getUserListName(AMARA))]).toEqual([undefined, []]);
  });
});

describe("a logout of the user on all devices", () => {
  test("ends the affected logins, and no others", async () => {
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

  test("ends a login that is written while the logout runs", async () => {
    const { logins, records, add } = start();
    await add("s:a");
    const create = records.create.bind(records);
    records.create = async (key, ...args) => {
      if (key.startsWith("n:")) await add("s:b");
      return create(key, ...args);
    };
    const { ended } = await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
    expect(ended.map(({ key }) => key)).toEqual(["s:a", "s:b"]);
  });

  test("ends the logins and logs a warning if the store cannot save the notice", async () => {
    const { logins, records, add, warnings } = start();
    await add("s:a");
    records.create = () => Promise.reject(new Error("OOM command not allowed"));
    expect((await logins.removeByUser(getUserListName(AMARA), ANY, everywhere())).ended).toHaveLength(1);
    expect([await logins.read("s:a"), warnings.length]).toEqual([undefined, 1]);
  });

  test.each([
    ["before the logout is rejected", "r", 1001, false],
    ["in the same millisecond is accepted", "r", 1000, true],
    ["after the logout is accepted", "r", 999, true],
    ["before the logout, at another portalAuth(), is accepted", "another", 1001, true],
  ])("leaves a notice: a login with a token request %s", async (_case, redirect_uri, ageMs, isAccepted) => {
    const { logins, add, later } = start();
    await logins.removeByUser(getUserListName(AMARA), ANY, everywhere());
    later(1);
    const record = await add("s:a", { redirect_uri });
    expect((await logins.confirm("s:a", record, () => ageMs)) !== undefined).toBe(isAccepted);
  });

  test("does not end a login that started later, but the next logout does", async () => {
    const { logins, notices, add, later } = start();
    const findReason = async (record: LoginRecord) => (await logins.findMissedLogout(record))?.reason;
    const before = await add("s:a", { redirect_uri: "r" });
    await logins.confirm("s:a", before, () => 0);
    await notices.add(getUserListName(AMARA), everywhere(), 3600_000);
    later(1);
    const after = await logins.confirm("s:b", await add("s:b", { redirect_uri: "r" }), () => 0);
    expect((await logins.read("s:b"))?.login?.record).toEqual(after);
    expect([await findReason(before), after && (await findReason(after))]).toEqual(["everywhere", undefined]);
    await notices.add(getUserListName(AMARA), everywhere("another", "at-another"), 3600_000);
    expect(after && (await findReason(after))).toBeUndefined();
    await notices.add(getUserListName(AMARA), everywhere("r", "a-second-one"), 3600_000);
    expect(after && (await findReason(after))).toBe("everywhere");
  });

  test("ends a login that is being confirmed at that moment", async () => {
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

  test("leaves a notice that expires after the maximum lifetime of a login", async () => {
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
    ["without a sid ends a login in progress", { sid: undefined }, { sid: "s" }, true],
    ["ends a login in progress with the same sid", { sid: "s" }, { sid: "s" }, true],
    ["does not end a login in progress with another sid", { sid: "other" }, { sid: "s" }, false],
    ["ends a login in progress without a sid", { sid: "other" }, {}, true],
  ])("%s", async (_title, target, authentication, isAffected) => {
    const { notices } = start();
    await notices.add("u", logout(target), 1000);
    expect(await isEnded(notices, login({ iat: 999, ...authentication }))).toBe(isAffected);
  });

  test.each([
    ["ends a login whose ID token is older", -1, true],
    ["ends a login whose ID token is of the same second", 0, true],
    ["does not end a login whose ID token is newer", 1, false],
  ])("%s", async (_title, seconds, isAffected) => {
    const { notices } = start();
    await notices.add("u", logout(), 1000);
    expect(await isEnded(notices, login({ iat: 1000 + seconds }))).toBe(isAffected);
  });

  test.each([
    ["with the same sid if it is newer by the clock tolerance: the login ends", "s", 30, true],
    ["with the same sid if it is newer by more: the login stays", "s", 31, false],
    ["with another sid: the login stays", "other", 1, false],
    ["without a sid: the login stays", undefined, 1, false],
  ])("of one sid and a newer ID token %s", async (_case, sid, seconds, isAffected) => {
    const { notices } = start();
    await notices.add("u", logout({ sid: "s", tolerance: 30 }), 1000);
    expect(await isEnded(notices, login({ sid, iat: 1000 + seconds }))).toBe(isAffected);
  });

  test("of one sid leaves a notice for ten minutes", async () => {
    const { logins, later } = start();
    await logins.addNotice(getUserListName(AMARA), logout({ sid: "s" }));
    later(599);
    expect(await logins.findMissedLogout(login({ sid: "s", iat: 1000 }))).toBeDefined();
    later(1);
    expect(await logins.findMissedLogout(login({ sid: "s", iat: 1000 }))).toBeUndefined();
  });

  test("of one sid finds all users who have a login with it", async () => {
    const { logins, add } = start({ hasProviderSessionLists: true });
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

  test("has no lists by sid, if no kind of provider logout is on", async () => {
    const { logins, add } = start();
    await add("s:a", { authentication: { sid: "s" } });
    expect(await logins.index.listUsers(getProviderSessionListName(AMARA, "s"))).toEqual([]);
  });

  test("of an unknown sid ends a login in progress with that sid", async () => {
    const { logins } = start({ hasProviderSessionLists: true });
    await logins.addNotice(getProviderSessionListName(AMARA, "s"), logout({ sid: "s" }));
    expect(await logins.findMissedLogout(login({ sid: "s", iat: 1000 }))).toBeDefined();
    expect(await logins.findMissedLogout(login({ sid: "other", iat: 1000 }))).toBeUndefined();
  });
});

describe("the notices of one user", () => {
  const stored = async (records: ReturnType<typeof start>["records"]) =>
    JSON.parse((await records.read("n:u"))?.text ?? "{}").notices as object[];

  test("are stored once for each portalAuth() and each sid: the latest one replaces the others", async () => {
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

  test("have each their own age and lifetime", async () => {
    const { notices, later } = start();
    const readTimes = async () =>
      (await notices.read(["u"])).map(({ life_ms, age_ms }) => [life_ms / 1000, age_ms / 1000]);
    await notices.add("u", everywhere("short"), 10_000);
    later(4);
    await notices.add("u", everywhere("long"), 60_000);
    later(1);
    await notices.add("u", everywhere("medium"), 20_000);
    later(4);
    expect(await readTimes()).toEqual([
      [10, 9],
      [60, 5],
      [20, 4],
    ]);
    later(1);
    expect(await readTimes()).toEqual([
      [60, 6],
      [20, 5],
    ]);
    later(53);
    expect(await readTimes()).toEqual([[60, 59]]);
    later(1);
    expect(await readTimes()).toEqual([]);
  });

  test("of the provider apply the latest time, in any order of arrival", async () => {
    const { notices } = start();
    for (const iat of [1000, 1009, 1005])
      await notices.add("u", { reason: "backchannel", sid: "s", iat, tolerance: 0 }, 10_000);
    const at = (iat: number) => isEnded(notices, loginRecord({ authentication: { sid: "s", iat } }));
    expect([await at(1009), await at(1010)]).toEqual([true, false]);
  });

  test("are written although forty other logouts overtake the write", async () => {
    const { notices, records } = start();
    await notices.add("u", everywhere("another"), 10_000);
    const replace = vi.spyOn(records, "replace");
    for (let count = 0; count < 40; count += 1) replace.mockResolvedValueOnce(false);
    await notices.add("u", everywhere(), 10_000);
    expect(await stored(records)).toHaveLength(2);
  });

  test("are all stored after twenty logouts at the same moment", async () => {
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
    "not JSON",
  ])("that an attacker has replaced by %j end no login, and new notices are written", async (text) => {
    const { notices, records } = start();
    await records.create("n:u", text, 10_000);
    const login = loginRecord({ redirect_uri: "r" });
    expect(await isEnded(notices, login)).toBe(false);
    await notices.add("u", everywhere(), 10_000);
    expect(await isEnded(notices, login)).toBe(true);
  });
});

test("an update of a record that cannot be decoded fails, because the login has not ended", async () => {
  const { logins, records } = start();
  await records.create("s:a", "encrypted with a newer key", 1000);
  await expect(logins.update("s:a", (record) => record)).rejects.toMatchObject({
    code: "session_store_failed",
    detail: "the record of the login is unreadable",
  });
  expect(await logins.update("s:b", (record) => record)).toBeUndefined();
});
