import { afterAll, beforeAll, describe } from "vitest";
import { type MariadbServer, noMariadb, startMariadb } from "./mariadb.mjs";
import { noPgbouncer, type PgbouncerServer, startPgbouncer } from "./pgbouncer.mjs";
import { noPostgres, type PostgresServer, startPostgres } from "./postgres.mjs";
import { noRedis, type RedisOptions, type RedisServer, startRedis } from "./redis.mjs";

/** Describes tests that share one Redis; their session ids are random. Skipped if Redis is not installed. */
export function describeWithRedis(
  name: string,
  tests: (redis: () => RedisServer) => void,
  options?: RedisOptions,
) {
  describeWithServer(name, noRedis, () => startRedis(options), tests);
}

/** Describes tests that share one PostgreSQL, in the same way. */
export function describeWithPostgres(name: string, tests: (postgres: () => PostgresServer) => void) {
  describeWithServer(name, noPostgres, startPostgres, tests);
}

/** Describes tests that share one MariaDB. Each test creates its own database. */
export function describeWithMariadb(name: string, tests: (mariadb: () => MariadbServer) => void) {
  describeWithServer(name, noMariadb, startMariadb, tests);
}

/** Describes tests that share a pgbouncer in transaction mode, with its own PostgreSQL. */
export function describeWithPgbouncer(name: string, tests: (pgbouncer: () => PgbouncerServer) => void) {
  describeWithServer(name, noPostgres || noPgbouncer, startBoth, tests);
}

async function startBoth(): Promise<PgbouncerServer> {
  const postgres = await startPostgres();
  const pgbouncer = await startPgbouncer(postgres.port);
  return {
    url: pgbouncer.url,
    async stop() {
      await pgbouncer.stop();
      await postgres.stop();
    },
  };
}

function describeWithServer<Server extends { stop(): Promise<void> }>(
  name: string,
  missing: string,
  start: () => Promise<Server>,
  tests: (server: () => Server) => void,
): void {
  describe.skipIf(missing)(`${name}${missing && ` (${missing})`}`, () => {
    let server: Server | undefined;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());
    tests(() => {
      if (!server)
        throw new Error("the server is available only while tests run, not while they are described");
      return server;
    });
  });
}
