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
    await store.create("clock", "text", HOUR_MS);
    await store.index.add("clock", "name", HOUR_MS);
    advanceDate(-48 * HOUR_MS);
    expect((await store.read("clock"))?.lifeMs).toBeLessThanOrEqual(HOUR_MS);
    expect(await store.index.list("clock")).toEqual(["name"]);
  });

  test("lets MongoDB delete expired documents, and finds names by their list", async () => {
    const db = clients[0]?.db();
    const recordIndexes = await db?.collection("portal_record").indexes();
    const nameIndexes = await db?.collection("portal_record_index").indexes();
    const ttl = expect.objectContaining({ key: { endsAt: 1 }, expireAfterSeconds: 0 });
    expect(recordIndexes).toContainEqual(ttl);
    expect(nameIndexes).toContainEqual(ttl);
    expect(nameIndexes).toContainEqual(expect.objectContaining({ key: { "_id.list": 1 } }));
  });
});

test("each call waits for the majority, reads at the primary, and has a timeout", async () => {
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
  ["repeated at most nine times", Array.from({ length: 20 }, () => 11000), 10, 11000],
])("an upsert that conflicts with another one is %s", async (_retries, codes, calls, last) => {
  const remaining = [...codes];
  const fail = vi.fn(async () => {
    throw { code: remaining.shift() };
  });
  const store = new MongodbStore({ collection: () => ({ findOneAndUpdate: fail }) } as unknown as Db);
  await expect(store.create("a", "text", HOUR_MS)).rejects.toEqual({ code: last });
  expect(fail).toHaveBeenCalledTimes(calls);
});

/** Records the options that the adapter passes to the driver. It needs no database. */
async function recordCalls() {
  const options: unknown[] = [];
  const calls: [name: string, options: unknown][] = [];
  const respond = (name: string, callOptions: unknown) => {
    calls.push([name, callOptions]);
    return name === "find" ? { toArray: async () => [] } : Promise.resolve({ matchedCount: 1 });
  };
  const methods = {
    get:
      (_target: object, name: string) =>
      (...parameters: unknown[]) =>
        respond(name, parameters.at(-1)),
  };
  const collection = (_name: string, collectionOptions: unknown) => {
    options.push(collectionOptions);
    return new Proxy({}, methods);
  };
  const store = new MongodbStore({ collection } as unknown as Db);
  await store.read("a");
  await store.create("a", "text", HOUR_MS);
  await store.remove("a");
  await store.index.list("a");
  return {
    options,
    named: (method: string) =>
      calls.filter(([name]) => name === method).map(([, callOptions]) => callOptions),
  };
}
