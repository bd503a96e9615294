import { randomUUID } from "node:crypto";
import { MongoClient } from "mongodb";
import { afterAll, describe } from "vitest";

const server = process.env["MONGODB_URL"] ?? "";
const missing = server
  ? ""
  : "skipped: no MongoDB. To run it: set MONGODB_URL to the address of a replica set";

/**
 * Tests with a database of their own on the server of MONGODB_URL. CI leaves them out: it accepts no skipped
 * test, and no package that it can install brings a MongoDB.
 */
export function describeWithMongodb(name: string, tests: (url: () => string) => void): void {
  if (missing && process.env["CI"]) return;
  describe.skipIf(missing)(`${name}${missing && ` (${missing})`}`, () => {
    const url = server && withDatabase(server, `test_${randomUUID().replaceAll("-", "")}`);
    afterAll(async () => {
      const client = new MongoClient(url);
      await client.db().dropDatabase();
      await client.close();
    });
    tests(() => url);
  });
}

function withDatabase(address: string, name: string): string {
  const url = new URL(address);
  url.pathname = `/${name}`;
  return url.href;
}
