import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Db, MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { RecordStore } from "../../lib/store/record-store.js";
import { recordStoreChecks } from "../../lib/testing/index.js";
import { advanceDate } from "../support/fake-time.js";
import { describeWithMongodb } from "./mongodb-database.js";
import { RECIPES } from "./start-recipe.js";

const HOUR_MS = 3_600_000;

const { MongodbStore } = (await import(pathToFileURL(join(RECIPES, "mongodb/mongodb-store.mjs")).href)) as {
  MongodbStore: new (db: Db) => RecordStore & { createIndexes(): Promise<void> };
};

describeWithMongodb("the adapter for MongoDB", (url) => {
  const clients: MongoClient[] = [];
  const createAdapter = () => {
    const client = new MongoClient(url());
    clients.push(client);
    return new MongodbStore(client.db());
  };
  beforeAll(() => createAdapter().createIndexes());
  afterAll(async () => {
    for (const client of clients) await client.close();
  });

  for (const { name, run } of recordStoreChecks(createAdapter)) test(name, run);

  test("does not use the clock of the process", async () => {
    const store = createAdapter();
    advanceDate(24 * HOUR_MS);
    await store.create("by-the-clock", "text", HOUR_MS);
    await store.index.add("by-the-clock", "name", HOUR_MS);
    advanceDate(-48 * HOUR_MS);
    expect((await store.read("by-the-clock"))?.lifeMs).toBeLessThanOrEqual(HOUR_MS);
    expect(await store.index.list("by-the-clock")).toEqual(["name"]);
  });

  test("lets MongoDB delete expired documents, and finds names by their list", async () => {
    const db = clients[0]?.db();
    const ofRecords = await db?.collection("portal_record").indexes();
    const ofNames = await db?.collection("portal_record_index").indexes();
    const ttl = expect.objectContaining({ key: { endsAt: 1 }, expireAfterSeconds: 0 });
    expect(ofRecords).toContainEqual(ttl);
    expect(ofNames).toContainEqual(ttl);
    expect(ofNames).toContainEqual(expect.objectContaining({ key: { "_id.list": 1 } }));
  });
});

test("every call waits for the majority, reads at a confirmed primary, and ends before the caller gives up", async () => {
  const calls = await recordCalls();
  expect(calls.options).toEqual([
    {
      readPreference: "primary",
      readConcern: "linearizable",
      writeConcern: { w: "majority", wtimeoutMS: 8000 },
    },
    {
      readPreference: "primary",
      readConcern: "linearizable",
      writeConcern: { w: "majority", wtimeoutMS: 8000 },
    },
  ]);
  for (const name of ["findOne", "find", "findOneAndUpdate", "findOneAndDelete"])
    expect(calls.named(name), name).toEqual([expect.objectContaining({ maxTimeMS: 8000 })]);
});

test.each([
  ["repeated", [11000, 11000, 112], 3, 112],
  ["repeated nine times at most", Array.from({ length: 20 }, () => 11000), 10, 11000],
])("an upsert that meets another one is %s", async (_what, codes, calls, last) => {
  const left = [...codes];
  const fails = vi.fn(async () => {
    throw { code: left.shift() };
  });
  const store = new MongodbStore({ collection: () => ({ findOneAndUpdate: fails }) } as unknown as Db);
  await expect(store.create("a", "text", HOUR_MS)).rejects.toEqual({ code: last });
  expect(fails).toHaveBeenCalledTimes(calls);
});

/** The options that the adapter passes to the driver, without a database. */
async function recordCalls() {
  const options: unknown[] = [];
  const calls: [name: string, options: unknown][] = [];
  const answer = (name: string, given: unknown) => {
    calls.push([name, given]);
    return name === "find" ? { toArray: async () => [] } : Promise.resolve({ matchedCount: 1 });
  };
  const methods = {
    get:
      (_target: object, name: string) =>
      (...given: unknown[]) =>
        answer(name, given.at(-1)),
  };
  const collection = (_name: string, given: unknown) => {
    options.push(given);
    return new Proxy({}, methods);
  };
  const store = new MongodbStore({ collection } as unknown as Db);
  await store.read("a");
  await store.create("a", "text", HOUR_MS);
  await store.remove("a");
  await store.index.list("a");
  return {
    options,
    named: (wanted: string) => calls.filter(([name]) => name === wanted).map(([, given]) => given),
  };
}
