import { expect, test, vi } from "vitest";
import type { RecordStore } from "../../lib/store/record-store.js";
import { recordStoreChecks } from "../../lib/testing/index.js";
import { BROKEN, type Break } from "./broken-adapters.js";
import { OpenRecords } from "./open-records.js";

/** The checks of two adapters that are broken in the same way, over the same records. */
function checksOf(breakIt: Break) {
  const records = new OpenRecords();
  let created = 0;
  const createAdapter = () => {
    const { index, ...broken } = breakIt(records, created);
    created += 1;
    const bound = Object.fromEntries(
      (["read", "create", "replace", "touch", "remove"] as const).map((name) => [
        name,
        records[name].bind(records),
      ]),
    );
    return { ...bound, ...broken, index: { ...records.index, ...index } } as unknown as RecordStore;
  };
  const letPass = (ms: number) => {
    records.now += ms;
  };
  return recordStoreChecks(createAdapter, { letPass });
}

const checks = checksOf(() => ({}));

test.each(checks)("a correct adapter passes: $name", ({ run }) => run());

test("there is a broken adapter for each check, and each check has a name of its own", () => {
  expect(checks.map(({ name }) => name).sort()).toEqual(Object.keys(BROKEN).sort());
});

test.each(Object.entries(BROKEN))(
  "an adapter that fails it is reported: %s",
  async (name, [did, breakIt]) => {
    if (name.includes("does not read") || name.includes("shorter life that")) skipThreeSeconds();
    const check = checksOf(breakIt).find((one) => one.name === name);
    const error = await check?.run().catch((failed: unknown) => failed);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toContain(did);
    expect(message).toMatch(/^.+\.\nIt must .+\.\nIf it does not, .+\.$/);
    expect(message.length).toBeLessThan(1000);
  },
);

/** The limit of three seconds passes at the second look. */
function skipThreeSeconds(): void {
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 2000;
    return now;
  });
}

test("the error of an adapter is the cause", async () => {
  const cause = new Error("the database is down");
  const fails = async () => {
    throw cause;
  };
  const [, check] = checksOf(() => ({ create: fails }));
  await expect(check?.run()).rejects.toMatchObject({
    message: expect.stringContaining("The adapter rejected, or threw: Error: the database is down."),
    cause,
  });
});

test("two adapters are created, when the first check runs", async () => {
  const createAdapter = vi.fn(() => new OpenRecords());
  const [first, second] = recordStoreChecks(createAdapter);
  expect(createAdapter).not.toHaveBeenCalled();
  await first?.run();
  await second?.run();
  expect(createAdapter).toHaveBeenCalledTimes(2);
});

test("the null of a database counts as undefined", async () => {
  const orNull = <T>(value: T | undefined) => (value ?? null) as T | undefined;
  const nulls = checksOf((records) => ({
    read: async (key) => orNull(await records.read(key)),
    remove: async (key, version) => orNull(await records.remove(key, version)),
  }));
  for (const { run } of nulls) await run();
});
