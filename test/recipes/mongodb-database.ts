import { randomUUID } from "node:crypto";
import { MongoClient } from "mongodb";
import { afterAll, describe } from "vitest";

const server = process.env["MONGODB_URL"] ?? "";
const missing = server ? "" : "skipped: no MongoDB. To run it: set MONGODB_URL to the URL of a replica set";

/**
 * Runs tests with a new database on the server of MONGODB_URL. CI omits them: it accepts no skipped tests,
 * and it cannot install MongoDB.
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

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
