import { expect, test, vi } from "vitest";
import type { RecordStore } from "../../lib/store/record-store.js";
import { recordStoreChecks } from "../../lib/testing/index.js";
import { BROKEN, type Break } from "./broken-adapters.js";
import { OpenRecords } from "./open-records.js";

/** Returns the checks for two adapters that are broken in the same way and share their records. */
function createChecks(breakAdapter: Break) {
  const records = new OpenRecords();
  let created = 0;
  const createAdapter = () => {
    const { index, ...broken } = breakAdapter(records, created);
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

const checks = createChecks(() => ({}));

test.each(checks)("a correct adapter passes: $name", ({ run }) => run());

test("there is a broken adapter for each check, and all names differ", () => {
  expect(checks.map(({ name }) => name).sort()).toEqual(Object.keys(BROKEN).sort());
});

test.each(Object.entries(BROKEN))(
  "a broken adapter fails the check: %s",
  async (name, [expectedText, breakAdapter]) => {
    if (name.includes("does not read") || name.includes("shorter life that")) skipThreeSeconds();
    const check = createChecks(breakAdapter).find((candidate) => candidate.name === name);
    const error = await check?.run().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toContain(expectedText);
    expect(message).toMatch(/^.+\.\nIt must .+\.\nIf it does not, .+\.$/);
    expect(message.length).toBeLessThan(1000);
  },
);

/** Lets the time limit of 3 s pass at the second read of the clock. */
function skipThreeSeconds(): void {
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 2000;
    return now;
  });
}

test("the error of an adapter is the cause", async () => {
  const cause = new Error("the database is down");
  const fail = async () => {
    throw cause;
  };
  const [, check] = createChecks(() => ({ create: fail }));
  await expect(check?.run()).rejects.toMatchObject({
    message: expect.stringContaining("The adapter rejected, or threw: Error: the database is down."),
    cause,
  });
});

test("the first check creates two adapters", async () => {
  const createAdapter = vi.fn(() => new OpenRecords());
  const [first, second] = recordStoreChecks(createAdapter);
  expect(createAdapter).not.toHaveBeenCalled();
  await first?.run();
  await second?.run();
  expect(createAdapter).toHaveBeenCalledTimes(2);
});

test("an adapter may return null in place of undefined", async () => {
  const orNull = <T>(value: T | undefined) => (value ?? null) as T | undefined;
  const nullChecks = createChecks((records) => ({
    read: async (key) => orNull(await records.read(key)),
    remove: async (key, version) => orNull(await records.remove(key, version)),
  }));
  for (const { run } of nullChecks) await run();
});
